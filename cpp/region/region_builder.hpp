// Builds the boxes of a region: best-first branch and bound.
//
// A box is dropped when more than `relax` stages are proven to reject all of it, accepted when enough are
// proven to accept all of it, and otherwise waits in a queue, the one with the largest rejected mass first; a
// box of one bin a column is decided by the exact forests. Of boxes with equal mass the one in the lower slot
// goes first, so the queue is a function of the boxes alone, and need not be kept between the building of one
// region and the next.
//
// For one thread: a builder is changed by what it does. Cost of a division: a scan of each undecided stage
// (see region/stage_bounds.hpp). Memory: a scan for each stage, and 16 bytes for each undecided box.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <queue>
#include <vector>

#include "region/box.hpp"
#include "region/box_store.hpp"
#include "region/condition_boxes.hpp"
#include "region/region_stages.hpp"

namespace shac {

/// Boxes, and what they have cost and hold.
struct RegionBoxes {
    BoxStore store;
    std::size_t num_divided = 0;
    std::size_t num_undecided = 0;
    double accepted_mass = 0.0;
    std::uint64_t work = 0;  // entries of tables looked at
};

class RegionBuilder {
  public:
    /// Goes on from boxes of the same stages. `stages` must outlive it.
    RegionBuilder(const RegionStages& stages, RegionBoxes boxes);

    /// Begins without a box.
    explicit RegionBuilder(const RegionStages& stages)
        : RegionBuilder(stages, {BoxStore(stages.grid.width())}) {}

    /// Adds the box of the whole space.
    void add_whole_space();

    /// Adds the boxes of a region of all stages but the last, as the last one leaves them.
    void add_grown(const RegionStages& shorter, const RegionBoxes& boxes);

    /// Divides boxes until `max_boxes` are held or have been divided, or all are decided. False when `stop`
    /// ended it first.
    bool divide(std::size_t max_boxes, const std::function<bool()>& stop);

    /// What was built; the builder is not to be used after.
    RegionBoxes finish();

  private:
    struct Waiting {
        double rejected;  // mass
        std::uint32_t slot;
        bool operator<(const Waiting& other) const {
            return rejected != other.rejected ? rejected < other.rejected : slot > other.slot;
        }
    };

    void divide(std::uint32_t slot);
    Division choose_division(const Box& box, const StageSet& undecided);
    void add_part(const Box& whole, const BoxState& state, const Division& division, bool left);
    void keep(const Box& box, StageSet undecided, std::uint32_t failures, double rejected);
    bool passes(const Box& cell, const StageSet& undecided, std::uint32_t failures) const;
    std::vector<bool> tested_columns(const StageSet& undecided) const;

    const RegionStages& stages_;
    ConditionBoxes condition_boxes_;
    RegionBoxes boxes_;
    std::priority_queue<Waiting> waiting_;
    std::vector<StageBounds::Scan> scans_;  // by stage, of the box that is being divided
};

}  // namespace shac
