#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <set>
#include <vector>

#include "model/decision.hpp"
#include "prior/random.hpp"
#include "random_forest.hpp"
#include "sampling/plain_sampler.hpp"
#include "tables/quantized_stage.hpp"
#include "tables/stage_order.hpp"
#include "trees.hpp"

using shac::kUniformRange;
using shac::PlainSampler;
using shac::SampleRequest;
using shac::Space;
using shac::Stage;
using shac::testing::bins_of;
using shac::testing::leaf;
using shac::testing::margin;
using shac::testing::Model;
using shac::testing::RandomForest;
using shac::testing::Shape;

namespace {

std::vector<std::uint64_t> accepted(const std::vector<std::shared_ptr<const Stage>>& stages,
                                    std::size_t width, bool use_tables, std::size_t relax = 0) {
    SampleRequest request;
    request.seed = 3;
    request.count = 20'000;
    request.max_candidates = 20'000;
    request.relax = relax;
    return PlainSampler(stages, width, use_tables).draw(request, {1, {}}).candidates;
}

}  // namespace

TEST_CASE("the stage comes first that rejects most of what is left for its cost, the earlier of equals") {
    using Bits = std::vector<std::uint64_t>;
    // Of 70 rows: all but 6; the last 10; the first 4; the first 4, dearer; and bits behind the last row.
    const std::vector<Bits> rejected{
        {~std::uint64_t{0}, 0}, {std::uint64_t{15} << 60, 63}, {15, 0}, {15, 0}, {0, ~std::uint64_t{63}}};
    const shac::StageOrder cheap = shac::order_stages(rejected, {9.0, 9.0, 9.0, 10.0, 9.0}, 70);
    CHECK(cheap.stages == std::vector<std::size_t>{0, 1, 2, 3, 4});
    CHECK(cheap.reached == std::vector<std::size_t>{70, 6, 0, 0, 0});
    CHECK(cheap.num_left == 0);
    const shac::StageOrder dear = shac::order_stages(rejected, {999.0, 9.0, 9.0, 8.0, 9.0}, 70);
    CHECK(dear.stages == std::vector<std::size_t>{1, 3, 0, 2, 4});
    CHECK(dear.reached == std::vector<std::size_t>{70, 60, 56, 0, 0});
    CHECK(shac::order_stages({}, {}, 70).num_left == 70);
}

TEST_CASE("tables and trees of every kind drop no candidate that the exact forest accepts") {
    const std::vector<Shape> shapes{
        {2, 1, 30, 20},   {2, 3, 100, 60},  {6, 2, 60, 10},    {6, 6, 40, 12},         {12, 3, 50, 4},
        {20, 6, 60, 200}, {3, 8, 30, 40},   {1, 4, 50, 900},   {4, 10, 5, 600},        {30, 4, 20, 2},
        {5, 2, 3, 3},     {2, 6, 20, 3000}, {3, 3, 20, 10, 0}, {8, 5, 300, 50, 1e-3F}, {8, 5, 300, 50, 1e6F},
    };
    for (std::size_t i = 0; i < shapes.size(); ++i) {
        INFO("shape " << i);
        std::vector<std::shared_ptr<const Stage>> stages;
        for (std::uint32_t s = 0; s < 4; ++s) {
            auto forest = RandomForest(shapes[i], static_cast<std::uint32_t>(i * 10 + s)).grow();
            stages.push_back(std::make_shared<Stage>(forest, bins_of(*forest)));
        }
        for (const std::size_t relax : {0U, 1U, 3U}) {
            CHECK(accepted(stages, shapes[i].columns, true, relax) ==
                  accepted(stages, shapes[i].columns, false, relax));
        }
    }
}

TEST_CASE("what the tables leave for the exact forest is little more than what it accepts") {
    const auto forest = RandomForest({6, 3, 100, 15}, 1).grow();
    const auto stage = std::make_shared<const Stage>(forest, bins_of(*forest));
    const std::vector<std::shared_ptr<const Stage>> stages{stage};
    const shac::Conditions conditions;
    const shac::RejectionFilter filter(stages, 6, {}, conditions, shac::chosen_kernels());
    shac::RejectionFilter::Scratch scratch;
    std::uint64_t rejected = 0;
    filter.filter(3, 0, 20'000, 0, scratch, {&rejected, 1});
    const auto exact = accepted(stages, 6, false);
    CHECK(scratch.num_left >= exact.size());
    CHECK(scratch.num_left < exact.size() + exact.size() / 20);
}

TEST_CASE("margins within the rounding bound of the threshold are left to the exact forest") {
    // In float32, 0.1 + 0.2 + 0.4 is 0.70000005. What is left after the last tree is 6.0e-8 or 2.4e-7, on
    // either side of the decision threshold, 1.2e-7: tables must not drop candidates of the left half.
    std::size_t in_left_half = 0;
    for (std::uint64_t j = 0; j < 4096; ++j) {
        in_left_half += shac::uniforms_of_group(0, j, 0)[0] < kUniformRange / 2 ? 1U : 0U;
    }
    for (const bool accepts : {false, true}) {
        Model model;
        model.add({{1, 2, 0, 0.5F}, leaf(0.1F), leaf(-0.4F)})
            .add({{1, 2, 0, 0.5F}, leaf(0.2F), leaf(-0.4F)})
            .add({leaf(0.4F)})
            .add({leaf(accepts ? -0.6999998F : -0.7F)});
        const auto forest = model.forest(1);
        CHECK(margin(*forest, {0.25F}) == (accepts ? 2.3841858e-7F : 5.9604645e-8F));
        const auto stage = std::make_shared<const Stage>(forest, bins_of(*forest));
        const std::vector<std::shared_ptr<const Stage>> stages{stage};
        const shac::Conditions conditions;
        const shac::RejectionFilter filter(stages, 1, {}, conditions, shac::chosen_kernels());
        shac::RejectionFilter::Scratch scratch;
        std::uint64_t rejected = 0;
        filter.filter(0, 0, 4096, 0, scratch, {&rejected, 1});
        CHECK(scratch.num_left == in_left_half);
        CHECK(accepted({stage}, 1, true).empty() == !accepts);
    }
}

TEST_CASE("the rejection filter counts every candidate it drops, whatever the size of its blocks") {
    std::vector<std::shared_ptr<const Stage>> stages;
    for (std::uint32_t s = 0; s < 3; ++s) {
        const auto forest = RandomForest({20, 6, 60, 250}, s).grow();
        stages.push_back(std::make_shared<Stage>(forest, bins_of(*forest)));
    }
    const shac::Conditions conditions;
    const shac::RejectionFilter filter(stages, 20, {}, conditions, shac::chosen_kernels());
    std::vector<std::uint64_t> whole(3);
    shac::RejectionFilter::Scratch scratch;
    filter.filter(9, 0, 10'000, 0, scratch, {whole.data(), whole.size()});
    std::vector<std::uint16_t> left(scratch.offsets.begin(),
                                    scratch.offsets.begin() + static_cast<std::ptrdiff_t>(scratch.num_left));
    CHECK(whole[0] + whole[1] + whole[2] + left.size() == 10'000);
    for (const std::size_t block : {1U, 63U, 700U, 5000U}) {
        std::vector<std::uint64_t> counts(3);
        std::vector<std::uint16_t> found;
        for (std::size_t begin = 0; begin < 10'000; begin += block) {
            filter.filter(9, begin, std::min<std::size_t>(block, 10'000 - begin), 0, scratch,
                          {counts.data(), counts.size()});
            for (std::size_t i = 0; i < scratch.num_left; ++i) {
                found.push_back(static_cast<std::uint16_t>(begin + scratch.offsets[i]));
            }
        }
        CHECK(counts == whole);
        CHECK(found == left);
    }
}
