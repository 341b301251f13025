// The region that a cascade accepts, as disjoint boxes of threshold bins.
//
// Boxes are divided, the one with the largest undecided mass first, until a budget is used or all are decided
// (see region/region_builder.hpp). The proofs bound a stage's integer sum over a box (see
// region/stage_bounds.hpp). What is dropped is proven to be rejected, so a draw from the boxes left that
// passes their undecided stages has exactly the distribution of plain rejection from the prior, whatever the
// budget.
//
// A conditional column has one bin more, the last, for what is missing. Boxes are divided at the changes of
// its conditions until each holds either that bin or others, where a stage asks for it; the uniform of what
// is missing is free.
//
// A region is a value: nothing changes it, and `refined`, `extended` and `reordered` return new ones. So a
// sampler may rely on the boxes that it was made for, and any number of threads may read. It is a function of
// the stages, the relaxation, the budgets and the order alone. Memory: 4 bytes for each column of a box and
// about 50 more; grid and tables are shared by all regions that come of one another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "region/region_builder.hpp"
#include "region/region_stages.hpp"
#include "support/array_view.hpp"

namespace shac {

/// Bounds of a surviving share of the prior.
struct Volume {
    double lower;
    double upper;
};

class Region {
  public:
    /// One box. Throws std::invalid_argument when a stage is null or of another width, or there are too many.
    Region(std::vector<std::shared_ptr<const Stage>> stages, std::size_t width, std::size_t relax,
           Conditions conditions = {});
    Region(const Region&) = default;
    Region(Region&&) = default;
    Region& operator=(const Region&) = delete;
    Region& operator=(Region&&) = delete;
    ~Region() = default;

    /// The same with boxes divided until `max_boxes` are held or have been divided, those divided before
    /// included, or all are decided. Nothing when `stop` ended it first.
    std::optional<Region> refined(std::size_t max_boxes, const std::function<bool()>& stop) const;
    Region refined(std::size_t max_boxes) const { return *refined(max_boxes, {}); }

    /// The region of one stage more: boxes that it rejects are dropped, and those that it may reject are
    /// undecided again. What is known stays known, in bins that the stage's thresholds divide further;
    /// divisions are counted anew. Throws std::invalid_argument as the constructor, or when failures are
    /// allowed.
    Region extended(std::shared_ptr<const Stage> stage) const;

    /// The same, with the boxes of the largest rejected mass to be divided first, by these shares of each box
    /// in [0, 1]; parts take over the share of their box. Throws std::invalid_argument when there are not as
    /// many as boxes.
    Region reordered(ArrayView<const double> share) const;

    std::size_t width() const { return stages_->grid.width(); }
    std::size_t relax() const { return stages_->relax; }
    const Conditions& conditions() const { return stages_->conditions; }
    const std::vector<std::shared_ptr<const Stage>>& stages() const { return stages_->stages; }

    std::size_t num_boxes() const { return slots_.size(); }
    const BoxState& box(std::size_t index) const { return boxes_.store.state(slots_[index]); }

    /// The bins of each column that a box holds.
    const BinRange* ranges(std::size_t box) const { return boxes_.store.ranges(slots_[box]); }

    /// Writes all boxes: their bins (by boxes, columns, and begin and end), masses, and whether they are
    /// accepted.
    void write_boxes(ArrayView<BinIndex> all_bins, ArrayView<double> mass, ArrayView<bool> accepted) const;

    /// Edges of a column's bins among its uniforms, without 0 and the end of the range.
    const std::vector<std::uint64_t>& edges(std::size_t column) const { return stages_->grid.edges(column); }

    std::size_t num_divided() const { return boxes_.num_divided; }
    std::size_t num_undecided() const { return boxes_.num_undecided; }
    double accepted_mass() const { return boxes_.accepted_mass; }
    double undecided_mass() const { return undecided_mass_; }

    /// Bounds of the surviving mass; rounding of masses is allowed for.
    Volume volume() const;

    /// Entries of tables looked at so far: what the building costs on any machine.
    std::uint64_t work() const { return boxes_.work; }

  private:
    explicit Region(const std::shared_ptr<const RegionStages>& stages);
    Region(std::shared_ptr<const RegionStages> stages, RegionBoxes boxes);

    std::shared_ptr<const RegionStages> stages_;
    RegionBoxes boxes_;
    std::vector<std::uint32_t> slots_;  // of the boxes
    double undecided_mass_ = 0.0;
};

}  // namespace shac
