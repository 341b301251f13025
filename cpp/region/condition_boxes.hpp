// What conditions make of boxes: whether a box has a conditional column, and where to divide it to find out.
//
// A box may be open about a column: some of its candidates have it and others lack it, and its range holds
// the bin of what is missing beside others. `settle` takes out of a box what its other ranges rule out; a box
// that is still open after that has to be divided at a change of a condition.
//
// Refers to a grid and conditions that must outlive it; any number of threads may ask. Cost: conditions times
// their changes, for each box.
#pragma once

#include <cstddef>
#include <vector>

#include "prior/conditions.hpp"
#include "region/bin_grid.hpp"
#include "region/box.hpp"

namespace shac {

class ConditionBoxes {
  public:
    ConditionBoxes(const Conditions& conditions, const BinGrid& grid)
        : conditions_(conditions), grid_(grid) {}

    /// Settles which columns a box has, where its other ranges tell; returns whether any was open before.
    bool settle(Box& box) const;

    /// Replaces `best` by the division that settles the first open one of the columns, as evenly as it can
    /// be; false when none of them is open.
    bool choose(const Box& box, const std::vector<bool>& columns, Division& best) const;

  private:
    enum class Presence { kAbsent, kPresent, kOpen };

    bool is_open(const Box& box, std::size_t column) const;
    Presence presence(const Box& box, std::size_t column) const;

    const Conditions& conditions_;
    const BinGrid& grid_;
};

}  // namespace shac
