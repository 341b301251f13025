// A stage quantized: integer tables that prove rejections.
//
// Every tree is a sum of a step function of its columns. Trees over the same few columns add up to one table
// over their bins; what no table holds stays a tree. Entries are the exact real sums of leaves, scaled by a
// power of two and rounded up to 16-bit integers, so the sum of a row's entries is never below its margin. A
// row whose sum is below the limit is therefore rejected by XGBoost for certain; of the others nothing is
// said, and the exact forest decides. No sum can overflow: the scale leaves room for all leaves.
//
// Columns are known by the upper 16 bits of their uniforms (see prior/random.hpp). A row whose upper bits
// equal those of an edge is ambiguous, and never rejected here; likewise a tree deeper than the kernels take
// is truncated, with the largest leaf of a subtree in its place. Both only weaken what is proven. A
// conditional column has one bin more, for what is missing; its edges among the last uniforms are truncated
// likewise.
//
// Made by compile_tables (see tables/table_compiler.hpp). Immutable; any number of threads may use it, each
// with its own scratch. Cost: cost() instructions for 64 rows. Memory: num_bytes().
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include "kernels/kernels.hpp"
#include "model/decision.hpp"

namespace shac {

/// What one thread needs to test a chunk of rows; kept from chunk to chunk.
struct QuantizedScratch {
    std::vector<std::uint8_t> bins;  // by columns of a segment, kChunk bytes each
    std::vector<std::int16_t> sums;
    std::vector<std::int16_t> moved_sums;  // of the rows that an early exit has left
    std::vector<std::uint16_t> rows;       // their numbers
    std::array<std::uint64_t, kChunk / kLane> ambiguous;
    std::array<std::uint64_t, kChunk / kLane> below;
};

class QuantizedStage {
  public:
    struct BinnedColumn {
        std::uint32_t column;
        EdgeSearch edges;
        std::uint32_t num_edges;
        bool is_conditional;  // its last edge is kCoarseUnknown, and behind it is what is missing
    };
    /// A run of trees with at most kMaxEdges coarse edges a column, so that bins fit a byte.
    struct Segment {
        std::vector<BinnedColumn> columns;
        std::vector<SmallTable> small_tables;
        std::vector<LargeTable> large_tables;
        std::vector<TreeTable> trees;          // largest range of leaves first
        std::vector<std::int32_t> suffix_max;  // sum of the largest leaves of trees[t], t >= i
        std::int32_t max_later_segments = 0;
    };
    /// What proves nothing, until it is filled.
    struct Parts {
        std::vector<Segment> segments;  // trees in any order, without suffix_max and max_later_segments
        std::int16_t bias = 0;
        std::int32_t accept_limit = std::numeric_limits<std::int32_t>::max();
        double cost = 0.0;
    };

    explicit QuantizedStage(Parts parts);

    /// Columns that decide, ascending.
    const std::vector<std::uint32_t>& columns() const { return columns_; }

    /// Work for 64 rows, in vector instructions.
    double cost() const { return parts_.cost; }

    std::size_t num_bytes() const;
    std::size_t num_tables() const;
    std::size_t num_trees() const;

    const std::vector<Segment>& segments() const { return parts_.segments; }

    /// The sum of no entries at all. Rows whose sum is below 0 are rejected; those whose sum is at least
    /// accept_limit() are accepted, for an entry exceeds what it stands for by less than 1.
    std::int32_t bias() const { return parts_.bias; }
    std::int32_t accept_limit() const { return parts_.accept_limit; }

    /// What the tables prove of one row, given the uniforms of all its columns.
    Decision decide(const std::uint64_t* uniforms) const;

    /// Sets the bits of the rows (at most kChunk) that the stage is proven to reject. `uniforms[f]` holds the
    /// coarse uniforms of column f, for each of columns().
    void reject(const Kernels& kernels, const std::uint16_t* const* uniforms, std::size_t offset,
                std::size_t rows, QuantizedScratch& scratch, std::uint64_t* rejected) const;

    /// Writes the bins of a segment's columns, kChunk bytes each, and adds a bit to `ambiguous` for each row
    /// that has no bin of some column.
    using FindBins = std::function<void(std::size_t segment, std::uint8_t* bins, std::uint64_t* ambiguous)>;

    /// Sets the bits of the rows (at most kChunk) that the stage is proven to reject, and of those that it is
    /// proven to accept.
    void decide(const Kernels& kernels, std::size_t rows, const FindBins& find_bins,
                QuantizedScratch& scratch, std::uint64_t* rejected, std::uint64_t* accepted) const;

  private:
    template <typename Find>
    void add_up(const Kernels& kernels, std::size_t rows, Find find_bins, QuantizedScratch& scratch,
                std::uint64_t* rejected) const;
    void add_trees(const Kernels& kernels, const Segment& segment, std::size_t rows,
                   QuantizedScratch& scratch, std::uint64_t* rejected) const;
    void move_together(const Kernels& kernels, const Segment& segment,
                       const std::array<std::uint64_t, kChunk / kLane>& keep, std::size_t rows,
                       QuantizedScratch& scratch) const;

    Parts parts_;
    std::vector<std::uint32_t> columns_;
};

}  // namespace shac
