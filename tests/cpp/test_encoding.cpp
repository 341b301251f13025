#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

#include "prior/encoding.hpp"
#include "prior/random.hpp"

using shac::ColumnEncoding;
using shac::EncodingKind;
using shac::kUniformEdge;
using shac::ParentValues;
using shac::SpaceEncoding;

namespace {

std::vector<float> encode(const SpaceEncoding& encoding, const std::vector<double>& uniforms) {
    std::vector<float> encoded(uniforms.size());
    encoding.encode(uniforms.data(), encoded.data());
    return encoded;
}

const std::vector<ColumnEncoding> kEach{
    {EncodingKind::kUniform, -2.0, 6.0},
    {EncodingKind::kLogUniform, std::log(1e-3), std::log(10.0), 1e-3, 10.0},
    {EncodingKind::kInteger, 3.0, 4.0},
    {EncodingKind::kDiscrete, 0.0, 5.0},
    {EncodingKind::kListed,
     std::log(0.5),
     std::log(3.5),
     1.0,
     3.0,
     {0.0F, 0.6931472F, 1.0986123F},
     {0.0, std::log(3.0) / std::log(7.0), std::log(5.0) / std::log(7.0), 1.0}},
};

}  // namespace

TEST_CASE("uniforms are encoded as the values of each kind of column") {
    const SpaceEncoding encoding(kEach, {});
    CHECK(encode(encoding, {0.25, 0.5, 0.3, 0.59, 0.7}) ==
          std::vector<float>{0.0F, static_cast<float>(std::log(0.1)), 4.0F, 2.0F, 0.6931472F});
    CHECK(encode(encoding, std::vector<double>(5, 1.0 - kUniformEdge)) ==
          std::vector<float>{6.0F, static_cast<float>(std::log(10.0)), 6.0F, 4.0F, 1.0986123F});
}

TEST_CASE("the uniforms of an encoded value come back to it") {
    const SpaceEncoding encoding(kEach, {});
    for (int step = 0; step < 1000; ++step) {
        const std::vector<float> encoded = encode(encoding, std::vector<double>(5, (step + 0.5) / 1000.0));
        std::vector<double> uniforms(5);
        encoding.uniforms_of(encoded.data(), uniforms.data());
        CHECK(encode(encoding, uniforms) == encoded);
    }
}

TEST_CASE("what is below a value is the mass of all that is encoded as less") {
    const SpaceEncoding encoding(kEach, {});
    const std::vector<float> encoded{2.0F, static_cast<float>(std::log(0.1)), 5.0F, 3.0F, 1.0986123F};
    std::vector<double> below(5);
    encoding.cdf(encoded.data(), below.data());
    CHECK(below[0] == doctest::Approx(0.5));
    CHECK(below[1] == doctest::Approx(0.5));
    CHECK(below[2] == 0.5);
    CHECK(below[3] == 0.6);
    CHECK(below[4] == std::log(5.0) / std::log(7.0));
}

TEST_CASE("a column is missing where its parent has another value, or is missing itself") {
    const SpaceEncoding encoding({{EncodingKind::kDiscrete, 0.0, 2.0},
                                  {EncodingKind::kDiscrete, 0.0, 2.0},
                                  {EncodingKind::kUniform, 0.0, 1.0}},
                                 {{1, 0, {1.0F}}, {2, 1, {0.0F}}});
    CHECK(encode(encoding, {0.9, 0.1, 0.5}) == std::vector<float>{1.0F, 0.0F, 0.5F});
    const std::vector<float> without_child = encode(encoding, {0.9, 0.9, 0.5});
    CHECK(without_child[1] == 1.0F);
    CHECK(std::isnan(without_child[2]));
    const std::vector<float> without_both = encode(encoding, {0.1, 0.1, 0.5});
    CHECK(std::isnan(without_both[1]));
    CHECK(std::isnan(without_both[2]));
}

TEST_CASE("columns and parents that make no sense are refused") {
    const ColumnEncoding unit{EncodingKind::kUniform, 0.0, 1.0};
    CHECK_THROWS_AS(SpaceEncoding({{EncodingKind::kUniform, 1.0, 1.0}}, {}), std::invalid_argument);
    CHECK_THROWS_AS(SpaceEncoding({{EncodingKind::kDiscrete, 0.0, 0.0}}, {}), std::invalid_argument);
    CHECK_THROWS_AS(SpaceEncoding({{EncodingKind::kListed, 0.0, 1.0}}, {}), std::invalid_argument);
    CHECK_THROWS_AS(SpaceEncoding({unit}, {{0, 1, {}}}), std::invalid_argument);
    CHECK_THROWS_AS(SpaceEncoding({unit, unit}, {{1, 0, {2.0F, 1.0F}}}), std::invalid_argument);
    CHECK_THROWS_AS(SpaceEncoding({unit, unit, unit}, {{1, 0, {}}, {0, 2, {}}}), std::invalid_argument);
}

TEST_CASE("a column's bins begin where its values reach thresholds, equal ones once") {
    const ColumnEncoding choices{EncodingKind::kDiscrete, 0.0, 4.0};
    const shac::Column column = shac::column_of(choices, {-1.0F, 0.0F, 0.5F, 1.0F, 3.0F, 7.0F}, true);
    CHECK(column.edges == std::vector<std::uint64_t>{shac::kUniformRange / 4, 3 * (shac::kUniformRange / 4)});
    CHECK(column.representatives == std::vector<float>{0.0F, 1.0F, 3.0F});
    CHECK(column.is_conditional);
}

TEST_CASE("a column that no tree asks, or that all its values are below, has one bin") {
    const ColumnEncoding numbers{EncodingKind::kUniform, 0.0, 1.0};
    CHECK(shac::column_of(numbers, {}, false).representatives == std::vector<float>{0.0F});
    const shac::Column below = shac::column_of(numbers, {2.0F}, false);
    CHECK(below.edges.empty());
    CHECK(below.representatives == std::vector<float>{std::nextafter(2.0F, 0.0F)});
}
