#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "trees.hpp"

using shac::testing::kInfinity;
using shac::testing::kNaN;
using shac::testing::leaf;
using shac::testing::margin;
using shac::testing::Model;

namespace {

// feature 0 < 0.5 ? (feature 1 < 1 ? 1 : 2) : (feature 1 < 3 ? 4 : 8), children out of breadth-first order
Model seven_nodes() {
    return Model().add({{4, 1, 0, 0.5F, true},
                        {2, 3, 1, 3.0F, false},
                        leaf(4.0F),
                        leaf(8.0F),
                        {6, 5, 1, 1.0F, true},
                        leaf(2.0F),
                        leaf(1.0F)});
}

void check_refused(const Model& model, const std::string& part_of_message, std::size_t num_features = 2) {
    std::string message;
    try {
        model.forest(num_features);
    } catch (const std::invalid_argument& error) {
        message = error.what();
    }
    CAPTURE(message);
    CHECK(message.find(part_of_message) != std::string::npos);
}

}  // namespace

TEST_CASE("a single leaf scores its leaf") {
    CHECK(margin(*Model().add({leaf(0.25F)}).forest(1), {7.0F}) == 0.25F);
}

TEST_CASE("a forest without trees scores its base") {
    CHECK(margin(*Model().forest(1), {7.0F}) == 0.0F);
    CHECK(margin(*Model().forest(1, 0.75F), {7.0F}) == -std::log(1.0F / 0.75F - 1.0F));
}

TEST_CASE("three nodes send a row left iff its value is strictly below the threshold") {
    const auto forest = Model().add({{1, 2, 1, 0.5F}, leaf(-1.0F), leaf(1.0F)}).forest(2);
    CHECK(margin(*forest, {9.0F, std::nextafter(0.5F, 0.0F)}) == -1.0F);
    CHECK(margin(*forest, {9.0F, 0.5F}) == 1.0F);
    CHECK(margin(*forest, {9.0F, -kInfinity}) == -1.0F);
    CHECK(margin(*forest, {9.0F, kInfinity}) == 1.0F);
}

TEST_CASE("seven nodes reach all four leaves") {
    const auto forest = seven_nodes().forest(2);
    CHECK(margin(*forest, {0.0F, 0.0F}) == 1.0F);
    CHECK(margin(*forest, {0.0F, 1.0F}) == 2.0F);
    CHECK(margin(*forest, {0.5F, 2.0F}) == 4.0F);
    CHECK(margin(*forest, {0.5F, 3.0F}) == 8.0F);
}

TEST_CASE("a missing value goes the default way of each node") {
    const auto forest = seven_nodes().forest(2);
    CHECK(margin(*forest, {kNaN, kNaN}) == 1.0F);
    CHECK(margin(*forest, {1.0F, kNaN}) == 8.0F);
}

TEST_CASE("leaves are added in tree order in float32") {
    const std::vector<float> leaves{1.0e8F, 3.0F, -1.0e8F, 0.1F};
    Model model;
    float expected = 0.0F;
    for (const float value : leaves) {
        model.add({leaf(value)});
        expected += value;
    }
    CHECK(margin(*model.forest(1), {0.0F}) == expected);
    CHECK(expected != 3.1F);  // the order matters here
}

TEST_CASE("nodes that no walk reaches are left out, whatever they hold") {
    const auto forest = Model().add({{1, 3, 0, 0.5F}, leaf(-1.0F), {99, 99, 99, kNaN}, leaf(1.0F)}).forest(1);
    CHECK(forest->num_nodes() == 3);
    CHECK(margin(*forest, {0.7F}) == 1.0F);
}

TEST_CASE("thresholds come ascending and once") {
    auto model = seven_nodes();
    model.add({{1, 2, 1, 1.0F}, leaf(0.0F), leaf(1.0F)});
    CHECK(model.forest(2)->thresholds(1) == std::vector<float>{1.0F, 3.0F});
    CHECK(model.forest(2)->thresholds(0) == std::vector<float>{0.5F});
    CHECK(model.forest(3)->thresholds(2).empty());
}

TEST_CASE("the longest walk adds the depths of the trees") {
    auto model = seven_nodes();
    model.add({leaf(1.0F)}).add({{1, 2, 0, 0.0F}, leaf(0.0F), leaf(1.0F)});
    CHECK(model.forest(2)->longest_walk() == 3 + 1 + 2);
}

TEST_CASE("broken models are refused with the place and the reason") {
    check_refused(Model().add({{1, 3, 0, 0.5F}, leaf(0.0F), leaf(0.0F)}),
                  "tree 0, node 0: right child 3 is not one of its 3 nodes");
    check_refused(Model().add({{1, -7, 0, 0.5F}, leaf(0.0F), leaf(0.0F)}), "right child -7");
    check_refused(Model().add({leaf(0.0F)}).add({{1, 0, 0, 0.5F}, leaf(0.0F)}),
                  "tree 1, node 0: right child 0 is reached twice");
    check_refused(Model().add({{1, 1, 0, 0.5F}, leaf(0.0F)}), "right child 1 is reached twice");
    check_refused(Model().add({{1, 2, 0, 0.5F}, {0, 2, 0, 0.5F}, leaf(0.0F)}), "reached twice");
    check_refused(Model().add({{1, 2, 2, 0.5F}, leaf(0.0F), leaf(0.0F)}),
                  "feature 2 is not below the width 2");
    check_refused(Model().add({{1, 2, -1, 0.5F}, leaf(0.0F), leaf(0.0F)}), "feature -1");
    check_refused(Model().add({{1, 2, 0, kNaN}, leaf(0.0F), leaf(0.0F)}), "threshold must be finite");
    check_refused(Model().add({{1, 2, 0, kInfinity}, leaf(0.0F), leaf(0.0F)}), "threshold must be finite");
    check_refused(Model().add({leaf(kNaN)}), "leaf value must be finite");
}

TEST_CASE("arrays that contradict each other are refused") {
    auto short_value = seven_nodes();
    short_value.value.pop_back();
    check_refused(short_value, "same length");
    auto wrong_end = seven_nodes();
    wrong_end.tree_begin.back() = 6;
    check_refused(wrong_end, "tree_begin");
    auto wrong_start = seven_nodes();
    wrong_start.tree_begin.front() = 1;
    check_refused(wrong_start, "tree_begin");
    auto empty_tree = seven_nodes();
    empty_tree.tree_begin = {0, 0, 7};
    check_refused(empty_tree, "tree 0 has no nodes");
    auto descending = seven_nodes();
    descending.tree_begin = {0, 9, 7};
    check_refused(descending, "tree 1 has no nodes");
    auto none = seven_nodes();
    none.tree_begin.clear();
    check_refused(none, "tree_begin");
}

TEST_CASE("a base score outside (0, 1) is refused") {
    for (const float score : {0.0F, 1.0F, -0.5F, kNaN, kInfinity}) {
        CHECK_THROWS_AS(Model().forest(1, score), std::invalid_argument);
    }
}
