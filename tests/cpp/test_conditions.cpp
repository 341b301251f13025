#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <stdexcept>
#include <vector>

#include "prior/conditions.hpp"
#include "random_forest.hpp"
#include "sampling/plain_sampler.hpp"
#include "sampling/region_sampler.hpp"

using shac::Condition;
using shac::Conditions;
using shac::kCoarseMissing;
using shac::kCoarseUnknown;
using shac::kFineBits;
using shac::kMissing;
using shac::kUniformRange;
using shac::PlainSampler;
using shac::Region;
using shac::RegionSampler;
using shac::SampleRequest;
using shac::Stage;
using shac::testing::bins_of;
using shac::testing::leaf;
using shac::testing::Model;
using shac::testing::RandomForest;
using shac::testing::Shape;

namespace {

using Stages = std::vector<std::shared_ptr<const Stage>>;

constexpr std::uint64_t part(std::uint64_t numerator, std::uint64_t denominator) {
    return kUniformRange / denominator * numerator;
}

/// Column 1 exists for column 0 in [1/3, 2/3), column 2 for column 1 below 1/2, column 3 for column 0 below
/// 1/3 and column 4 from 1/4 on.
Conditions nested(std::size_t width) {
    return Conditions({{1, 0, false, {part(1, 3), part(2, 3)}},
                       {2, 1, true, {part(1, 2)}},
                       {3, 0, true, {part(1, 3)}},
                       {3, 4, false, {part(1, 4)}}},
                      width);
}

Stages random_stages(Shape shape, const Conditions& conditions, std::uint32_t seed, std::uint32_t count) {
    Stages stages;
    for (std::uint32_t s = 0; s < count; ++s) {
        const auto forest = RandomForest(shape, seed + s).grow();
        stages.push_back(std::make_shared<Stage>(forest, bins_of(*forest, conditions)));
    }
    return stages;
}

}  // namespace

TEST_CASE("a column is missing where a condition fails, or where its parent is missing") {
    const Conditions conditions = nested(5);
    const auto exist = [&](std::vector<std::uint64_t> row) {
        conditions.apply(row.data(), 1, 1);
        std::vector<bool> result;
        for (const std::uint64_t uniform : row) {
            result.push_back(uniform != kMissing);
        }
        return result;
    };
    CHECK(exist({part(1, 3), 7, 7, 7, 7}) == std::vector<bool>{true, true, true, false, true});
    CHECK(exist({part(1, 3) - 1, 7, 7, 7, 7}) == std::vector<bool>{true, false, false, false, true});
    CHECK(exist({0, 7, 7, 7, part(1, 4)}) == std::vector<bool>{true, false, false, true, true});
    CHECK(exist({part(1, 2), part(1, 2), 7, 7, 7}) == std::vector<bool>{true, true, false, false, true});
    CHECK(exist({kUniformRange - 1, 7, 7, 7, 7}) == std::vector<bool>{true, false, false, false, true});
}

TEST_CASE("coarse uniforms say what the whole ones say, or that they do not know") {
    const Conditions conditions({{1, 0, false, {part(1, 3), part(2, 3), kUniformRange - 5}},
                                 {1, 3, true, {part(1, 2)}},
                                 {2, 1, true, {part(1, 5)}}},
                                4);
    std::mt19937_64 generator(1);
    const std::size_t count = 8192;
    std::vector<std::uint64_t> fine(4 * count);
    for (std::uint64_t& uniform : fine) {
        const std::uint64_t random = generator() >> 12;
        switch (generator() % 4) {
            case 0:
                uniform = kUniformRange - 1 - random % 10 * (kUniformRange >> 17);
                break;
            case 1:
                uniform = part(1, 3) - random % 3 + 1;
                break;
            default:
                uniform = random;
        }
    }
    std::vector<std::vector<std::uint16_t>> coarse(4);
    for (std::size_t c = 0; c < 4; ++c) {
        for (std::size_t i = 0; i < count; ++i) {
            coarse[c].push_back(static_cast<std::uint16_t>(fine[c * count + i] >> kFineBits));
        }
    }
    conditions.apply(fine.data(), count, count);
    for (std::size_t i = 0; i < conditions.all().size(); ++i) {
        const Condition& condition = conditions.all()[i];
        conditions.apply_coarsely(i, coarse[condition.parent].data(), coarse[condition.column].data(), count);
    }
    std::size_t unknown = 0;
    for (std::size_t c = 0; c < 4; ++c) {
        for (std::size_t i = 0; i < count; ++i) {
            const std::uint64_t whole = fine[c * count + i];
            if (conditions.is_conditional(c) && coarse[c][i] == kCoarseUnknown) {
                ++unknown;
            } else {
                CHECK((whole == kMissing) ==
                      (conditions.is_conditional(c) && coarse[c][i] == kCoarseMissing));
                CHECK((whole == kMissing || whole >> kFineBits == coarse[c][i]));
            }
        }
    }
    CHECK(unknown > 0);
    CHECK(unknown < count);
}

TEST_CASE("tables drop no candidate that the exact forest accepts, with columns that may be missing") {
    const std::vector<Shape> shapes{{5, 1, 30, 20},  {5, 3, 100, 60}, {6, 2, 60, 10},   {9, 6, 40, 12},
                                    {12, 3, 50, 4},  {20, 6, 60, 90}, {5, 8, 30, 40},   {8, 10, 5, 600},
                                    {30, 4, 20, 2},  {5, 2, 3, 3},    {6, 6, 20, 3000}, {5, 4, 200, 70'000},
                                    {9, 5, 60, 250}, {5, 4, 2, 50}};
    for (std::size_t i = 0; i < shapes.size(); ++i) {
        INFO("shape " << i);
        const Conditions conditions = nested(shapes[i].columns);
        const Stages stages = random_stages(shapes[i], conditions, static_cast<std::uint32_t>(10 * i), 3);
        const auto accepted = [&](bool use_tables, std::size_t relax, std::uint64_t* dropped) {
            SampleRequest request;
            request.seed = 3;
            request.count = request.max_candidates = 20'000;
            request.relax = relax;
            const auto samples =
                PlainSampler(stages, shapes[i].columns, use_tables, conditions).draw(request, {1, {}});
            *dropped = samples.rejected_by_stage[0];
            return samples.candidates;
        };
        for (const std::size_t relax : {0U, 1U}) {
            std::uint64_t dropped = 0;
            const auto expected = accepted(false, relax, &dropped);
            CHECK(accepted(true, relax, &dropped) == expected);
        }
    }
}

TEST_CASE("what is missing goes the default way of its node, in tables as in the exact forest") {
    // Column 1 exists in the upper half of column 0; its node accepts what is below 1/4, and what is missing.
    for (const bool default_left : {false, true}) {
        Model model;
        model.add({{1, 2, 1, 0.25F, default_left},
                   leaf(default_left ? 1.0F : -1.0F),
                   leaf(default_left ? -1.0F : 1.0F)});
        const Conditions conditions({{1, 0, false, {part(1, 2)}}}, 2);
        const auto forest = model.forest(2);
        const Stages stages{std::make_shared<Stage>(forest, bins_of(*forest, conditions))};
        const shac::RejectionFilter filter(stages, 2, shac::BlockLayout::shared(2), conditions,
                                           shac::chosen_kernels());
        shac::RejectionFilter::Scratch scratch;
        std::uint64_t rejected = 0;
        filter.filter(1, 0, 10'000, 0, scratch, {&rejected, 1});
        const double share = default_left ? 0.5 + 0.5 * 0.25 : 0.5 + 0.5 * 0.75;
        CHECK(static_cast<double>(scratch.num_left) / 10'000 == doctest::Approx(share).epsilon(0.02));
        const Region region = Region(stages, 2, 0, conditions).refined(100);
        CHECK(region.num_undecided() == 0);
        CHECK(region.accepted_mass() == doctest::Approx(share));
    }
}

TEST_CASE("the region of conditional columns holds just what the exact forests accept") {
    for (std::uint32_t seed = 0; seed < 12; ++seed) {
        const Shape shape{5, 1 + seed % 4, 12, 2 + seed};
        const Conditions conditions = nested(5);
        const Stages stages = random_stages(shape, conditions, 100 * seed, 2);
        for (const std::size_t relax : {0U, 1U}) {
            SampleRequest request;
            request.seed = seed;
            request.count = request.max_candidates = 40'000;
            request.relax = relax;
            const PlainSampler plain(stages, 5, false, conditions);
            const double share = static_cast<double>(plain.draw(request, {1, {}}).candidates.size()) / 40'000;
            for (const std::size_t budget : {1U, 3U, 20U, 3000U}) {
                const auto region =
                    std::make_shared<const Region>(Region(stages, 5, relax, conditions).refined(budget));
                CHECK(region->volume().lower <= share + 0.01);
                CHECK(region->volume().upper >= share - 0.01);
                if (region->volume().upper == 0.0) {
                    continue;
                }
                request.max_candidates = shac::kEndless;
                request.count = 4000;
                const RegionSampler sampler(region);
                const auto samples = sampler.draw(request, {2, {}});
                const double mass = region->accepted_mass() + region->undecided_mass();
                CHECK(mass * 4000 / static_cast<double>(samples.num_drawn) ==
                      doctest::Approx(share).epsilon(0.08));
                request.count = request.max_candidates = 40'000;
            }
        }
    }
}

TEST_CASE("conditions out of order, out of range or on themselves are refused") {
    const auto made = [](std::vector<Condition> conditions) { return Conditions(std::move(conditions), 3); };
    CHECK_NOTHROW(made({{1, 0, true, {5}}, {2, 1, true, {5}}}));
    CHECK_THROWS_AS(made({{2, 1, true, {5}}, {1, 0, true, {5}}}), std::invalid_argument);
    CHECK_THROWS_AS(made({{1, 1, true, {5}}}), std::invalid_argument);
    CHECK_THROWS_AS(made({{3, 1, true, {5}}}), std::invalid_argument);
    CHECK_THROWS_AS(made({{1, 0, true, {5, 5}}}), std::invalid_argument);
    CHECK_THROWS_AS(made({{1, 0, true, {0}}}), std::invalid_argument);
    CHECK_THROWS_AS(made({{1, 0, true, {kUniformRange}}}), std::invalid_argument);
}
