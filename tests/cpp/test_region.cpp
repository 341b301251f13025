#include <doctest/doctest.h>

#include <cstdint>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <type_traits>
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
Region eighth_region(std::size_t relax = 0) {
    return Region({stage(stump(2, 0, 0.25F)), stage(stump(2, 1, 0.5F, false))}, 2, relax);
}

RegionSampler sampler_of(const Region& region) {
    return RegionSampler(std::make_shared<const Region>(region));
}

/// Of the first `count` samples, the share with x0 below 1/4.
double share_below_quarter(const RegionSampler& sampler, std::size_t count) {
    SampleRequest request;
    request.seed = 1;
    request.count = count;
    const shac::Samples samples = sampler.draw(request, {1, {}});
    std::vector<double> uniforms(2 * count);
    sampler.write_uniforms(1, {samples.candidates.data(), count}, {uniforms.data(), count, 2}, {});
    std::size_t below = 0;
    for (std::size_t i = 0; i < count; ++i) {
        below += uniforms[2 * i] < 0.25 ? 1U : 0U;
    }
    return static_cast<double>(below) / static_cast<double>(count);
}

}  // namespace

TEST_CASE("a region of two stumps is one box after two divisions") {
    CHECK(eighth_region().volume().upper == 1.0);
    const Region region = eighth_region().refined(100);
    CHECK(region.num_divided() == 2);
    CHECK(region.num_undecided() == 0);
    CHECK(region.num_boxes() == 1);
    CHECK(region.accepted_mass() == 0.125);
    CHECK(region.undecided_mass() == 0.0);
    CHECK(region.volume().lower <= 0.125);
    CHECK(region.volume().upper >= 0.125);
}

TEST_CASE("with one failure allowed the region is what at least one stump accepts") {
    const Region region = eighth_region(1).refined(100);
    CHECK(region.num_undecided() == 0);
    CHECK(region.accepted_mass() == doctest::Approx(0.25 + 0.75 * 0.5));
    CHECK(eighth_region(2).accepted_mass() == 1.0);
}

TEST_CASE("contradicting stages leave nothing, and nothing cannot be sampled") {
    const Region region =
        Region({stage(stump(1, 0, 0.25F)), stage(stump(1, 0, 0.5F, false))}, 1, 0).refined(100);
    CHECK(region.volume().upper == 0.0);
    CHECK(region.num_boxes() == 0);
    CHECK_THROWS_AS(sampler_of(region), std::invalid_argument);
}

TEST_CASE("a margin that only the exact forest can decide is decided in its cell") {
    // In float32, 0.1 + 0.2 + 0.4 is 0.70000005. What is left after the last tree is within the rounding
    // bound of the decision threshold, 1.2e-7, so tables prove nothing of the left half.
    const auto accepted_mass = [](float last) {
        Model model;
        model.add({{1, 2, 0, 0.5F}, leaf(0.1F), leaf(-0.4F)})
            .add({{1, 2, 0, 0.5F}, leaf(0.2F), leaf(0.2F)})
            .add({leaf(0.4F)})
            .add({leaf(last)});
        const Region region = Region({stage(model.forest(1))}, 1, 0).refined(1000);
        CHECK(region.num_undecided() == 0);
        return region.accepted_mass();
    };
    CHECK(accepted_mass(-0.7F) == 0.0);        // the margin is 6.0e-8
    CHECK(accepted_mass(-0.6999998F) == 0.5);  // the margin is 2.4e-7
}

TEST_CASE("a budget leaves undecided boxes, and a stop request ends the dividing") {
    const Region region = eighth_region().refined(2);
    CHECK(region.num_divided() == 1);
    CHECK(region.num_undecided() == 1);
    std::vector<std::shared_ptr<const Stage>> stages;
    for (std::int32_t f = 0; f < 12; ++f) {
        Model model;
        for (std::int32_t t = 0; t < 12; ++t) {
            model.add({{1, 2, t, static_cast<float>(1 + (t + f) % 7) / 8.0F}, leaf(1.0F), leaf(-1.0F)});
        }
        stages.push_back(stage(model.forest(12)));
    }
    const Region large(stages, 12, 0);
    CHECK_FALSE(large.refined(1'000'000, [] { return true; }).has_value());
    CHECK(large.num_divided() == 0);
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
        const Region halves = Region({stage(model.forest(2))}, 2, 0).refined(2);
        REQUIRE(halves.num_boxes() == 2);
        const Region ordered = halves.reordered({share.data(), 2});
        CHECK(ordered.num_undecided() == 2);
        CHECK(halves.box(0).rejected == 1.0);
        const Region further = ordered.refined(3);
        divided.push_back(further.box(0).mass < halves.box(0).mass ? 0 : 1);
        CHECK(further.box(divided.back()).rejected == 0.9);  // of a part in the slot of its box
        CHECK_THROWS_AS(halves.reordered({share.data(), 1}), std::invalid_argument);
    }
    CHECK(divided == std::vector<std::size_t>{1, 0});
}

TEST_CASE("what was drawn tells where the rejected mass is") {
    const Region region = eighth_region().refined(2);  // one half is dropped; the other is undecided
    const RegionSampler sampler = sampler_of(region);
    SampleRequest request;
    request.seed = 7;
    request.count = 1000;
    request.max_candidates = 1000;
    const shac::Samples samples = sampler.draw(request, {1, {}});
    const auto share =
        sampler.rejected_share(7, 0, 1000, {samples.candidates.data(), samples.candidates.size()});
    REQUIRE(share.size() == region.num_boxes());
    double rejected = 0.0;
    double mass = 0.0;
    for (std::size_t box = 0; box < share.size(); ++box) {
        rejected += share[box] * region.box(box).mass;
        mass += region.box(box).mass;
    }
    const double passed = static_cast<double>(samples.candidates.size()) / 1000.0;
    CHECK(rejected / mass == doctest::Approx(1.0 - passed).epsilon(0.1));
}

TEST_CASE("samples of undecided boxes are inside what the stages accept") {
    for (const std::size_t budget : {1U, 2U, 100U}) {
        const RegionSampler sampler = sampler_of(eighth_region().refined(budget));
        SampleRequest request;
        request.seed = 4;
        request.count = 2000;
        const shac::Samples samples = sampler.draw(request, {2, {}});
        CHECK(samples.candidates.size() == 2000);
        std::vector<double> uniforms(4000);
        sampler.write_uniforms(4, {samples.candidates.data(), 2000}, {uniforms.data(), 2000, 2}, {});
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
    const Region one = Region({both[0]}, 2, 0).refined(100);
    CHECK(one.accepted_mass() == 0.25);
    const Region two = one.extended(both[1]);
    CHECK(two.num_divided() == 0);
    CHECK(two.refined(100).num_undecided() == 0);
    CHECK(two.refined(100).accepted_mass() == 0.125);
    const Region three = two.refined(100).extended(stage(stump(2, 0, 0.25F, false)));
    CHECK(three.refined(100).volume().upper == 0.0);
    CHECK(one.stages().size() == 1);
    CHECK(one.accepted_mass() == 0.25);
}

TEST_CASE("a grown region holds the same cells as one that is built at once, and gives samples that pass") {
    for (std::uint32_t seed = 0; seed < 10; ++seed) {
        std::vector<std::shared_ptr<const Stage>> stages;
        for (std::uint32_t s = 0; s < 3; ++s) {
            const auto forest = RandomForest({3, 2, 8, 5 + seed}, 10 * seed + s).grow();
            stages.push_back(std::make_shared<const Stage>(forest, bins_of(*forest)));
        }
        auto part = std::make_unique<Region>(std::vector<std::shared_ptr<const Stage>>{}, 3, 0);
        for (const auto& added : stages) {
            part = std::make_unique<Region>(part->extended(added).refined(2 + seed));
        }
        const Region grown = part->refined(100'000);
        const Region whole = Region(stages, 3, 0).refined(100'000);
        CHECK(grown.num_undecided() == 0);
        CHECK(whole.num_undecided() == 0);
        CHECK(grown.accepted_mass() == doctest::Approx(whole.accepted_mass()));
        CHECK(grown.work() > 0);
    }
}

TEST_CASE("only a region without failures grows, by stages of its width") {
    CHECK_THROWS_AS(eighth_region(1).extended(stage(stump(2, 0, 0.5F))), std::invalid_argument);
    CHECK_THROWS_AS(eighth_region(0).extended(stage(stump(3, 0, 0.5F))), std::invalid_argument);
    CHECK_THROWS_AS(eighth_region(0).extended(nullptr), std::invalid_argument);
}

TEST_CASE("a sampler keeps its boxes and its distribution whatever is made of its region") {
    // Two stumps, of which a sample may fail one: x0 < 1/4 has mass 1/4 of an accepted 5/8, a share of 0.4.
    // When regions could be divided in place, the sampler of this one gave a share of 1 from then on, without
    // an error.
    constexpr std::size_t kCount = 200'000;
    static_assert(!std::is_copy_assignable_v<Region> && !std::is_move_assignable_v<Region>);
    const auto region = std::make_shared<const Region>(eighth_region(1));
    const RegionSampler sampler(region);
    const double before = share_below_quarter(sampler, kCount);
    const Region divided = region->refined(100);
    const std::vector<double> share(divided.num_boxes(), 0.5);
    const Region reordered = divided.reordered({share.data(), share.size()});
    CHECK(divided.num_boxes() > 1);
    CHECK(region->num_boxes() == 1);
    CHECK(region->num_divided() == 0);
    CHECK(region->num_undecided() == 1);
    // 6 standard deviations of 200,000 draws: wrong once in 500 million seeds.
    CHECK(before == doctest::Approx(0.4).epsilon(0.0165));
    CHECK(share_below_quarter(sampler, kCount) == before);
    for (const Region& of : {divided, reordered}) {
        CHECK(share_below_quarter(sampler_of(of), kCount) == doctest::Approx(0.4).epsilon(0.0165));
    }
}

TEST_CASE("regions that come of one another share their grid and their tables") {
    const Region region = eighth_region();
    CHECK(&region.refined(100).edges(0) == &region.edges(0));
    CHECK(&region.refined(100).stages() == &region.stages());
}

TEST_CASE("exactly the draws that every forest accepts pass, also by columns that no table asks for") {
    // More trees than tables can bound: the forest alone decides this stage, by a column of its own.
    Model many;
    many.add({{1, 2, 3, 0.5F}, leaf(1.0F), leaf(-1.0F)});
    for (int tree = 0; tree < 8000; ++tree) {
        many.add({leaf(0.0F)});
    }
    const Region whole({stage(stump(5, 0, 0.5F)), stage(many.forest(5)), stage(stump(5, 4, 0.25F, false))}, 5,
                       0);
    constexpr std::size_t kDrawn = 3000;
    std::vector<std::uint64_t> all(kDrawn);
    std::iota(all.begin(), all.end(), std::uint64_t{0});
    for (const std::size_t budget : {std::size_t{1}, std::size_t{2}}) {
        const RegionSampler sampler = sampler_of(whole.refined(budget));
        std::vector<double> uniforms(5 * kDrawn);
        sampler.write_uniforms(7, {all.data(), kDrawn}, {uniforms.data(), kDrawn, 5}, {});
        std::vector<std::uint64_t> expected;
        for (std::size_t i = 0; i < kDrawn; ++i) {
            const double* const row = uniforms.data() + 5 * i;
            if (row[0] < 0.5 && row[3] < 0.5 && row[4] >= 0.25) {
                expected.push_back(i);
            }
        }
        SampleRequest request;
        request.seed = 7;
        request.count = kDrawn;
        request.max_candidates = kDrawn;
        CHECK(expected.size() > kDrawn / 8);
        CHECK(sampler.draw(request, {1, {}}).candidates == expected);
    }
}
