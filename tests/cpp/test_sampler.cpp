#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "sampling/plain_sampler.hpp"
#include "trees.hpp"

using shac::BlockLayout;
using shac::Column;
using shac::kUniformRange;
using shac::PlainSampler;
using shac::SampleEnd;
using shac::SampleRequest;
using shac::Samples;
using shac::Space;
using shac::Stage;
using shac::testing::stump;

namespace {

// Of spaces of two columns: four candidates a block.
const BlockLayout kLayout = BlockLayout::shared(2);

// Two columns in [0, 1), in 64 bins whose lower ends are their representatives.
Space unit_square() {
    Column column;
    for (std::uint64_t bin = 0; bin < 64; ++bin) {
        if (bin > 0) {
            column.edges.push_back(bin * (kUniformRange / 64));
        }
        column.representatives.push_back(static_cast<float>(bin) / 64.0F);
    }
    return Space({column, column});
}

// Accepts x0 < 1/4 and x1 >= 1/2: an eighth of the square.
const PlainSampler& eighth_sampler(bool use_tables = true) {
    const std::vector<std::shared_ptr<const Stage>> stages{
        std::make_shared<Stage>(stump(2, 0, 0.25F), unit_square()),
        std::make_shared<Stage>(stump(2, 1, 0.5F, false), unit_square())};
    static const PlainSampler fast(stages, 2, true, {}, kLayout);
    static const PlainSampler reference(stages, 2, false, {}, kLayout);
    return use_tables ? fast : reference;
}

struct Reference {
    std::vector<std::uint64_t> passing;
    std::uint64_t num_rejected = 0;
};

std::uint64_t num_rejected(const Samples& samples) {
    return std::accumulate(samples.rejected_by_stage.begin(), samples.rejected_by_stage.end(),
                           std::uint64_t{0});
}

Reference filter_by_hand(std::uint64_t seed, std::uint64_t first, std::uint64_t count) {
    Reference result;
    for (std::uint64_t j = first; j < first + count; ++j) {
        const auto u = shac::uniforms_of_group(seed, j, 0, kLayout);
        if (u[0] < kUniformRange / 4 && u[1] >= kUniformRange / 2) {
            result.passing.push_back(j);
        } else {
            ++result.num_rejected;
        }
    }
    return result;
}

Samples draw(SampleRequest request, std::size_t threads = 1) {
    return eighth_sampler().draw(request, {threads, {}});
}

}  // namespace

TEST_CASE("the samples are the first passing candidates, and the report counts up to the last of them") {
    SampleRequest request;
    request.seed = 42;
    request.first_candidate = 12'345;
    request.count = 1000;
    const std::vector<std::uint64_t> rejected_by_stage = draw(request).rejected_by_stage;
    for (const std::size_t threads : {1U, 2U, 3U, 7U}) {
        for (const std::size_t block_size : {0U, 1U, 7U, 100U, 5000U}) {
            request.block_size = block_size;
            const Samples samples = draw(request, threads);
            CHECK(samples.end == SampleEnd::kCount);
            CHECK(samples.candidates.size() == 1000);
            CHECK(samples.num_drawn == samples.candidates.back() - request.first_candidate + 1);
            const Reference expected = filter_by_hand(42, 12'345, samples.num_drawn);
            CHECK(samples.candidates == expected.passing);
            CHECK(num_rejected(samples) == expected.num_rejected);
            CHECK(samples.rejected_by_stage == rejected_by_stage);
        }
    }
}

TEST_CASE("a budget of candidates ends the call with the samples found so far") {
    SampleRequest request;
    request.count = 1000;
    for (const std::uint64_t budget : {0U, 1U, 100U, 1024U, 3000U}) {
        request.max_candidates = budget;
        for (const std::size_t threads : {1U, 3U}) {
            const Samples samples = draw(request, threads);
            CHECK(samples.end == SampleEnd::kCandidates);
            CHECK(samples.num_drawn == budget);
            CHECK(samples.candidates == filter_by_hand(0, 0, budget).passing);
            CHECK(num_rejected(samples) == filter_by_hand(0, 0, budget).num_rejected);
        }
    }
}

TEST_CASE("a gap of candidates without a sample ends the call right behind it") {
    const auto passing = filter_by_hand(0, 0, 100'000).passing;
    for (const std::uint64_t gap : {0U, 1U, 5U, 20U, 60U}) {
        std::uint64_t begin = 0;
        std::size_t kept = 0;
        while (passing[kept] - begin < gap) {
            begin = passing[kept++] + 1;
        }
        SampleRequest request;
        request.count = 1'000'000;
        request.max_gap = gap;
        for (const std::size_t block_size : {1U, 7U, 1024U}) {
            request.block_size = block_size;
            for (const std::size_t threads : {1U, 3U}) {
                const Samples samples = draw(request, threads);
                CHECK(samples.end == SampleEnd::kGap);
                CHECK(samples.candidates.size() == kept);
                CHECK(samples.num_drawn == begin + gap);
                CHECK(num_rejected(samples) == filter_by_hand(0, 0, begin + gap).num_rejected);
            }
        }
    }
}

TEST_CASE("no sample wanted draws no candidate") {
    const Samples samples = draw({});
    CHECK(samples.end == SampleEnd::kCount);
    CHECK(samples.num_drawn == 0);
    CHECK(samples.candidates.empty());
}

TEST_CASE("an empty region runs until it is stopped") {
    const PlainSampler nothing({std::make_shared<Stage>(stump(2, 0, 0.5F), unit_square()),
                                std::make_shared<Stage>(stump(2, 0, 0.5F, false), unit_square())},
                               2);
    SampleRequest request;
    request.count = 1;
    int asked = 0;
    const Samples samples = nothing.draw(request, {2, [&] { return ++asked == 3; }});
    CHECK(samples.end == SampleEnd::kStopped);
    CHECK(samples.candidates.empty());
}

TEST_CASE("relaxation lets candidates fail that many stages") {
    SampleRequest request;
    request.count = 1000;
    request.relax = 1;
    std::vector<std::uint64_t> expected;
    for (std::uint64_t j = 0; expected.size() < 1000; ++j) {
        const auto u = shac::uniforms_of_group(0, j, 0, kLayout);
        if (u[0] < kUniformRange / 4 || u[1] >= kUniformRange / 2) {
            expected.push_back(j);
        }
    }
    CHECK(draw(request).candidates == expected);
}

TEST_CASE("stages of another width, or none, are refused") {
    const auto stage = std::make_shared<Stage>(stump(2, 0, 0.5F), unit_square());
    CHECK_THROWS_AS(PlainSampler({stage}, 3), std::invalid_argument);
    CHECK_THROWS_AS(PlainSampler({nullptr}, 2), std::invalid_argument);
    CHECK_THROWS_AS(Stage(stump(3, 0, 0.5F), unit_square()), std::invalid_argument);
}

TEST_CASE("without tables the samples are the same") {
    SampleRequest request;
    request.seed = 5;
    request.count = 300;
    for (const std::size_t relax : {0U, 1U, 2U}) {
        request.relax = relax;
        const Samples fast = eighth_sampler().draw(request, {2, {}});
        const Samples reference = eighth_sampler(false).draw(request, {2, {}});
        CHECK(fast.candidates == reference.candidates);
        CHECK(fast.num_drawn == reference.num_drawn);
    }
}

TEST_CASE("numbers of candidates beyond 32 bits are drawn as they should") {
    SampleRequest request;
    request.first_candidate = (std::uint64_t{1} << 32) - 500;
    request.max_candidates = 1000;
    request.count = 1000;
    CHECK(draw(request).candidates == filter_by_hand(0, request.first_candidate, 1000).passing);
}
