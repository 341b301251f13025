#include <doctest/doctest.h>

#include <cstdint>
#include <stdexcept>
#include <utility>
#include <vector>

#include "prior/random.hpp"
#include "prior/space.hpp"

using shac::Column;
using shac::kUniformRange;
using shac::Space;

TEST_CASE("a uniform falls in the bin with as many edges at or below it") {
    const Column column{{10, 20}, {0.0F, 1.0F, 2.0F}};
    const std::vector<std::pair<std::uint64_t, float>> expected{
        {0, 0.0F}, {9, 0.0F}, {10, 1.0F}, {19, 1.0F}, {20, 2.0F}, {kUniformRange - 1, 2.0F}};
    for (const auto& [uniform, representative] : expected) {
        CHECK(column.representative(uniform) == representative);
    }
}

TEST_CASE("uniforms of listed candidates come candidate by candidate") {
    const std::vector<std::uint64_t> candidates{7, 3};
    std::vector<double> values(20);
    shac::write_uniforms(11, {}, {}, {candidates.data(), 2}, {values.data(), 2, 10}, {});
    for (std::size_t i = 0; i < 2; ++i) {
        for (std::size_t c = 0; c < 10; ++c) {
            const auto u =
                shac::uniforms_of_group(11, candidates[i], static_cast<std::uint32_t>(c / 8))[c % 8];
            CHECK(values[i * 10 + c] == shac::uniform_value(u));
        }
    }
}

TEST_CASE("columns whose edges or representatives do not fit are refused") {
    const auto make = [](std::vector<std::uint64_t> edges, std::vector<float> representatives) {
        return Space({Column{std::move(edges), std::move(representatives)}});
    };
    CHECK_THROWS_AS(make({5}, {0.0F}), std::invalid_argument);
    CHECK_THROWS_AS(make({}, {}), std::invalid_argument);
    CHECK_THROWS_AS(make({0}, {0.0F, 1.0F}), std::invalid_argument);
    CHECK_THROWS_AS(make({kUniformRange}, {0.0F, 1.0F}), std::invalid_argument);
    CHECK_THROWS_AS(make({5, 5}, {0.0F, 1.0F, 2.0F}), std::invalid_argument);
    CHECK_THROWS_AS(make({6, 5}, {0.0F, 1.0F, 2.0F}), std::invalid_argument);
    CHECK_NOTHROW(make({5, 6}, {0.0F, 1.0F, 2.0F}));
}
