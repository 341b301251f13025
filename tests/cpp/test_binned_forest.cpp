#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>
#include <vector>

#include "kernels/levels.hpp"
#include "random_forest.hpp"
#include "tables/binned_forest.hpp"

using shac::available_kernels;
using shac::BinnedForest;
using shac::ColumnBlock;
using shac::Forest;
using shac::kChunk;
using shac::Kernels;
using shac::kLane;
using shac::ThresholdSearch;
using shac::testing::kInfinity;
using shac::testing::kNaN;
using shac::testing::leaf;
using shac::testing::Model;
using shac::testing::RandomForest;
using shac::testing::Shape;

namespace {

std::mt19937 row_generator(11);

/// A value of a column, on a threshold or beside it more often than not, sometimes missing or infinite.
float value_near(const std::vector<float>& thresholds) {
    switch (row_generator() % 8) {
        case 0:
            return kNaN;
        case 1:
            return row_generator() % 2 == 0 ? kInfinity : -kInfinity;
        case 2:
            return static_cast<float>(row_generator() % 1000) / 1000.0F;
        default:
            break;
    }
    if (thresholds.empty()) {
        return 0.0F;
    }
    const float on = thresholds[row_generator() % thresholds.size()];
    const auto side = row_generator() % 3;
    return side == 0 ? on : std::nextafter(on, side == 1 ? -kInfinity : kInfinity);
}

std::vector<float> rows_near(const Forest& forest, std::size_t stride) {
    std::vector<float> columns(forest.num_features() * stride);
    for (std::size_t f = 0; f < forest.num_features(); ++f) {
        const std::vector<float> thresholds = forest.thresholds(f);
        for (std::size_t i = 0; i < stride; ++i) {
            columns[f * stride + i] = value_near(thresholds);
        }
    }
    return columns;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() &&
           (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

/// Compares the margins of listed rows on every level with those of the walk.
void check_margins(const std::shared_ptr<const Forest>& forest, std::size_t num_rows) {
    const BinnedForest binned(forest);
    const std::vector<float> columns = rows_near(*forest, num_rows);
    const ColumnBlock block{columns.data(), num_rows, num_rows};
    std::vector<std::uint32_t> all(num_rows);
    std::iota(all.begin(), all.end(), 0U);
    std::vector<std::uint32_t> some;
    for (const std::uint32_t row : all) {
        if (row_generator() % 3 != 0) {
            some.push_back(row);
        }
    }
    for (const auto& rows : {all, some}) {
        std::vector<float> expected(rows.size());
        forest->margins(block, {rows.data(), rows.size()}, expected.data());
        for (const Kernels* const level : available_kernels()) {
            INFO(level->name, " ", num_rows, " rows");
            BinnedForest::Scratch scratch;
            std::vector<float> found(rows.size());
            binned.margins(*level, block, {rows.data(), rows.size()}, scratch, found.data());
            CHECK(same_bits(found, expected));
        }
    }
}

}  // namespace

TEST_CASE("the bin of a value is the number of thresholds that it reaches, on every level") {
    for (const std::size_t count :
         {0U, 1U, 2U, 3U, 4U, 7U, 8U, 15U, 16U, 24U, 25U, 31U, 32U, 63U, 64U, 127U, 128U, 200U, 254U}) {
        std::vector<float> thresholds;
        while (thresholds.size() < count) {
            thresholds.push_back(static_cast<float>(row_generator() % 100'000) / 1000.0F - 50.0F);
            std::sort(thresholds.begin(), thresholds.end());
            thresholds.erase(std::unique(thresholds.begin(), thresholds.end()), thresholds.end());
        }
        const ThresholdSearch search(thresholds);
        std::vector<float> values(kChunk);
        for (float& value : values) {
            value = value_near(thresholds);
        }
        for (const Kernels* const level : available_kernels()) {
            INFO(level->name, " ", count, " thresholds");
            std::vector<std::uint8_t> bins(kChunk);
            level->find_threshold_bins(search, values.data(), kChunk, bins.data());
            bool equal = true;
            for (std::size_t i = 0; i < kChunk; ++i) {
                const auto reached = std::upper_bound(thresholds.begin(), thresholds.end(), values[i]);
                const std::ptrdiff_t expected =
                    std::isnan(values[i]) ? shac::kMissingBin : reached - thresholds.begin();
                equal = equal && bins[i] == expected;
            }
            CHECK(equal);
        }
    }
    CHECK_THROWS_AS(ThresholdSearch(std::vector<float>(255)), std::invalid_argument);
}

TEST_CASE("both zeros reach a threshold of either zero") {
    const ThresholdSearch search({-0.0F});
    const std::vector<float> values(kLane, 0.0F);
    for (const Kernels* const level : available_kernels()) {
        std::vector<std::uint8_t> bins(kLane);
        level->find_threshold_bins(search, values.data(), kLane, bins.data());
        CHECK(bins == std::vector<std::uint8_t>(kLane, 1));
    }
}

TEST_CASE("margins over bins are those of the walk for trees of any depth, to the last bit") {
    for (std::uint32_t depth = 1; depth <= 9; ++depth) {
        for (const std::uint32_t thresholds : {1U, 5U, 30U, 240U}) {
            const auto forest = RandomForest(Shape{4, depth, 23, thresholds}, 10 * depth + thresholds).grow();
            for (const std::size_t rows : {1U, 9U, 64U, 65U, 512U, 1000U, 1024U, 2500U}) {
                check_margins(forest, rows);
            }
        }
    }
}

TEST_CASE("a column with more thresholds than a byte tells apart begins a new run") {
    const auto forest = RandomForest(Shape{1, 6, 60, 5000}, 3).grow();
    CHECK(forest->thresholds(0).size() > shac::kMaxThresholds);
    check_margins(forest, 700);
}

TEST_CASE("shallow, deep and constant trees take turns in a forest") {
    Model model;
    for (int turn = 0; turn < 5; ++turn) {
        model.add({leaf(0.1F)});
        model.add({{1, 2, 0, 0.5F, turn % 2 == 0}, leaf(0.3F), leaf(-0.7F)});
        std::vector<shac::testing::TreeNode> chain;
        for (std::int32_t depth = 0; depth < 10; ++depth) {
            // Each split's left side goes on, its right side is a leaf.
            chain.push_back(
                {2 * depth + 2, 2 * depth + 1, depth % 2, 0.9F - 0.05F * static_cast<float>(depth)});
            chain.push_back(leaf(1e-3F * static_cast<float>(depth)));
        }
        chain.push_back(leaf(-0.2F));
        model.add(chain);
    }
    check_margins(model.forest(2, 0.3F), 300);
}

TEST_CASE("a forest without trees gives its base margin") {
    check_margins(Model().forest(2, 0.3F), 100);
}
