// A forest over the bins of its own thresholds: XGBoost's margins of many rows at a time, to the last bit.
//
// A value's bin is the number of thresholds at or below it, found by comparing float32 numbers as XGBoost
// does, and NaN has a bin of its own; so each split is a comparison of bytes, and trees are decided for 64 to
// 512 rows at once by bits. The leaves are float32 and are added in tree order, each row to its own sum: the
// same roundings as those of Forest::margins, which stays the reference.
//
// Runs of consecutive trees share their bins; a run ends where a column has more thresholds than a byte can
// tell apart. Trees deeper than the kernels take are walked one row after the other.
//
// Immutable; any number of threads may use it, each with its own scratch. Memory: 8 bytes a node, 4 bytes a
// leaf of each complete tree, 12 bytes a threshold. Cost: a search for every column and run, and for a tree
// of 64 leaves about a nanosecond a row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/kernels.hpp"
#include "model/forest.hpp"
#include "support/array_view.hpp"

namespace shac {

class BinnedForest {
  public:
    /// Buffers of one thread, kept from block to block.
    struct Scratch {
        std::vector<float> values;       // of a column, where rows are listed
        std::vector<std::uint8_t> bins;  // by slots, kChunk bytes each
        std::vector<float> sums;
    };

    explicit BinnedForest(std::shared_ptr<const Forest> forest);

    const Forest& forest() const { return *forest_; }

    /// Margins of the rows of `block` that `rows` lists, into `margins` (one for each of `rows`).
    void margins(const Kernels& kernels, const ColumnBlock& block, ArrayView<const std::uint32_t> rows,
                 Scratch& scratch, float* margins) const;

  private:
    struct BinnedColumn {
        std::uint32_t feature;
        ThresholdSearch thresholds;
    };
    /// Consecutive trees: over bins, or (without columns) walked.
    struct Run {
        std::size_t first_tree;
        std::size_t num_trees;
        bool is_walked;
        std::vector<BinnedColumn> columns;
        LeafTrees trees;
    };
    class Builder;

    std::shared_ptr<const Forest> forest_;
    std::vector<Run> runs_;
};

}  // namespace shac
