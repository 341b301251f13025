// The grid of a region's bins: the thresholds of all stages and the changes of all conditions divide every
// column.
//
// Bin b of a column holds the uniforms with exactly b edges at or below them. A conditional column has one
// bin more, the last, for what is missing; its uniform is free there, so that bin has the whole range of
// uniforms.
//
// Immutable; any number of threads may read. Memory: 8 bytes an edge.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "prior/random.hpp"
#include "region/box.hpp"
#include "tables/stage.hpp"

namespace shac {

class BinGrid {
  public:
    /// Throws std::invalid_argument when a column has 65,534 edges or more.
    BinGrid(const std::vector<std::shared_ptr<const Stage>>& stages, std::size_t width,
            const Conditions& conditions);

    std::size_t width() const { return edges_.size(); }

    /// Edges of a column's bins among its uniforms, without 0 and the end of the range.
    const std::vector<std::uint64_t>& edges(std::size_t column) const { return edges_[column]; }

    /// All bins of all columns.
    const Box& whole() const { return whole_; }

    /// The bin of what is missing, where the column is conditional.
    BinIndex missing_bin(std::size_t column) const {
        return static_cast<BinIndex>(edges_[column].size() + 1);
    }

    /// Whether the boxes with this range lack the column for certain.
    bool is_missing(std::size_t column, BinRange range) const { return range.begin > edges_[column].size(); }

    /// The smallest uniform of a bin.
    std::uint64_t begin_of(std::size_t column, BinIndex bin) const {
        if (bin == 0) {
            return 0;
        }
        return bin > edges_[column].size() ? kUniformRange : edges_[column][bin - 1U];
    }

    /// The uniforms [first, second) of a range.
    std::pair<std::uint64_t, std::uint64_t> uniforms(std::size_t column, BinRange range) const {
        if (is_missing(column, range)) {
            return {0, kUniformRange};
        }
        return {begin_of(column, range.begin), begin_of(column, range.end)};
    }

    /// Mass of the prior.
    double mass(std::size_t column, BinRange range) const {
        const auto [begin, end] = uniforms(column, range);
        return static_cast<double>(end - begin) / static_cast<double>(kUniformRange);
    }
    double mass(const Box& box) const;

    /// The box of this grid that holds what a box of another holds, all of whose edges are among those of
    /// this one.
    Box refined(const BinGrid& coarser, Box box) const;

  private:
    BinIndex refined(const BinGrid& coarser, std::size_t column, BinIndex bin) const;

    std::vector<std::vector<std::uint64_t>> edges_;
    Box whole_;
};

}  // namespace shac
