#include "region/box_store.hpp"

#include <algorithm>

namespace shac {

std::uint32_t BoxStore::add(const Box& box, const BoxState& state) {
    if (free_.empty()) {
        states_.push_back(state);
        ranges_.insert(ranges_.end(), box.begin(), box.end());
        return static_cast<std::uint32_t>(states_.size() - 1);
    }
    const std::uint32_t slot = free_.back();
    free_.pop_back();
    states_[slot] = state;
    std::copy(box.begin(), box.end(), ranges_.begin() + static_cast<std::ptrdiff_t>(slot * width_));
    return slot;
}

void BoxStore::remove(std::uint32_t slot) {
    states_[slot] = {};
    free_.push_back(slot);
}

std::vector<std::uint32_t> BoxStore::with_mass() const {
    std::vector<std::uint32_t> slots;
    for (std::uint32_t slot = 0; slot < states_.size(); ++slot) {
        if (states_[slot].mass > 0.0) {
            slots.push_back(slot);
        }
    }
    return slots;
}

std::vector<std::uint32_t> BoxStore::undecided() const {
    std::vector<std::uint32_t> slots;
    for (std::uint32_t slot = 0; slot < states_.size(); ++slot) {
        if (states_[slot].undecided.any()) {
            slots.push_back(slot);
        }
    }
    return slots;
}

}  // namespace shac
