#include <doctest/doctest.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <vector>

#include "prior/random.hpp"
#include "random_forest.hpp"
#include "region/region.hpp"
#include "sampling/region_sampler.hpp"
#include "trees.hpp"

using shac::Column;
using shac::kUniformRange;
using shac::Region;
using shac::RegionSampler;
using shac::SampleRequest;
using shac::Space;
using shac::Stage;
using shac::testing::bins_of;
using shac::testing::leaf;
using shac::testing::Model;
using shac::testing::RandomForest;
using shac::testing::stump;

namespace {

// Thresholds at eighths, which are the uniforms of their values.
Space eighths(std::size_t width) {
    Column column;
    for (std::uint64_t bin = 0; bin < 8; ++bin) {
        if (bin > 0) {
            column.edges.push_back(bin * (kUniformRange / 8));
        }
        column.representatives.push_back(static_cast<float>(bin) / 8.0F);
    }
    return Space(std::vector<Column>(width, column));
}

std::shared_ptr<const Stage> stage(std::shared_ptr<const shac::Forest> forest) {
    const std::size_t width = forest->num_features();
    return std::make_shared<const Stage>(std::move(forest), eighths(width));
}

// Accepts x0 < 1/4 and x1 >= 1/2: an eighth of the square.
std::shared_ptr<Region> eighth(std::size_t relax = 0) {
    return std::make_shared<Region>(
        std::vector<std::shared_ptr<const Stage>>{stage(stump(2, 0, 0.25F)), stage(stump(2, 1, 0.5F, false))},
        2, relax);
}

}  // namespace

TEST_CASE("a region of two stumps is one box after two divisions") {
    const auto region = eighth();
    CHECK(region->volume().upper == 1.0);
    CHECK(region->refine(100, {}));
    CHECK(region->num_divided() == 2);
    CHECK(region->num_undecided() == 0);
    CHECK(region->accepted_mass() == 0.125);
    CHECK(region->undecided_mass() == 0.0);
    CHECK(region->volume().lower <= 0.125);
    CHECK(region->volume().upper >= 0.125);
}

TEST_CASE("with one failure allowed the region is what at least one stump accepts") {
    const auto region = eighth(1);
    region->refine(100, {});
    CHECK(region->num_undecided() == 0);
    CHECK(region->accepted_mass() == doctest::Approx(0.25 + 0.75 * 0.5));
    CHECK(eighth(2)->accepted_mass() == 1.0);
}

TEST_CASE("contradicting stages leave nothing, and nothing cannot be sampled") {
    const auto region = std::make_shared<Region>(
        std::vector<std::shared_ptr<const Stage>>{stage(stump(1, 0, 0.25F)), stage(stump(1, 0, 0.5F, false))},
        1, 0);
    region->refine(100, {});
    CHECK(region->volume().upper == 0.0);
    CHECK_THROWS_AS(RegionSampler{region}, std::invalid_argument);
}

TEST_CASE("a margin that only the exact forest can decide is decided in its cell") {
    // 0.1 + 0.2 + 0.4 - 0.7 is within the rounding bound of the threshold, so tables prove nothing of the
    // left half.
    Model model;
    model.add({{1, 2, 0, 0.5F}, leaf(0.1F), leaf(-0.4F)})
        .add({{1, 2, 0, 0.5F}, leaf(0.2F), leaf(0.2F)})
        .add({leaf(0.4F)})
        .add({leaf(-0.7F)});
    const auto forest = model.forest(1);
    const bool accepts = shac::testing::margin(*forest, {0.25F}) > 1e-7F;
    const auto region =
        std::make_shared<Region>(std::vector<std::shared_ptr<const Stage>>{stage(forest)}, 1, 0);
    region->refine(1000, {});
    CHECK(region->num_undecided() == 0);
    CHECK(region->accepted_mass() == (accepts ? 0.5 : 0.0));
}

TEST_CASE("a budget leaves undecided boxes, and a stop request ends the dividing") {
    const auto region = eighth();
    CHECK(region->refine(2, {}));
    CHECK(region->num_divided() == 1);
    CHECK(region->num_undecided() == 1);
    std::vector<std::shared_ptr<const Stage>> stages;
    for (std::int32_t f = 0; f < 12; ++f) {
        Model model;
        for (std::int32_t t = 0; t < 12; ++t) {
            model.add({{1, 2, t, static_cast<float>(1 + (t + f) % 7) / 8.0F}, leaf(1.0F), leaf(-1.0F)});
        }
        stages.push_back(stage(model.forest(12)));
    }
    Region large(stages, 12, 0);
    CHECK_FALSE(large.refine(1'000'000, [] { return true; }));
}

TEST_CASE(
    "boxes with the largest rejected mass are divided first, and the order needs a share for each box") {
    const std::vector<double> from_left{0.1, 0.9};
    const std::vector<double> from_right{0.9, 0.1};
    Model model;  // wherever it is divided first, both parts are undecided
    model.add({{1, 2, 0, 0.5F},
               {3, 4, 1, 0.25F},
               {5, 6, 1, 0.75F},
               leaf(1.0F),
               leaf(-1.0F),
               leaf(-1.0F),
               leaf(1.0F)});
    std::vector<std::size_t> divided;
    for (const auto& share : {from_left, from_right}) {
        Region region({stage(model.forest(2))}, 2, 0);
        CHECK(region.refine(2, {}));
        REQUIRE(region.boxes().size() == 2);
        const std::vector<Region::Box> before = region.boxes();
        region.order_by_rejected({share.data(), 2});
        CHECK(region.num_undecided() == 2);
        CHECK(region.refine(3, {}));
        divided.push_back(region.boxes()[0].mass < before[0].mass ? 0 : 1);
        CHECK(region.boxes()[divided.back()].rejected == 0.9);  // of a part in the place of its box
        CHECK_THROWS_AS(region.order_by_rejected({share.data(), 1}), std::invalid_argument);
    }
    CHECK(divided == std::vector<std::size_t>{1, 0});
}

TEST_CASE("what was drawn tells where the rejected mass is") {
    const auto region = eighth();
    region->refine(2, {});  // one half is dropped; the other is undecided
    const RegionSampler sampler(region);
    SampleRequest request;
    request.seed = 7;
    request.count = 1000;
    request.max_candidates = 1000;
    const shac::Samples samples = sampler.draw(request, {1, {}});
    const auto share =
        sampler.rejected_share(7, 0, 1000, {samples.candidates.data(), samples.candidates.size()});
    REQUIRE(share.size() == region->boxes().size());
    double rejected = 0.0;
    double mass = 0.0;
    for (std::size_t box = 0; box < share.size(); ++box) {
        rejected += share[box] * region->boxes()[box].mass;
        mass += region->boxes()[box].mass;
    }
    const double passed = static_cast<double>(samples.candidates.size()) / 1000.0;
    CHECK(rejected / mass == doctest::Approx(1.0 - passed).epsilon(0.1));
}

TEST_CASE("samples of undecided boxes are inside what the stages accept") {
    for (const std::size_t budget : {1U, 2U, 100U}) {
        const auto region = eighth();
        region->refine(budget, {});
        const RegionSampler sampler(region);
        SampleRequest request;
        request.seed = 4;
        request.count = 2000;
        const shac::Samples samples = sampler.draw(request, {2, {}});
        CHECK(samples.candidates.size() == 2000);
        std::vector<double> uniforms(4000);
        sampler.write_uniforms(4, {samples.candidates.data(), 2000}, {uniforms.data(), 2000, 2});
        std::size_t in_lower_half = 0;
        for (std::size_t i = 0; i < 2000; ++i) {
            CHECK(uniforms[2 * i] < 0.25);
            CHECK(uniforms[2 * i + 1] >= 0.5);
            in_lower_half += uniforms[2 * i] < 0.125 ? 1U : 0U;
        }
        CHECK(in_lower_half > 850);
        CHECK(in_lower_half < 1150);
    }
}

TEST_CASE("stages of another width, none, or too many are refused") {
    CHECK_THROWS_AS(Region({stage(stump(2, 0, 0.5F))}, 3, 0), std::invalid_argument);
    CHECK_THROWS_AS(Region({nullptr}, 1, 0), std::invalid_argument);
    const std::vector<std::shared_ptr<const Stage>> many(129, stage(stump(1, 0, 0.5F)));
    CHECK_THROWS_AS(Region(many, 1, 0), std::invalid_argument);
}

TEST_CASE("a region that grows by a stage is a region of all of them") {
    const std::vector<std::shared_ptr<const Stage>> both{stage(stump(2, 0, 0.25F)),
                                                         stage(stump(2, 1, 0.5F, false))};
    Region grown({both[0]}, 2, 0);
    grown.refine(100, {});
    CHECK(grown.accepted_mass() == 0.25);
    grown.extend(both[1]);
    CHECK(grown.num_divided() == 0);
    grown.refine(100, {});
    CHECK(grown.num_undecided() == 0);
    CHECK(grown.accepted_mass() == 0.125);
    grown.extend(stage(stump(2, 0, 0.25F, false)));
    grown.refine(100, {});
    CHECK(grown.volume().upper == 0.0);
}

TEST_CASE("a grown region holds the same cells as one that is built at once, and gives samples that pass") {
    for (std::uint32_t seed = 0; seed < 10; ++seed) {
        std::vector<std::shared_ptr<const Stage>> stages;
        for (std::uint32_t s = 0; s < 3; ++s) {
            const auto forest = RandomForest({3, 2, 8, 5 + seed}, 10 * seed + s).grow();
            stages.push_back(std::make_shared<const Stage>(forest, bins_of(*forest)));
        }
        Region grown({}, 3, 0);
        for (const auto& added : stages) {
            grown.extend(added);
            grown.refine(2 + seed, {});
        }
        grown.refine(100'000, {});
        Region whole(stages, 3, 0);
        whole.refine(100'000, {});
        CHECK(grown.num_undecided() == 0);
        CHECK(whole.num_undecided() == 0);
        CHECK(grown.accepted_mass() == doctest::Approx(whole.accepted_mass()));
        CHECK(grown.work() > 0);
    }
}

TEST_CASE("only a region without failures grows, by stages of its width") {
    CHECK_THROWS_AS(eighth(1)->extend(stage(stump(2, 0, 0.5F))), std::invalid_argument);
    CHECK_THROWS_AS(eighth(0)->extend(stage(stump(3, 0, 0.5F))), std::invalid_argument);
    CHECK_THROWS_AS(eighth(0)->extend(nullptr), std::invalid_argument);
}
