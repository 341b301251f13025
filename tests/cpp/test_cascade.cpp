#include <doctest/doctest.h>

#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "rows/cascade.hpp"
#include "trees.hpp"

using shac::Cascade;
using shac::kPassed;
using shac::RowsView;
using shac::testing::binned;
using shac::testing::stump;

namespace {

// One feature; stages accept x < 4, x < 3, x < 2.
Cascade three_stages() {
    return Cascade(binned({stump(1, 0, 4.0F), stump(1, 0, 3.0F), stump(1, 0, 2.0F)}), 1);
}

std::vector<std::int32_t> drops(const Cascade& cascade, const std::vector<float>& x, std::size_t relax,
                                std::size_t threads) {
    std::vector<std::int32_t> result(x.size(), -99);
    CHECK(shac::compute_drops(cascade, RowsView::row_major(x.data(), x.size(), 1), relax,
                              {result.data(), result.size()}, {threads, {}}));
    return result;
}

}  // namespace

TEST_CASE("a row is dropped at the stage of its failure after the last that is allowed") {
    const std::vector<float> x{1.0F, 2.5F, 3.5F, 4.5F};
    CHECK(drops(three_stages(), x, 0, 1) == std::vector<std::int32_t>{kPassed, 2, 1, 0});
    CHECK(drops(three_stages(), x, 1, 1) == std::vector<std::int32_t>{kPassed, kPassed, 2, 1});
    CHECK(drops(three_stages(), x, 2, 1) == std::vector<std::int32_t>{kPassed, kPassed, kPassed, 2});
    CHECK(drops(three_stages(), x, 3, 1) == std::vector<std::int32_t>(4, kPassed));
}

TEST_CASE("a cascade without stages passes every row") {
    CHECK(drops(Cascade({}, 1), {1.0F, 2.0F}, 0, 1) == std::vector<std::int32_t>(2, kPassed));
}

TEST_CASE("filtering counts the rows that each stage drops") {
    const auto cascade = three_stages();
    const std::vector<float> x{1.0F, 2.5F, 2.6F, 3.5F, 4.5F};
    Cascade::Scratch scratch;
    std::vector<std::uint64_t> rejected(3);
    cascade.filter({x.data(), x.size(), x.size()}, 0, scratch, {rejected.data(), rejected.size()}, nullptr);
    CHECK(scratch.rows == std::vector<std::uint32_t>{0});
    CHECK(rejected == std::vector<std::uint64_t>{1, 1, 2});
}

TEST_CASE("rows get the same answers from any number of threads") {
    std::vector<float> x;
    for (int i = 0; i < 20'000; ++i) {
        x.push_back(static_cast<float>(i % 600) / 100.0F);
    }
    const auto expected = drops(three_stages(), x, 0, 1);
    for (const std::size_t threads : {2U, 3U, 7U}) {
        CHECK(drops(three_stages(), x, 0, threads) == expected);
    }
}

TEST_CASE("margins stand in rows by stages") {
    const auto cascade = three_stages();
    const std::vector<float> x{1.0F, 2.5F, 3.5F, 4.5F};
    std::vector<float> margins(12);
    CHECK(
        shac::compute_margins(cascade, RowsView::row_major(x.data(), 4, 1), {margins.data(), 4, 3}, {2, {}}));
    CHECK(margins == std::vector<float>{1, 1, 1, 1, 1, -1, 1, -1, -1, -1, -1, -1});
}

TEST_CASE("forests and rows of another width are refused") {
    CHECK_THROWS_AS(Cascade(binned({stump(1, 0, 1.0F), stump(2, 0, 1.0F)}), 1), std::invalid_argument);
    CHECK_THROWS_AS(Cascade({nullptr}, 1), std::invalid_argument);
    const std::vector<float> x(4);
    std::vector<std::int32_t> out(2);
    CHECK_THROWS_AS(
        shac::compute_drops(three_stages(), RowsView::row_major(x.data(), 2, 2), 0, {out.data(), 2}, {1, {}}),
        std::invalid_argument);
}

TEST_CASE("a large cascade gets small blocks, so that a stop request is seen soon") {
    shac::testing::Model model;
    for (int tree = 0; tree < 100'000; ++tree) {
        model.add({shac::testing::leaf(0.0F)});
    }
    CHECK(Cascade(binned({model.forest(1)}), 1).block_size() < 512);
    CHECK(three_stages().block_size() == 1024);
}
