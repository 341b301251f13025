#include "region/region.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace shac {
namespace {

constexpr double kRelativeRounding = 1e-12;  // of masses: products of differences of 52-bit numbers, and sums

RegionBoxes whole_space(const RegionStages& stages) {
    RegionBuilder builder(stages);
    builder.add_whole_space();
    return builder.finish();
}

}  // namespace

Region::Region(std::shared_ptr<const RegionStages> stages, RegionBoxes boxes)
    : stages_(std::move(stages)), boxes_(std::move(boxes)), slots_(boxes_.store.with_mass()) {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        undecided_mass_ += box(i).undecided.none() ? 0.0 : box(i).mass;
    }
}

Region::Region(const std::shared_ptr<const RegionStages>& stages) : Region(stages, whole_space(*stages)) {}

Region::Region(std::vector<std::shared_ptr<const Stage>> stages, std::size_t width, std::size_t relax,
               Conditions conditions)
    : Region(std::make_shared<const RegionStages>(std::move(stages), width, relax, std::move(conditions))) {}

std::optional<Region> Region::refined(std::size_t max_boxes, const std::function<bool()>& stop) const {
    RegionBuilder builder(*stages_, boxes_);
    if (!builder.divide(max_boxes, stop)) {
        return std::nullopt;
    }
    return Region(stages_, builder.finish());
}

Region Region::extended(std::shared_ptr<const Stage> stage) const {
    if (relax() > 0 || stages().size() == kMostRegionStages) {
        throw std::invalid_argument("stage: expected a region of fewer than " +
                                    std::to_string(kMostRegionStages) + " stages that allows no failures");
    }
    auto longer = std::make_shared<const RegionStages>(*stages_, std::move(stage));
    RegionBuilder builder(*longer);
    builder.add_grown(*stages_, boxes_);
    RegionBoxes boxes = builder.finish();
    return {std::move(longer), std::move(boxes)};
}

Region Region::reordered(ArrayView<const double> share) const {
    if (share.size != num_boxes()) {
        throw std::invalid_argument("share: expected one for each of " + std::to_string(num_boxes()) +
                                    " boxes, got " + std::to_string(share.size));
    }
    RegionBoxes boxes = boxes_;
    for (std::size_t i = 0; i < share.size; ++i) {
        boxes.store.set_rejected(slots_[i], share[i]);
    }
    return {stages_, std::move(boxes)};
}

Volume Region::volume() const {
    return {accepted_mass() * (1.0 - kRelativeRounding),
            std::min((accepted_mass() + undecided_mass()) * (1.0 + kRelativeRounding), 1.0)};
}

void Region::write_boxes(ArrayView<BinIndex> all_bins, ArrayView<double> mass,
                         ArrayView<bool> accepted) const {
    auto* next = all_bins.data;
    for (std::size_t i = 0; i < num_boxes(); ++i) {
        for (std::size_t c = 0; c < width(); ++c) {
            const auto [begin, end] = ranges(i)[c];
            *next++ = begin;
            *next++ = end;
        }
        mass[i] = box(i).mass;
        accepted[i] = box(i).undecided.none();
    }
}

}  // namespace shac
