#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <stdexcept>
#include <vector>

#include "random_forest.hpp"
#include "rows/cascade.hpp"
#include "rows/row_filter.hpp"

using shac::BinnedForest;
using shac::Cascade;
using shac::Column;
using shac::Forest;
using shac::kUniformRange;
using shac::RowFilter;
using shac::RowsView;
using shac::Space;
using shac::Stage;
using shac::testing::RandomForest;
using shac::testing::Shape;

namespace {

std::mt19937 filter_generator(5);

bool one_in(std::uint32_t count) {
    return filter_generator() % count == 0;
}

/// Bins of a prior that does not reach all thresholds of a forest, gives some of them the same edge, and sets
/// others so close together that upper bits do not tell them apart.
Space narrow_bins(const Forest& forest) {
    std::vector<Column> columns;
    for (std::size_t f = 0; f < forest.num_features(); ++f) {
        const std::vector<float> thresholds = forest.thresholds(f);
        Column column;
        column.is_conditional = one_in(3);
        std::size_t next = 0;
        while (next < thresholds.size() && one_in(4)) {
            ++next;
        }
        column.representatives.push_back(next > 0 ? thresholds[next - 1] : -1.0F);
        std::uint64_t edge = one_in(2) ? 1 : kUniformRange / 8;
        for (; next < thresholds.size() && !one_in(12); ++next) {
            if (!one_in(5)) {
                column.edges.push_back(edge);
                column.representatives.push_back(thresholds[next]);
                edge += one_in(4) ? 1 : kUniformRange / 64;
            }
        }
        if (one_in(3)) {  // where upper bits of conditional columns say nothing
            column.edges.push_back(kUniformRange - 5);
            column.representatives.push_back(2.0F);
        }
        columns.push_back(column);
    }
    return Space(columns);
}

std::vector<float> rows_near(const std::vector<std::shared_ptr<const Forest>>& forests, std::size_t count) {
    const std::size_t width = forests[0]->num_features();
    std::vector<float> rows(count * width);
    for (std::size_t f = 0; f < width; ++f) {
        std::vector<float> thresholds{-3.0F, 3.0F};
        for (const auto& forest : forests) {
            const auto own = forest->thresholds(f);
            thresholds.insert(thresholds.end(), own.begin(), own.end());
        }
        for (std::size_t i = 0; i < count; ++i) {
            const float on = thresholds[filter_generator() % thresholds.size()];
            const float other = one_in(2) ? 1e30F : -1e30F;
            rows[i * width + f] = one_in(40)  ? std::numeric_limits<float>::quiet_NaN()
                                  : one_in(2) ? on
                                              : std::nextafter(on, other);
        }
    }
    return rows;
}

void check_filter(const std::vector<std::shared_ptr<const Forest>>& forests, bool narrow, std::size_t count) {
    std::vector<std::shared_ptr<const Stage>> stages;
    for (const auto& forest : forests) {
        stages.push_back(std::make_shared<const Stage>(
            forest, narrow ? narrow_bins(*forest) : shac::testing::bins_of(*forest)));
    }
    const std::size_t width = forests[0]->num_features();
    const RowFilter filter(stages, width);
    const Cascade cascade(shac::testing::binned(forests), width);
    const std::vector<float> x = rows_near(forests, count);
    const RowsView rows = RowsView::row_major(x.data(), count, width);
    for (const std::size_t relax : {0U, 1U}) {
        std::vector<std::int32_t> expected(count);
        std::vector<std::int32_t> found(count, -7);
        std::vector<std::uint8_t> accepted(count, 7);
        CHECK(compute_drops(cascade, rows, relax, {expected.data(), count}, {1, {}}));
        CHECK(filter.compute_drops(rows, relax, {found.data(), count}, {2, {}}));
        CHECK(filter.compute_accepted(rows, relax, {accepted.data(), count}, {2, {}}));
        INFO(narrow, " relax ", relax, " width ", width, " trees ", forests[0]->num_trees(), " count ",
             count);
        CHECK(found == expected);
        std::vector<std::uint8_t> passed(count);
        std::transform(expected.begin(), expected.end(), passed.begin(),
                       [](std::int32_t stage) { return stage == shac::kPassed ? 1 : 0; });
        CHECK(accepted == passed);
    }
}

}  // namespace

TEST_CASE("tables before forests give the decisions of the forests alone") {
    for (std::uint32_t seed = 0; seed < 12; ++seed) {
        for (const Shape shape : {Shape{2, 2, 30, 9}, Shape{3, 4, 20, 6, 0.1F}, Shape{6, 6, 12, 40},
                                  Shape{2, 8, 9, 20}, Shape{1, 6, 40, 900}}) {
            std::vector<std::shared_ptr<const Forest>> forests;
            for (std::uint32_t s = 0; s < 3; ++s) {
                forests.push_back(RandomForest(shape, 100 * seed + s).grow());
            }
            for (const bool narrow : {false, true}) {
                check_filter(forests, narrow, seed % 2 == 0 ? 700 : 40);
            }
        }
    }
}

TEST_CASE("many rows choose the order of the stages, and the answers stay") {
    std::vector<std::shared_ptr<const Forest>> forests;
    for (std::uint32_t s = 0; s < 5; ++s) {
        forests.push_back(RandomForest(Shape{3, 2, 10, 9}, s).grow());
    }
    check_filter(forests, false, 17'000);
}

TEST_CASE("stages of another width are refused") {
    const auto forest = RandomForest(Shape{2, 2, 3, 9}, 1).grow();
    const auto stage = std::make_shared<const Stage>(forest, shac::testing::bins_of(*forest));
    CHECK_THROWS_AS(RowFilter({stage}, 3), std::invalid_argument);
    CHECK_THROWS_AS(RowFilter({nullptr}, 2), std::invalid_argument);
    const std::vector<float> x(4);
    std::vector<std::int32_t> out(4);
    CHECK_THROWS_AS(
        RowFilter({stage}, 2).compute_drops(RowsView::row_major(x.data(), 4, 1), 0, {out.data(), 4}, {1, {}}),
        std::invalid_argument);
}
