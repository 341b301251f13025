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

/// Finds the bins of a column of the listed rows (ascending, at most kChunk), in whole lanes. `values` is a
/// buffer of kChunk values.
void find_listed_bins(const Kernels& kernels, const ThresholdSearch& thresholds, const ColumnBlock& block,
                      std::size_t column, ArrayView<const std::uint32_t> rows, std::vector<float>& values,
                      std::uint8_t* bins);

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

    /// Thresholds of a feature, where all trees share their bins; null where they do not, or none asks it.
    const ThresholdSearch* thresholds(std::size_t feature) const;
    /// Work for 64 rows, in vector instructions.
    double cost() const { return cost_; }

    bool shares_bins() const { return runs_.size() <= 1 && (runs_.empty() || !runs_[0].is_walked); }

    /// Margins of the rows of `block` that `rows` lists, ascending, into `margins` (one for each of `rows`).
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
    double cost_ = 0.0;
};

}  // namespace shac
