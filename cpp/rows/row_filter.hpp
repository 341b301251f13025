// The compiled stages of a cascade over given rows: tables first, exact forests where nothing is proven.
//
// The same answers as those of Cascade, which asks the forests alone. Rows that a stage's tables reject or
// accept for certain never meet its trees; the others, about one in a hundred, do.
//
// Whether a row passes does not depend on the order of the stages, so compute_accepted tries them by what
// they reject of the first rows for their cost; compute_drops keeps their order, for it names the stage.
//
// Immutable; any number of threads may filter. Memory: 512 bytes for each column of each stage, and for each
// thread a block of rows. Cost: a search for each column that a stage asks, its tables, and the forests for
// what they leave undecided.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "rows/value_tables.hpp"
#include "support/array_view.hpp"
#include "support/parallel.hpp"
#include "tables/stage.hpp"

namespace shac {

class RowFilter {
  public:
    /// Throws std::invalid_argument when a stage is null or of another width.
    RowFilter(std::vector<std::shared_ptr<const Stage>> stages, std::size_t width);

    std::size_t width() const { return width_; }
    std::size_t num_stages() const { return stages_.size(); }

    /// Writes for each row the stage at which it is dropped, or kPassed. False when `workers.stop` ended it
    /// first.
    bool compute_drops(const RowsView& x, std::size_t relax, ArrayView<std::int32_t> dropped_at,
                       const Workers& workers) const;

    /// Writes 1 for each row that fails at most `relax` stages, 0 for the others. False when `workers.stop`
    /// ended it first.
    bool compute_accepted(const RowsView& x, std::size_t relax, ArrayView<std::uint8_t> accepted,
                          const Workers& workers) const;

  private:
    struct Scratch;

    /// Marks which of the listed rows a stage's tables reject, and lists those that they leave undecided.
    void find_failures(std::size_t stage, const ColumnBlock& block, ArrayView<const std::uint32_t> rows,
                       Scratch& scratch) const;

    /// Asks the stage's forest about the rows that were left undecided.
    void settle_undecided(std::size_t stage, const ColumnBlock& block, Scratch& scratch) const;
    void compute_margins_of(std::size_t stage, const ColumnBlock& block, ArrayView<const std::uint32_t> rows,
                            Scratch& scratch) const;

    template <typename OnDrop>
    void settle_open(const std::vector<std::size_t>& order, std::size_t relax, const ColumnBlock& block,
                     Scratch& scratch, OnDrop on_drop) const;
    std::vector<std::size_t> order_for(const RowsView& x) const;
    std::size_t block_size() const;

    /// Calls test(begin, block, scratch) for blocks of rows, whose numbers stand in scratch.rows.
    template <typename Test>
    bool for_blocks(const RowsView& x, const Workers& workers, Test test) const;

    std::vector<std::shared_ptr<const Stage>> stages_;
    std::size_t width_;
    std::vector<ValueTables> tables_;
};

}  // namespace shac
