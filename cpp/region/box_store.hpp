// Boxes in two arrays, with the slots of removed boxes used again.
//
// Layout: the states of all slots side by side, and their ranges likewise, `width` for each. A removed box
// leaves its slot to the next one that is added, last in first out: slots are therefore a function of the
// sequence of additions and removals alone, and so is everything that is ordered by them.
//
// Cost: adding and removing copy one box. Memory: 4 bytes a column and 40 more for each slot. Any number of
// threads may read a store that nobody changes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "region/box.hpp"

namespace shac {

class BoxStore {
  public:
    explicit BoxStore(std::size_t width) : width_(width) {}

    /// Returns the slot of the new box.
    std::uint32_t add(const Box& box, const BoxState& state);
    void remove(std::uint32_t slot);

    std::size_t num_slots() const { return states_.size(); }
    const BoxState& state(std::uint32_t slot) const { return states_[slot]; }
    void set_rejected(std::uint32_t slot, double share) { states_[slot].rejected = share; }

    /// The ranges of a box, one for each column.
    const BinRange* ranges(std::uint32_t slot) const { return ranges_.data() + slot * width_; }
    Box box(std::uint32_t slot) const { return {ranges(slot), ranges(slot) + width_}; }

    /// Slots of the boxes that have mass, ascending. A box so small that its mass is 0 in float64 is never
    /// drawn.
    std::vector<std::uint32_t> with_mass() const;

    /// Slots of the boxes that are neither accepted nor removed, ascending.
    std::vector<std::uint32_t> undecided() const;

  private:
    std::size_t width_;
    std::vector<BoxState> states_;  // of a free slot: no mass, nothing undecided
    std::vector<BinRange> ranges_;
    std::vector<std::uint32_t> free_;
};

}  // namespace shac
