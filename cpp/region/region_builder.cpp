#include "region/region_builder.hpp"

#include <algorithm>
#include <utility>

#include "model/count_failures.hpp"
#include "support/costs.hpp"

namespace shac {
namespace {

bool is_cell(const Box& box) {
    return std::all_of(box.begin(), box.end(), [](BinRange range) { return range.begin + 1 == range.end; });
}

}  // namespace

RegionBuilder::RegionBuilder(const RegionStages& stages, RegionBoxes boxes)
    : stages_(stages),
      condition_boxes_(stages.conditions, stages.grid),
      boxes_(std::move(boxes)),
      scans_(stages.stages.size()) {
    for (const std::uint32_t slot : boxes_.store.undecided()) {
        const BoxState& state = boxes_.store.state(slot);
        waiting_.push({state.mass * state.rejected, slot});
    }
}

RegionBoxes RegionBuilder::finish() {
    boxes_.num_undecided = waiting_.size();
    for (const auto& scan : scans_) {
        boxes_.work += scan.cells;
    }
    return std::move(boxes_);
}

void RegionBuilder::add_whole_space() {
    Box box = stages_.grid.whole();
    condition_boxes_.settle(box);
    StageSet undecided;
    std::uint32_t failures = 0;
    for (std::size_t s = 0; s < stages_.bounds.size(); ++s) {
        stages_.bounds[s].scan(box, scans_[s]);
        if (scans_[s].range.largest < 0) {
            ++failures;
        } else if (scans_[s].range.smallest < stages_.bounds[s].accept_limit()) {
            undecided.set(s);
        }
    }
    keep(box, undecided, failures, 1.0);
}

void RegionBuilder::add_grown(const RegionStages& shorter, const RegionBoxes& boxes) {
    boxes_.work += boxes.work;
    const std::size_t last = stages_.stages.size() - 1;
    for (const std::uint32_t slot : boxes.store.with_mass()) {
        const Box box = stages_.grid.refined(shorter.grid, boxes.store.box(slot));
        StageSet undecided = boxes.store.state(slot).undecided;
        stages_.bounds[last].scan(box, scans_[last]);
        if (scans_[last].range.largest < 0) {
            continue;
        }
        if (scans_[last].range.smallest < stages_.bounds[last].accept_limit()) {
            undecided.set(last);
        }
        keep(box, undecided, 0, 1.0);
    }
}

bool RegionBuilder::divide(std::size_t max_boxes, const std::function<bool()>& stop) {
    while (!waiting_.empty() && boxes_.num_divided + 1 < max_boxes) {
        const std::uint32_t slot = waiting_.top().slot;
        waiting_.pop();
        divide(slot);
        ++boxes_.num_divided;
        if (stop && boxes_.num_divided % costs::kDivisionsBetweenStops == 0 && stop()) {
            return false;
        }
    }
    return true;
}

void RegionBuilder::divide(std::uint32_t slot) {
    const BoxState state = boxes_.store.state(slot);
    const Box box = boxes_.store.box(slot);
    boxes_.store.remove(slot);
    const Division division = choose_division(box, state.undecided);
    add_part(box, state, division, true);
    add_part(box, state, division, false);
}

/// Scans the undecided stages, whose scans `add_part` reads.
Division RegionBuilder::choose_division(const Box& box, const StageSet& undecided) {
    Division best;
    const bool is_settled = !condition_boxes_.choose(box, tested_columns(undecided), best);
    for (std::size_t s = 0; s < stages_.bounds.size(); ++s) {
        if (undecided.test(s)) {
            stages_.bounds[s].scan(box, scans_[s]);
            if (is_settled) {
                stages_.bounds[s].choose(scans_[s], box, stages_.grid, best);
            }
        }
    }
    // Where no edge of an undecided stage is inside, any division serves.
    if (best.score < 0.0 && !condition_boxes_.choose(box, std::vector<bool>(box.size(), true), best)) {
        for (std::size_t c = 0; c < box.size(); ++c) {
            if (box[c].begin + 1 < box[c].end) {
                best = {0.0, c, static_cast<BinIndex>((box[c].begin + box[c].end) / 2)};
            }
        }
    }
    return best;
}

/// Columns that the stages ask for, and those that they depend on.
std::vector<bool> RegionBuilder::tested_columns(const StageSet& undecided) const {
    std::vector<bool> columns(stages_.grid.width(), false);
    for (std::size_t s = 0; s < stages_.stages.size(); ++s) {
        if (undecided.test(s)) {
            for (const std::uint32_t column : stages_.stages[s]->quantized.columns()) {
                columns[column] = true;
            }
        }
    }
    stages_.conditions.add_parents(columns);
    return columns;
}

void RegionBuilder::add_part(const Box& whole, const BoxState& state, const Division& division, bool left) {
    Box part = whole;
    (left ? part[division.column].end : part[division.column].begin) = division.bin;
    const bool is_changed = condition_boxes_.settle(part);
    StageBounds::Scan fresh;
    StageSet undecided;
    std::uint32_t failures = state.failures;
    for (std::size_t s = 0; s < stages_.bounds.size(); ++s) {
        if (!state.undecided.test(s)) {
            continue;
        }
        SumRange range;
        if (is_changed) {  // by more than the division, which is all that the scan of the whole box tells of
            stages_.bounds[s].scan(part, fresh);
            range = fresh.range;
        } else {
            range = stages_.bounds[s].range_of_part(scans_[s], part, division, left);
        }
        if (range.largest < 0) {
            if (++failures > stages_.relax) {
                return;
            }
        } else if (range.smallest < stages_.bounds[s].accept_limit()) {
            undecided.set(s);
        }
    }
    keep(part, undecided, failures, state.rejected);
}

/// Enters a box, unless it is rejected.
void RegionBuilder::keep(const Box& box, StageSet undecided, std::uint32_t failures, double rejected) {
    if (failures > stages_.relax) {
        return;
    }
    if (failures + undecided.count() <= stages_.relax) {
        undecided.reset();
    }
    if (undecided.any() && is_cell(box)) {
        if (!passes(box, undecided, failures)) {
            return;
        }
        undecided.reset();
    }
    const double mass = stages_.grid.mass(box);
    const std::uint32_t slot = boxes_.store.add(box, {mass, undecided, failures, rejected});
    if (undecided.none()) {
        boxes_.accepted_mass += mass;
    } else {
        waiting_.push({mass * rejected, slot});
    }
}

/// Whether a box of one bin a column passes, by the exact forests.
bool RegionBuilder::passes(const Box& cell, const StageSet& undecided, std::uint32_t failures) const {
    std::vector<std::uint64_t> uniforms(cell.size());
    std::vector<float> values;
    for (std::size_t c = 0; c < cell.size(); ++c) {
        uniforms[c] =
            stages_.grid.is_missing(c, cell[c]) ? kMissing : stages_.grid.begin_of(c, cell[c].begin);
    }
    const auto decide = [&](std::size_t s, ArrayView<const std::uint32_t>) {
        const bool fails = undecided.test(s) && !stages_.stages[s]->accepts(uniforms.data(), values);
        return [fails](std::size_t) { return fails; };
    };
    std::uint32_t row = 0;
    return count_failures(stages_.stages.size(), stages_.relax, {&row, 1}, &failures, decide,
                          [](std::size_t, std::uint32_t) {}) == 1;
}

}  // namespace shac
