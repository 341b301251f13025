#include "region/region_stages.hpp"

#include <stdexcept>
#include <string>
#include <utility>

namespace shac {
namespace {

using Stages = std::vector<std::shared_ptr<const Stage>>;

Stages checked(Stages stages, std::size_t width) {
    if (stages.size() > kMostRegionStages) {
        throw std::invalid_argument("stages: expected at most " + std::to_string(kMostRegionStages) +
                                    " for a region, got " + std::to_string(stages.size()));
    }
    for (const auto& stage : stages) {
        if (stage == nullptr || stage->bins.width() != width) {
            throw std::invalid_argument("stages: expected stages of " + std::to_string(width) + " columns");
        }
    }
    return stages;
}

Stages with(Stages stages, std::shared_ptr<const Stage> added) {
    stages.push_back(std::move(added));
    return stages;
}

}  // namespace

RegionStages::RegionStages(Stages all_stages, std::size_t width, std::size_t max_failures,
                           Conditions all_conditions)
    : stages(checked(std::move(all_stages), width)),
      relax(max_failures),
      conditions(std::move(all_conditions)),
      grid(stages, width, conditions) {
    for (const auto& stage : stages) {
        bounds.emplace_back(*stage, grid);
    }
}

RegionStages::RegionStages(const RegionStages& shorter, std::shared_ptr<const Stage> added)
    : stages(checked(with(shorter.stages, std::move(added)), shorter.grid.width())),
      relax(shorter.relax),
      conditions(shorter.conditions),
      grid(stages, shorter.grid.width(), conditions) {
    for (std::size_t s = 0; s < shorter.stages.size(); ++s) {
        bounds.emplace_back(shorter.bounds[s], *stages[s], grid);
    }
    bounds.emplace_back(*stages.back(), grid);
}

}  // namespace shac
