#include <doctest/doctest.h>

#include <cstdint>
#include <stdexcept>
#include <utility>
#include <vector>

#include "random.hpp"
#include "space.hpp"

using shac::Column;
using shac::kUniformRange;
using shac::Space;

TEST_CASE("a candidate's values are the representatives of the bins that its uniforms fall in") {
    std::vector<Column> columns;
    for (std::uint64_t c = 0; c < 6; ++c) {
        columns.push_back({{(c + 1) * kUniformRange / 8, kUniformRange - 1}, {0.0F, 1.0F, 2.0F}});
    }
    const Space space(columns);
    const std::size_t count = 500;
    const std::size_t stride = 512;
    std::vector<float> values(6 * stride);
    space.draw(9, 1000, count, stride, values.data());
    for (std::size_t i = 0; i < count; ++i) {
        for (std::size_t c = 0; c < 6; ++c) {
            const auto u = shac::uniforms_of_group(9, 1000 + i, static_cast<std::uint32_t>(c / 4))[c % 4];
            const float expected = u < columns[c].edges[0] ? 0.0F : (u < kUniformRange - 1 ? 1.0F : 2.0F);
            CHECK(values[c * stride + i] == expected);
        }
    }
}

TEST_CASE("uniforms of listed candidates come candidate by candidate") {
    const Space space(std::vector<Column>(5, Column{{}, {0.0F}}));
    const std::vector<std::uint64_t> candidates{7, 3};
    std::vector<double> values(10);
    space.uniforms(11, {candidates.data(), 2}, {values.data(), 2, 5});
    for (std::size_t i = 0; i < 2; ++i) {
        for (std::size_t c = 0; c < 5; ++c) {
            const auto u =
                shac::uniforms_of_group(11, candidates[i], static_cast<std::uint32_t>(c / 4))[c % 4];
            CHECK(values[i * 5 + c] == shac::uniform_value(u));
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
