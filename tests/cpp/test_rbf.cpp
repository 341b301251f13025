#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <stdexcept>
#include <vector>

#include "kernels/levels.hpp"
#include "random_forest.hpp"
#include "sampling/slice_walk.hpp"
#include "surrogate/local_search.hpp"
#include "surrogate/rbf.hpp"

using shac::available_kernels;
using shac::BinnedForest;
using shac::Cascade;
using shac::ColumnEncoding;
using shac::CubicRbf;
using shac::EncodingKind;
using shac::kDistanceLanes;
using shac::kUniformEdge;
using shac::MatrixView;
using shac::PointSet;
using shac::SpaceEncoding;
using shac::testing::RandomForest;

namespace {

/// Numbers in (0, 1) and behind them codes from 0 to 2.
std::vector<double> random_rows(std::size_t count, std::size_t numbers, std::size_t codes,
                                std::uint32_t seed) {
    std::mt19937 generator(seed);
    std::vector<double> rows;
    for (std::size_t i = 0; i < count; ++i) {
        for (std::size_t k = 0; k < numbers + codes; ++k) {
            const auto word = static_cast<double>(generator());
            rows.push_back(k < numbers ? (word + 0.5) / 4294967296.0 : std::fmod(word, 3.0));
        }
    }
    return rows;
}

double square_between(const double* a, const double* b, std::size_t numbers, std::size_t codes) {
    double square = 0.0;
    for (std::size_t k = 0; k < numbers + codes; ++k) {
        square += k < numbers ? (a[k] - b[k]) * (a[k] - b[k]) : (a[k] != b[k] ? 0.5 : 0.0);
    }
    return square;
}

std::shared_ptr<const Cascade> random_cascade(std::uint32_t columns) {
    std::vector<std::shared_ptr<const BinnedForest>> stages;
    for (std::uint32_t stage = 0; stage < 3; ++stage) {
        RandomForest forest({columns, 3, 20, 8}, 11 + stage);
        stages.push_back(std::make_shared<BinnedForest>(forest.grow()));
    }
    return std::make_shared<Cascade>(stages, columns);
}

SpaceEncoding unit_encoding(std::size_t columns) {
    return {std::vector<ColumnEncoding>(columns, {EncodingKind::kUniform, 0.0, 1.0}), {}};
}

bool passes(const Cascade& cascade, const SpaceEncoding& encoding, const double* uniforms) {
    std::vector<float> encoded(encoding.width());
    encoding.encode(uniforms, encoded.data());
    std::int32_t dropped = 0;
    shac::compute_drops(cascade, shac::RowsView::row_major(encoded.data(), 1, encoded.size()), 0,
                        {&dropped, 1}, {1, nullptr});
    return dropped == shac::kPassed;
}

/// Points that the cascade accepts.
std::vector<double> accepted_points(const Cascade& cascade, const SpaceEncoding& encoding,
                                    std::size_t count) {
    std::vector<double> points;
    for (std::uint32_t seed = 0; points.size() < count * encoding.width(); ++seed) {
        const std::vector<double> row = random_rows(1, encoding.width(), 0, seed);
        if (passes(cascade, encoding, row.data())) {
            points.insert(points.end(), row.begin(), row.end());
        }
    }
    return points;
}

}  // namespace

TEST_CASE("sums of cubes are the same on every level, to the bit") {
    for (const std::size_t codes : {0U, 3U}) {
        const std::vector<double> points = random_rows(57, 5, codes, 1);
        const std::vector<double> weights = random_rows(57, 1, 0, 2);
        const std::vector<double> rows = random_rows(5 + codes, kDistanceLanes, 0, 3);
        std::array<double, kDistanceLanes> expected{};
        std::array<double, kDistanceLanes> expected_squares{};
        for (const shac::Kernels* const level : available_kernels()) {
            std::array<double, kDistanceLanes> sums{};
            std::array<double, kDistanceLanes> squares{};
            level->sum_cubes({points.data(), weights.data(), 57, 5, codes}, rows.data(), sums.data(),
                             squares.data());
            if (level == available_kernels().front()) {
                expected = sums;
                expected_squares = squares;
            }
            CHECK_MESSAGE(sums == expected, level->name);
            CHECK_MESSAGE(squares == expected_squares, level->name);
        }
    }
}

TEST_CASE(
    "a prediction is the sum of cubes and the linear terms, and comes with the nearest point's distance") {
    const std::vector<double> values = random_rows(40, 3, 2, 4);
    const std::vector<double> weights = random_rows(40, 1, 0, 5);
    const std::vector<std::vector<double>> code_tails{{0.1, 0.2, 0.3, 0.4}, {-1.0, -2.0, -3.0, -4.0}};
    const CubicRbf model({3, 2, values}, weights, {0.5, 1.0, 2.0, 3.0}, code_tails);
    const std::vector<double> rows = random_rows(11, 3, 2, 6);
    std::vector<double> predictions(11);
    std::vector<double> distances(11);
    for (const std::size_t threads : {1U, 3U}) {
        CHECK(shac::predict_rows(model, {rows.data(), 11, 5}, {predictions.data(), 11},
                                 {distances.data(), 11}, {threads, nullptr}));
        for (std::size_t i = 0; i < 11; ++i) {
            const double* const row = rows.data() + i * 5;
            double sum = 0.5 + row[0] + 2.0 * row[1] + 3.0 * row[2];
            sum += code_tails[0][static_cast<std::size_t>(row[3]) + 1];
            sum += code_tails[1][static_cast<std::size_t>(row[4]) + 1];
            double nearest = std::numeric_limits<double>::infinity();
            for (std::size_t p = 0; p < 40; ++p) {
                const double distance = std::sqrt(square_between(row, values.data() + p * 5, 3, 2));
                sum += weights[p] * distance * distance * distance;
                nearest = std::min(nearest, distance);
            }
            CHECK(predictions[i] == doctest::Approx(sum).epsilon(1e-12));
            CHECK(distances[i] == doctest::Approx(nearest).epsilon(1e-12));
        }
    }
}

TEST_CASE("cubes of distances are a symmetric matrix with nothing on its diagonal") {
    const PointSet points{2, 1, random_rows(9, 2, 1, 7)};
    std::vector<double> cubes(81);
    shac::write_cubes(points, 0, {cubes.data(), 9, 9});
    for (std::size_t i = 0; i < 9; ++i) {
        for (std::size_t j = 0; j < 9; ++j) {
            const double square = square_between(&points.values[i * 3], &points.values[j * 3], 2, 1);
            CHECK(cubes[i * 9 + j] == doctest::Approx(std::pow(square, 1.5)));
            CHECK(cubes[i * 9 + j] == cubes[j * 9 + i]);
        }
    }
    std::vector<double> last(36);
    shac::write_cubes(points, 5, {last.data(), 4, 9});
    CHECK(std::equal(last.begin(), last.end(), cubes.begin() + 45));
}

TEST_CASE("without other points the nearest is infinitely far") {
    const std::vector<double> rows = random_rows(3, 2, 0, 8);
    std::vector<double> distances(3);
    shac::find_nearest({2, 0, {}}, {rows.data(), 3, 2}, distances.data());
    CHECK(std::isinf(distances[2]));
}

TEST_CASE("chains move, stay within the region, and are the same for any number of threads") {
    const auto cascade = random_cascade(3);
    const SpaceEncoding encoding = unit_encoding(3);
    const std::size_t chains = 5000;
    const std::vector<double> some = accepted_points(*cascade, encoding, 10);
    std::vector<double> starts;
    for (std::size_t i = 0; i < chains; ++i) {
        starts.insert(starts.end(), some.begin() + static_cast<std::ptrdiff_t>(i % 10 * 3),
                      some.begin() + static_cast<std::ptrdiff_t>(i % 10 * 3 + 3));
    }
    std::vector<double> directions = random_rows(2 * chains, 3, 0, 9);
    for (double& direction : directions) {
        direction = direction < 0.2 ? 0.0 : direction - 0.6;
    }
    const std::vector<double> fractions = random_rows(2 * chains, 14, 0, 10);
    std::vector<double> first;
    for (const std::size_t threads : {1U, 2U, 5U}) {
        std::vector<double> points = starts;
        CHECK(shac::walk(encoding, *cascade,
                         {{points.data(), chains, 3},
                          {directions.data(), directions.size()},
                          {fractions.data(), fractions.size()},
                          2,
                          14},
                         {threads, nullptr}));
        first = first.empty() ? points : first;
        CHECK(points == first);
    }
    CHECK(first != starts);
    for (std::size_t i = 0; i < chains; i += 7) {
        CHECK(passes(*cascade, encoding, &first[i * 3]));
    }
    CHECK_THROWS_AS(shac::walk(encoding, *cascade,
                               {{first.data(), chains, 3}, {nullptr, 0}, {nullptr, 0}, 2, 14}, {1, nullptr}),
                    std::invalid_argument);
}

TEST_CASE("a local search ends at an accepted row of lower merit, or says that it found none") {
    const auto cascade = random_cascade(2);
    const auto encoding = std::make_shared<const SpaceEncoding>(unit_encoding(2));
    const shac::PointCoordinates coordinates(encoding, {{}, {}});
    const CubicRbf model({2, 0, random_rows(20, 2, 0, 12)}, std::vector<double>(20, 0.0), {0.0, 1.0, 1.0},
                         {});
    const PointSet none{2, 0, {}};
    const shac::Merit merit{1.0, 0.0, 1.0, 0.0, 1.0};  // the sum of both uniforms
    std::vector<double> moves = random_rows(12 * 24, 2, 0, 13);
    for (double& move : moves) {
        move -= 0.5;
    }
    const std::vector<double> step(2, 0.2);
    const std::vector<double> starts = accepted_points(*cascade, *encoding, 20);
    std::size_t moved = 0;
    for (std::size_t i = 0; i < 20; ++i) {
        const double* const start = &starts[i * 2];
        std::vector<float> encoded(2);
        encoding->encode(start, encoded.data());
        const std::vector<double> end = shac::search_locally(
            coordinates, *cascade, model, none,
            {{encoded.data(), 2}, {step.data(), 2}, {moves.data(), moves.size()}, 12, 24, merit});
        if (!end.empty()) {
            ++moved;
            CHECK(end[0] + end[1] < start[0] + start[1]);
            CHECK(passes(*cascade, *encoding, end.data()));
        }
    }
    CHECK(moved > 10);
    CHECK_THROWS_AS(
        shac::search_locally(coordinates, *cascade, model, none,
                             {{nullptr, 0}, {step.data(), 2}, {moves.data(), moves.size()}, 12, 24, merit}),
        std::invalid_argument);
}
