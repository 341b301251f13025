// The region that a cascade accepts, as disjoint boxes of threshold bins.
//
// The thresholds of all stages divide every column into bins; a box is a range of bins for each column. Boxes
// are divided, the one with the largest undecided mass first, until the budget is used or all are decided: a
// box is dropped when more than `relax` stages are proven to reject all of it, and accepted when enough are
// proven to accept all of it. The proofs bound a stage's integer sum (see tables/tables.hpp) over the box by
// the largest and smallest entries of its tables within the box; a box of one bin is decided by the exact
// forests. What is dropped is proven, so a draw from the boxes left that passes their undecided stages has
// exactly the distribution of plain rejection from the prior, whatever the budget.
//
// A conditional column has one bin more, the last, for what is missing. Boxes are divided at the changes of
// its conditions until each holds either that bin or others, where a stage asks for it; the uniform of what
// is missing is free.
//
// Where draws were refused tells which boxes are worth dividing: `order_by_rejected` puts those first.
//
// The index is a function of the stages, the relaxation, the budget and the order alone. Memory: 4 bytes for
// each column of a box, and about 60 more. Immutable once built.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <queue>
#include <utility>
#include <vector>

#include "region/stage_bounds.hpp"
#include "support/array_view.hpp"
#include "tables/stage.hpp"

namespace shac {

constexpr std::size_t kMostRegionStages = 128;
using StageSet = std::bitset<kMostRegionStages>;

/// Bounds of a surviving share of the prior.
struct Volume {
    double lower;
    double upper;
};

class Region {
  public:
    struct Box {
        double mass;
        StageSet undecided;      // none: accepted
        std::uint32_t failures;  // stages proven to reject all of it
        double rejected;         // share of it that is taken to be rejected, to order by
    };

    /// Throws std::invalid_argument when a stage is null or of another width, or there are too many.
    Region(std::vector<std::shared_ptr<const Stage>> stages, std::size_t width, std::size_t relax,
           Conditions conditions = {});

    /// Adds a stage: boxes that it rejects are dropped, and those that it may reject are undecided again.
    /// What is known stays known, in bins that the stage's thresholds divide further. The budget of `refine`
    /// begins anew. Throws std::invalid_argument as the constructor, or when failures are allowed.
    void extend(std::shared_ptr<const Stage> stage);

    /// Divides boxes until `max_boxes` are held or have been divided, or all are decided. False when `stop`
    /// ended it first.
    bool refine(std::size_t max_boxes, const std::function<bool()>& stop);

    /// Divides from now on the boxes with the largest rejected mass first, by these shares of each box in
    /// [0, 1]; parts take over the share of their box. Throws std::invalid_argument when there are not as
    /// many as boxes.
    void order_by_rejected(ArrayView<const double> share);

    std::size_t width() const { return width_; }
    std::size_t relax() const { return relax_; }
    const Conditions& conditions() const { return conditions_; }
    const std::vector<std::shared_ptr<const Stage>>& stages() const { return stages_; }

    const std::vector<Box>& boxes() const { return boxes_; }
    std::size_t num_divided() const { return num_divided_; }
    std::size_t num_undecided() const { return open_.size(); }
    double accepted_mass() const { return accepted_mass_; }
    double undecided_mass() const;

    /// Bounds of the surviving mass; rounding of masses is allowed for.
    Volume volume() const;

    /// Entries of tables looked at so far: what the building costs on any machine.
    std::uint64_t work() const;

    /// Edges of a column's bins among its uniforms, without 0 and the end of the range.
    const std::vector<std::uint64_t>& edges(std::size_t column) const { return edges_[column]; }

    /// The uniforms [first, second) of a column that a box holds.
    std::pair<std::uint64_t, std::uint64_t> range(std::size_t box, std::size_t column) const;

    /// The bins [first, second) of a column that a box holds; bin edges(column).size() + 1 is what is
    /// missing.
    std::pair<std::size_t, std::size_t> bins(std::size_t box, std::size_t column) const {
        const Corners* const place = corners_.data() + box * 2 * width_ + 2 * column;
        return {place[0], place[1]};
    }

  private:
    struct Open {
        double rejected;  // mass
        std::uint32_t box;
        bool operator<(const Open& other) const {
            return rejected != other.rejected ? rejected < other.rejected : box > other.box;
        }
    };
    void check(const std::shared_ptr<const Stage>& stage) const;
    void merge_edges();
    void set_bounds();
    Corners moved(const std::vector<std::uint64_t>& edges, std::size_t column, Corners corner) const;
    bool is_missing(const std::vector<Corners>& corners, std::size_t column) const;
    bool is_open(const std::vector<Corners>& corners, std::size_t column) const;
    bool apply_conditions(std::vector<Corners>& corners) const;
    std::vector<bool> tested_columns(const StageSet& stages) const;
    bool divide_conditions(const std::vector<Corners>& corners, const std::vector<bool>& columns,
                           Division& division) const;
    void divide(std::uint32_t box);
    void add_part(const std::vector<Corners>& corners, const Box& whole, const Division& division, bool left);
    void keep(const std::vector<Corners>& corners, StageSet undecided, std::uint32_t failures,
              double rejected);
    bool decide_cell(const std::vector<Corners>& corners, const StageSet& undecided,
                     std::uint32_t failures) const;
    double mass_of(const std::vector<Corners>& corners) const;
    double mass_of(std::size_t column, std::size_t begin, std::size_t end) const;
    std::uint64_t edge_before(std::size_t column, std::size_t bin) const;

    std::vector<std::shared_ptr<const Stage>> stages_;
    std::size_t width_;
    std::size_t relax_;
    Conditions conditions_;
    std::vector<std::vector<std::uint64_t>> edges_;
    std::vector<StageBounds> bounds_;
    std::vector<StageBounds::Scan> scans_;  // of the box that is being divided
    std::vector<Box> boxes_;
    std::vector<Corners> corners_;     // by box and column: first bin, and the one behind the last
    std::vector<std::uint32_t> free_;  // places of boxes that were divided
    std::priority_queue<Open> open_;
    double accepted_mass_ = 0.0;
    std::size_t num_divided_ = 0;
    std::uint64_t work_before_ = 0;  // the stages that were added since
};

}  // namespace shac
