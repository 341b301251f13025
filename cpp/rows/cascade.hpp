// The cascade: forests in order, each a stage; a candidate passes when at most `relax` stages reject it.
//
// A candidate is dropped at its (relax + 1)-th failure and meets no further stage. Within a block the
// survivors of a stage are compacted to a list of row numbers, and only those are walked through the next
// stage.
//
// Immutable, so any number of threads may filter, each with its own scratch. Forests are shared between
// cascades: a prefix or an extension of a cascade costs a vector of pointers. Cost: for each stage its
// longest walk times the rows that reach it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "model/forest.hpp"
#include "support/array_view.hpp"
#include "support/parallel.hpp"
#include "tables/binned_forest.hpp"

namespace shac {

constexpr std::int32_t kPassed = -1;

class Cascade {
  public:
    /// Buffers of one thread, kept from block to block.
    struct Scratch {
        std::vector<std::uint32_t> rows;  // the survivors, ascending
        std::vector<std::uint32_t> failures;
        std::vector<float> margins;
        BinnedForest::Scratch binned;
    };

    /// Throws std::invalid_argument when a forest is for another number of features.
    Cascade(std::vector<std::shared_ptr<const BinnedForest>> stages, std::size_t num_features);

    std::size_t num_features() const { return num_features_; }
    std::size_t num_stages() const { return stages_.size(); }
    const std::vector<std::shared_ptr<const BinnedForest>>& stages() const { return stages_; }

    /// Rows that a block should have: few enough that a thread looks for a stop request every few
    /// milliseconds.
    std::size_t block_size() const;

    /// Leaves the rows of the block that pass in scratch.rows. Adds the others to `rejected_by_stage` (one
    /// counter for each stage) and, where `dropped_at` is not null, writes the stage that dropped each row,
    /// or kPassed.
    void filter(const ColumnBlock& block, std::size_t relax, Scratch& scratch,
                ArrayView<std::uint64_t> rejected_by_stage, std::int32_t* dropped_at) const;

  private:
    std::size_t num_features_;
    std::vector<std::shared_ptr<const BinnedForest>> stages_;
};

/// Writes XGBoost's float32 margins, rows by stages. False when `workers.stop` ended it first.
bool compute_margins(const Cascade& cascade, const RowsView& x, MatrixView<float> margins,
                     const Workers& workers);

/// Writes for each row the stage at which it is dropped, or kPassed. False when `workers.stop` ended it
/// first.
bool compute_drops(const Cascade& cascade, const RowsView& x, std::size_t relax,
                   ArrayView<std::int32_t> dropped_at, const Workers& workers);

}  // namespace shac
