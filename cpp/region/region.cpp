#include "region/region.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "model/count_failures.hpp"
#include "prior/random.hpp"

namespace shac {
namespace {

constexpr std::size_t kDividedBetweenStops = 64;
constexpr double kRelativeRounding = 1e-12;  // of masses: products of differences of 52-bit numbers, and sums

}  // namespace

Region::Region(std::vector<std::shared_ptr<const Stage>> stages, std::size_t width, std::size_t relax,
               Conditions conditions)
    : stages_(std::move(stages)), width_(width), relax_(relax), conditions_(std::move(conditions)) {
    if (stages_.size() > kMostRegionStages) {
        throw std::invalid_argument("stages: expected at most " + std::to_string(kMostRegionStages) +
                                    " for a region, got " + std::to_string(stages_.size()));
    }
    for (const auto& stage : stages_) {
        check(stage);
    }
    merge_edges();
    set_bounds();
    std::vector<Corners> corners;
    for (std::size_t c = 0; c < width_; ++c) {
        corners.push_back(0);
        corners.push_back(static_cast<Corners>(edges_[c].size() + (conditions_.is_conditional(c) ? 2 : 1)));
    }
    apply_conditions(corners);
    StageSet undecided;
    std::uint32_t failures = 0;
    for (std::size_t s = 0; s < stages_.size(); ++s) {
        bounds_[s].scan(corners.data(), scans_[s]);
        if (scans_[s].range.largest < 0) {
            ++failures;
        } else if (scans_[s].range.smallest < bounds_[s].accept_limit()) {
            undecided.set(s);
        }
    }
    keep(corners, undecided, failures, 1.0);
}

void Region::check(const std::shared_ptr<const Stage>& stage) const {
    if (stage == nullptr || stage->bins.width() != width_) {
        throw std::invalid_argument("stages: expected stages of " + std::to_string(width_) + " columns");
    }
}

void Region::set_bounds() {
    bounds_.clear();
    for (const auto& stage : stages_) {
        bounds_.emplace_back(*stage, edges_);
    }
    scans_.assign(stages_.size(), {});
}

/// The place, among the bins of today, of a corner among those that `edges` divided the column into.
Corners Region::moved(const std::vector<std::uint64_t>& edges, std::size_t column, Corners corner) const {
    if (corner == 0 || corner > edges.size()) {  // the ends, and what is missing
        return corner == 0 ? Corners{0} : static_cast<Corners>(corner - edges.size() + edges_[column].size());
    }
    const auto& own = edges_[column];
    return static_cast<Corners>(std::lower_bound(own.begin(), own.end(), edges[corner - 1U]) - own.begin() +
                                1);
}

void Region::extend(std::shared_ptr<const Stage> stage) {
    check(stage);
    if (relax_ > 0 || stages_.size() == kMostRegionStages) {
        throw std::invalid_argument("stage: expected a region of fewer than " +
                                    std::to_string(kMostRegionStages) + " stages that allows no failures");
    }
    work_before_ = work();
    const std::vector<std::vector<std::uint64_t>> old_edges = std::move(edges_);
    stages_.push_back(std::move(stage));
    edges_.clear();
    merge_edges();
    set_bounds();
    const std::vector<Box> old_boxes = std::move(boxes_);
    const std::vector<Corners> old_corners = std::move(corners_);
    boxes_.clear();
    corners_.clear();
    free_.clear();
    open_ = {};
    accepted_mass_ = 0.0;
    num_divided_ = 0;
    const std::size_t added = stages_.size() - 1;
    std::vector<Corners> corners(2 * width_);
    for (std::size_t box = 0; box < old_boxes.size(); ++box) {
        if (old_boxes[box].mass == 0.0) {  // a place that is free
            continue;
        }
        for (std::size_t i = 0; i < corners.size(); ++i) {
            corners[i] = moved(old_edges[i / 2], i / 2, old_corners[box * corners.size() + i]);
        }
        StageSet undecided = old_boxes[box].undecided;
        bounds_[added].scan(corners.data(), scans_[added]);
        if (scans_[added].range.largest < 0) {
            continue;
        }
        if (scans_[added].range.smallest < bounds_[added].accept_limit()) {
            undecided.set(added);
        }
        keep(corners, undecided, 0, 1.0);
    }
}

void Region::merge_edges() {
    edges_.resize(width_);
    for (std::size_t c = 0; c < width_; ++c) {
        std::vector<std::uint64_t>& merged = edges_[c];
        for (const auto& stage : stages_) {
            const auto& own = stage->bins.columns()[c].edges;
            merged.insert(merged.end(), own.begin(), own.end());
        }
        for (const Condition& condition : conditions_.all()) {
            if (condition.parent == c) {
                merged.insert(merged.end(), condition.changes.begin(), condition.changes.end());
            }
        }
        std::sort(merged.begin(), merged.end());
        merged.erase(std::unique(merged.begin(), merged.end()), merged.end());
        if (merged.size() + 1 >= std::numeric_limits<std::uint16_t>::max()) {
            throw std::invalid_argument("stages: expected fewer than 65,535 thresholds a column, got " +
                                        std::to_string(merged.size()));
        }
    }
}

std::uint64_t Region::edge_before(std::size_t column, std::size_t bin) const {
    if (bin == 0) {
        return 0;
    }
    return bin > edges_[column].size() ? kUniformRange : edges_[column][bin - 1];
}

/// Whether the boxes with these corners lack the column for certain.
bool Region::is_missing(const std::vector<Corners>& corners, std::size_t column) const {
    return corners[2 * column] > edges_[column].size();
}

/// Whether some settings of the box have the column and others lack it.
bool Region::is_open(const std::vector<Corners>& corners, std::size_t column) const {
    return !is_missing(corners, column) && corners[2 * column + 1] > edges_[column].size() + 1;
}

/// Settles which columns a box has, where its other corners tell; returns whether any was open before.
bool Region::apply_conditions(std::vector<Corners>& corners) const {
    const bool any =
        std::any_of(conditions_.all().begin(), conditions_.all().end(),
                    [&](const Condition& condition) { return is_open(corners, condition.column); });
    if (!any) {
        return false;
    }
    for (const Condition& first : conditions_.all()) {
        const std::size_t c = first.column;
        if (!is_open(corners, c)) {
            continue;
        }
        bool is_settled = true;
        bool exists = true;
        for (const Condition& condition : conditions_.all()) {
            if (condition.column != c) {
                continue;
            }
            const std::size_t parent = condition.parent;
            if (is_missing(corners, parent)) {
                exists = false;
                break;
            }
            const std::uint64_t begin = edge_before(parent, corners[2 * parent]);
            const std::uint64_t end = edge_before(parent, corners[2 * parent + 1]);
            const auto next = std::upper_bound(condition.changes.begin(), condition.changes.end(), begin);
            const bool is_whole = next == condition.changes.end() || *next >= end;
            if (is_whole && !condition.holds(begin)) {
                exists = false;
                break;
            }
            is_settled = is_settled && is_whole && !is_open(corners, parent);
        }
        const auto missing = static_cast<Corners>(edges_[c].size() + 1);
        if (!exists) {
            corners[2 * c] = missing;
        } else if (is_settled) {
            corners[2 * c + 1] = missing;
        }
    }
    return true;
}

/// Columns that the stages ask for, and those that they depend on.
std::vector<bool> Region::tested_columns(const StageSet& stages) const {
    std::vector<bool> result(width_, false);
    for (std::size_t s = 0; s < stages_.size(); ++s) {
        if (stages.test(s)) {
            for (const std::uint32_t column : stages_[s]->tables.columns()) {
                result[column] = true;
            }
        }
    }
    const auto& conditions = conditions_.all();
    for (auto condition = conditions.rbegin(); condition != conditions.rend(); ++condition) {
        result[condition->parent] = result[condition->parent] || result[condition->column];
    }
    return result;
}

/// Where a box is to be divided to settle the first of the columns that is open.
bool Region::divide_conditions(const std::vector<Corners>& corners, const std::vector<bool>& columns,
                               Division& division) const {
    for (const Condition& condition : conditions_.all()) {
        if (!columns[condition.column] || !is_open(corners, condition.column)) {
            continue;
        }
        const std::size_t parent = condition.parent;
        const double whole = mass_of(parent, corners[2 * parent], corners[2 * parent + 1]);
        for (const std::uint64_t change : condition.changes) {
            const auto place = std::lower_bound(edges_[parent].begin(), edges_[parent].end(), change);
            const auto bin = static_cast<Corners>(place - edges_[parent].begin() + 1);
            if (bin <= corners[2 * parent] || bin >= corners[2 * parent + 1]) {
                continue;
            }
            const double left = mass_of(parent, corners[2 * parent], bin) / whole;
            const double score = std::min(left, 1.0 - left);
            if (score > division.score) {
                division = {score, parent, bin};
            }
        }
        if (division.score >= 0.0) {
            return true;
        }
    }
    return false;
}

std::pair<std::uint64_t, std::uint64_t> Region::range(std::size_t box, std::size_t column) const {
    const auto [begin, end] = bins(box, column);
    if (begin > edges_[column].size()) {
        return {0, kUniformRange};
    }
    return {edge_before(column, begin), edge_before(column, end)};
}

double Region::mass_of(std::size_t column, std::size_t begin, std::size_t end) const {
    if (begin > edges_[column].size()) {  // missing: its uniform is free
        return 1.0;
    }
    return static_cast<double>(edge_before(column, end) - edge_before(column, begin)) /
           static_cast<double>(kUniformRange);
}

double Region::mass_of(const std::vector<std::uint16_t>& corners) const {
    double mass = 1.0;
    for (std::size_t c = 0; c < width_; ++c) {
        mass *= mass_of(c, corners[2 * c], corners[2 * c + 1]);
    }
    return mass;
}

double Region::undecided_mass() const {
    double mass = 0.0;
    for (const Box& box : boxes_) {
        mass += box.undecided.none() ? 0.0 : box.mass;
    }
    return mass;
}

Volume Region::volume() const {
    const double undecided = undecided_mass();
    return {accepted_mass_ * (1.0 - kRelativeRounding),
            std::min((accepted_mass_ + undecided) * (1.0 + kRelativeRounding), 1.0)};
}

bool Region::refine(std::size_t max_boxes, const std::function<bool()>& stop) {
    while (!open_.empty() && num_divided_ + 1 < max_boxes) {
        const std::uint32_t box = open_.top().box;
        open_.pop();
        divide(box);
        ++num_divided_;
        if (stop && num_divided_ % kDividedBetweenStops == 0 && stop()) {
            return false;
        }
    }
    return true;
}

void Region::order_by_rejected(ArrayView<const double> share) {
    if (share.size != boxes_.size()) {
        throw std::invalid_argument("share: expected one for each of " + std::to_string(boxes_.size()) +
                                    " places of boxes, got " + std::to_string(share.size));
    }
    open_ = {};
    for (std::uint32_t box = 0; box < boxes_.size(); ++box) {
        boxes_[box].rejected = share[box];
        if (boxes_[box].undecided.any()) {
            open_.push({boxes_[box].mass * share[box], box});
        }
    }
}

std::uint64_t Region::work() const {
    std::uint64_t cells = work_before_;
    for (const auto& scan : scans_) {
        cells += scan.cells;
    }
    return cells;
}

/// Enters a box, unless it is rejected.
void Region::keep(const std::vector<Corners>& corners, StageSet undecided, std::uint32_t failures,
                  double rejected) {
    if (failures > relax_) {
        return;
    }
    if (failures + undecided.count() <= relax_) {
        undecided.reset();
    }
    if (undecided.any()) {
        bool is_cell = true;
        for (std::size_t c = 0; c < width_ && is_cell; ++c) {
            is_cell = corners[2 * c] + 1 == corners[2 * c + 1];
        }
        if (is_cell) {
            if (!decide_cell(corners, undecided, failures)) {
                return;
            }
            undecided.reset();
        }
    }
    const Box box{mass_of(corners), undecided, failures, rejected};
    std::uint32_t place = 0;
    if (free_.empty()) {
        place = static_cast<std::uint32_t>(boxes_.size());
        boxes_.push_back(box);
        corners_.insert(corners_.end(), corners.begin(), corners.end());
    } else {
        place = free_.back();
        free_.pop_back();
        boxes_[place] = box;
        std::copy(corners.begin(), corners.end(),
                  corners_.begin() + static_cast<std::ptrdiff_t>(place * 2 * width_));
    }
    if (undecided.none()) {
        accepted_mass_ += box.mass;
    } else {
        open_.push({box.mass * rejected, place});
    }
}

/// Whether a box of one bin a column passes, by the exact forests.
bool Region::decide_cell(const std::vector<Corners>& corners, const StageSet& undecided,
                         std::uint32_t failures) const {
    std::vector<std::uint64_t> uniforms(width_);
    std::vector<float> values;
    for (std::size_t c = 0; c < width_; ++c) {
        uniforms[c] = is_missing(corners, c) ? kMissing : edge_before(c, corners[2 * c]);
    }
    const auto decide = [&](std::size_t s, ArrayView<const std::uint32_t>) {
        const bool fails = undecided.test(s) && !stages_[s]->accepts(uniforms.data(), values);
        return [fails](std::size_t) { return fails; };
    };
    std::uint32_t row = 0;
    return count_failures(stages_.size(), relax_, {&row, 1}, &failures, decide,
                          [](std::size_t, std::uint32_t) {}) == 1;
}

void Region::divide(std::uint32_t box) {
    const Box whole = boxes_[box];
    const auto begin = corners_.begin() + static_cast<std::ptrdiff_t>(box * 2 * width_);
    const std::vector<Corners> corners(begin, begin + static_cast<std::ptrdiff_t>(2 * width_));
    boxes_[box] = {0.0, {}, 0, 0.0};
    free_.push_back(box);
    const auto mass = [this](std::size_t column, std::size_t first, std::size_t last) {
        return mass_of(column, first, last);
    };
    Division best;
    const bool is_settled = !divide_conditions(corners, tested_columns(whole.undecided), best);
    for (std::size_t s = 0; s < stages_.size(); ++s) {
        if (whole.undecided.test(s)) {
            bounds_[s].scan(corners.data(), scans_[s]);
            if (is_settled) {
                bounds_[s].choose(scans_[s], corners.data(), mass, best);
            }
        }
    }
    // Where no edge of an undecided stage is inside, any division serves.
    if (best.score < 0.0 && !divide_conditions(corners, std::vector<bool>(width_, true), best)) {
        for (std::size_t c = 0; c < width_; ++c) {
            if (corners[2 * c] + 1 < corners[2 * c + 1]) {
                best = {0.0, c, static_cast<Corners>((corners[2 * c] + corners[2 * c + 1]) / 2)};
            }
        }
    }
    add_part(corners, whole, best, true);
    add_part(corners, whole, best, false);
}

void Region::add_part(const std::vector<Corners>& corners, const Box& whole, const Division& division,
                      bool left) {
    std::vector<Corners> part = corners;
    part[2 * division.column + (left ? 1 : 0)] = division.bin;
    const bool is_changed = apply_conditions(part);
    StageBounds::Scan fresh;
    StageSet undecided;
    std::uint32_t failures = whole.failures;
    for (std::size_t s = 0; s < stages_.size(); ++s) {
        if (!whole.undecided.test(s)) {
            continue;
        }
        SumRange range;
        if (is_changed) {
            bounds_[s].scan(part.data(), fresh);
            range = fresh.range;
        } else {
            range = bounds_[s].range_of_part(scans_[s], part.data(), division.column, division.bin, left);
        }
        if (range.largest < 0) {
            if (++failures > relax_) {
                return;
            }
        } else if (range.smallest < bounds_[s].accept_limit()) {
            undecided.set(s);
        }
    }
    keep(part, undecided, failures, whole.rejected);
}

}  // namespace shac
