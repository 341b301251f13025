#include "region.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "decision.hpp"
#include "random.hpp"

namespace shac {
namespace {

constexpr std::size_t kDividedBetweenStops = 64;
constexpr double kRelativeRounding = 1e-12;  // of masses: products of differences of 52-bit numbers, and sums

}  // namespace

Region::Region(std::vector<std::shared_ptr<const Stage>> stages, std::size_t width, std::size_t relax)
    : stages_(std::move(stages)), width_(width), relax_(relax) {
    if (stages_.size() > kMostRegionStages) {
        throw std::invalid_argument("stages: expected at most " + std::to_string(kMostRegionStages) +
                                    " for a region, got " + std::to_string(stages_.size()));
    }
    for (const auto& stage : stages_) {
        if (stage == nullptr || stage->bins.width() != width_) {
            throw std::invalid_argument("stages: expected stages of " + std::to_string(width_) + " columns");
        }
    }
    merge_edges();
    std::vector<Corners> corners;
    for (std::size_t c = 0; c < width_; ++c) {
        corners.push_back(0);
        corners.push_back(static_cast<Corners>(edges_[c].size() + 1));
    }
    StageSet undecided;
    std::uint32_t failures = 0;
    scans_.resize(stages_.size());
    for (std::size_t s = 0; s < stages_.size(); ++s) {
        bounds_.emplace_back(*stages_[s], edges_);
        bounds_[s].scan(corners.data(), scans_[s]);
        if (scans_[s].range.largest < 0) {
            ++failures;
        } else if (scans_[s].range.smallest < bounds_[s].accept_limit()) {
            undecided.set(s);
        }
    }
    keep(corners, undecided, failures);
}

void Region::merge_edges() {
    edges_.resize(width_);
    for (std::size_t c = 0; c < width_; ++c) {
        std::vector<std::uint64_t>& merged = edges_[c];
        for (const auto& stage : stages_) {
            const auto& own = stage->bins.columns()[c].edges;
            merged.insert(merged.end(), own.begin(), own.end());
        }
        std::sort(merged.begin(), merged.end());
        merged.erase(std::unique(merged.begin(), merged.end()), merged.end());
        if (merged.size() >= std::numeric_limits<std::uint16_t>::max()) {
            throw std::invalid_argument("stages: expected fewer than 65,535 thresholds a column, got " +
                                        std::to_string(merged.size()));
        }
    }
}

std::uint64_t Region::edge_before(std::size_t column, std::size_t bin) const {
    return bin == 0 ? 0 : edges_[column][bin - 1];
}

std::pair<std::uint64_t, std::uint64_t> Region::range(std::size_t box, std::size_t column) const {
    const auto [begin, end] = bins(box, column);
    return {edge_before(column, begin),
            end > edges_[column].size() ? kUniformRange : edges_[column][end - 1]};
}

double Region::mass_of(std::size_t column, std::size_t begin, std::size_t end) const {
    const std::uint64_t last = end > edges_[column].size() ? kUniformRange : edges_[column][end - 1];
    return static_cast<double>(last - edge_before(column, begin)) / static_cast<double>(kUniformRange);
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

std::uint64_t Region::work() const {
    std::uint64_t cells = 0;
    for (const auto& scan : scans_) {
        cells += scan.cells;
    }
    return cells;
}

/// Enters a box, unless it is rejected.
void Region::keep(const std::vector<Corners>& corners, StageSet undecided, std::uint32_t failures) {
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
    const Box box{mass_of(corners), undecided, failures};
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
        open_.push({box.mass, place});
    }
}

/// Whether a box of one bin a column passes, by the exact forests.
bool Region::decide_cell(const std::vector<Corners>& corners, const StageSet& undecided,
                         std::uint32_t failures) const {
    const std::uint32_t row = 0;
    std::vector<float> values(width_);
    for (std::size_t s = 0; s < stages_.size(); ++s) {
        if (!undecided.test(s)) {
            continue;
        }
        for (std::size_t c = 0; c < width_; ++c) {
            values[c] = stages_[s]->bins.columns()[c].representative(edge_before(c, corners[2 * c]));
        }
        float margin = 0.0F;
        stages_[s]->forest->margins({values.data(), 1, 1}, {&row, 1}, &margin);
        if (!accepts_margin(margin, decision_threshold()) && ++failures > relax_) {
            return false;
        }
    }
    return true;
}

void Region::divide(std::uint32_t box) {
    const Box whole = boxes_[box];
    const auto begin = corners_.begin() + static_cast<std::ptrdiff_t>(box * 2 * width_);
    const std::vector<Corners> corners(begin, begin + static_cast<std::ptrdiff_t>(2 * width_));
    boxes_[box] = {0.0, {}, 0};
    free_.push_back(box);
    const auto mass = [this](std::size_t column, std::size_t first, std::size_t last) {
        return mass_of(column, first, last);
    };
    Division best;
    for (std::size_t s = 0; s < stages_.size(); ++s) {
        if (whole.undecided.test(s)) {
            bounds_[s].scan(corners.data(), scans_[s]);
            bounds_[s].choose(scans_[s], corners.data(), mass, best);
        }
    }
    if (best.score < 0.0) {  // no edge of an undecided stage is inside: any division serves
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
    StageSet undecided;
    std::uint32_t failures = whole.failures;
    for (std::size_t s = 0; s < stages_.size(); ++s) {
        if (!whole.undecided.test(s)) {
            continue;
        }
        const SumRange range =
            bounds_[s].range_of_part(scans_[s], part.data(), division.column, division.bin, left);
        if (range.largest < 0) {
            if (++failures > relax_) {
                return;
            }
        } else if (range.smallest < bounds_[s].accept_limit()) {
            undecided.set(s);
        }
    }
    keep(part, undecided, failures);
}

}  // namespace shac
