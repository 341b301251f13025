// What a region is the region of: the stages of a cascade with bounds of their sums, on the grid of all their
// bins.
//
// Regions that come of one another by dividing share one of these, and one that comes of another by a stage
// more shares its tables, so that tables are held once whatever the number of budgets, rounds and stages.
//
// Immutable; any number of threads may read. Memory: as of BinGrid and StageBounds.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "prior/conditions.hpp"
#include "region/bin_grid.hpp"
#include "region/stage_bounds.hpp"
#include "tables/stage.hpp"

namespace shac {

struct RegionStages {
    /// Throws std::invalid_argument when a stage is null or of another width, or there are too many.
    RegionStages(std::vector<std::shared_ptr<const Stage>> all_stages, std::size_t width,
                 std::size_t max_failures, Conditions all_conditions);

    /// Those of `shorter` and one more. Throws std::invalid_argument as the other constructor.
    RegionStages(const RegionStages& shorter, std::shared_ptr<const Stage> added);

    RegionStages(const RegionStages&) = delete;
    RegionStages& operator=(const RegionStages&) = delete;

    std::vector<std::shared_ptr<const Stage>> stages;
    std::size_t relax;  // stages that a sample may fail
    Conditions conditions;
    BinGrid grid;
    std::vector<StageBounds> bounds;  // one for each stage
};

}  // namespace shac
