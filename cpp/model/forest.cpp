#include "model/forest.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "model/decision.hpp"

namespace shac {
namespace {

[[noreturn]] void fail(const std::string& what) {
    throw std::invalid_argument("forest: " + what);
}

std::string at(std::size_t tree, std::int64_t node) {
    return "tree " + std::to_string(tree) + ", node " + std::to_string(node) + ": ";
}

void check_shape(const ForestArrays& arrays, std::size_t num_features) {
    const std::size_t nodes = arrays.left.size;
    if (arrays.right.size != nodes || arrays.feature.size != nodes || arrays.value.size != nodes ||
        arrays.default_left.size != nodes) {
        fail("left, right, feature, value and default_left must have the same length, got " +
             std::to_string(nodes) + ", " + std::to_string(arrays.right.size) + ", " +
             std::to_string(arrays.feature.size) + ", " + std::to_string(arrays.value.size) + " and " +
             std::to_string(arrays.default_left.size));
    }
    if (nodes >= std::numeric_limits<std::uint32_t>::max() / 2) {
        fail("expected fewer than 2^31 nodes, got " + std::to_string(nodes));
    }
    if (num_features >= std::numeric_limits<std::uint32_t>::max() / 2) {
        fail("expected fewer than 2^31 features, got " + std::to_string(num_features));
    }
    const auto& begin = arrays.tree_begin;
    if (begin.size == 0 || begin[0] != 0 || begin[begin.size - 1] != static_cast<std::int64_t>(nodes)) {
        fail("tree_begin must start at 0 and end at the number of nodes, " + std::to_string(nodes));
    }
    for (std::size_t tree = 0; tree + 1 < begin.size; ++tree) {
        if (begin[tree + 1] <= begin[tree]) {
            fail("tree " + std::to_string(tree) + " has no nodes");
        }
    }
}

}  // namespace

Forest::Forest(const ForestArrays& arrays, float base_score, std::size_t num_features)
    : num_features_(num_features), base_score_(base_score), base_(base_margin(base_score)) {
    check_shape(arrays, num_features);
    nodes_.reserve(arrays.left.size);
    roots_.reserve(arrays.tree_begin.size - 1);
    for (std::size_t tree = 0; tree + 1 < arrays.tree_begin.size; ++tree) {
        add_tree(arrays, tree);
    }
}

void Forest::add_tree(const ForestArrays& arrays, std::size_t tree) {
    const auto begin = static_cast<std::size_t>(arrays.tree_begin[tree]);
    const auto size =
        static_cast<std::int64_t>(arrays.tree_begin[tree + 1]) - static_cast<std::int64_t>(begin);
    const auto root = static_cast<std::uint32_t>(nodes_.size());

    // source[i]: the node of the input that becomes node root + i. Each node enters once, so the walk ends
    // and a cycle or a shared child shows as a second visit.
    std::vector<std::int64_t> source{0};
    std::vector<bool> reached(static_cast<std::size_t>(size), false);
    reached[0] = true;
    auto enter = [&](std::int64_t parent, std::int64_t child, const char* side) {
        if (child < 0 || child >= size) {
            fail(at(tree, parent) + side + " child " + std::to_string(child) + " is not one of its " +
                 std::to_string(size) + " nodes");
        }
        if (reached[static_cast<std::size_t>(child)]) {
            fail(at(tree, parent) + side + " child " + std::to_string(child) + " is reached twice");
        }
        reached[static_cast<std::size_t>(child)] = true;
        source.push_back(child);
    };

    std::size_t depth = 0;
    std::size_t level_end = 1;
    for (std::size_t i = 0; i < source.size(); ++i) {
        if (i == level_end) {
            ++depth;
            level_end = source.size();
        }
        const std::int64_t node = source[i];
        const std::size_t from = begin + static_cast<std::size_t>(node);
        const float value = arrays.value[from];
        const bool leaf = arrays.left[from] < 0;
        if (!std::isfinite(value)) {
            fail(at(tree, node) + (leaf ? "leaf value" : "threshold") + " must be finite, got " +
                 std::to_string(value));
        }
        if (leaf) {
            nodes_.push_back({value, 0, 0});
            continue;
        }
        const std::int32_t feature = arrays.feature[from];
        if (feature < 0 || static_cast<std::size_t>(feature) >= num_features_) {
            fail(at(tree, node) + "feature " + std::to_string(feature) + " is not below the width " +
                 std::to_string(num_features_));
        }
        const auto left = root + static_cast<std::uint32_t>(source.size());
        enter(node, arrays.left[from], "left");
        enter(node, arrays.right[from], "right");
        const std::uint32_t default_left = arrays.default_left[from] != 0 ? 1U : 0U;
        nodes_.push_back({value, static_cast<std::uint32_t>(feature) * 2U + default_left, left});
    }
    roots_.push_back(root);
    longest_walk_ += depth + 1;
}

OwnedForestArrays Forest::arrays() const {
    OwnedForestArrays result;
    result.tree_begin.assign(roots_.begin(), roots_.end());
    result.tree_begin.push_back(static_cast<std::int64_t>(nodes_.size()));
    result.left.assign(nodes_.size(), -1);
    result.right.assign(nodes_.size(), -1);
    result.feature.assign(nodes_.size(), 0);
    result.value.resize(nodes_.size());
    result.default_left.assign(nodes_.size(), 0);
    for (std::size_t tree = 0; tree < roots_.size(); ++tree) {
        const std::uint32_t root = roots_[tree];
        for (std::size_t i = root; i < static_cast<std::size_t>(result.tree_begin[tree + 1]); ++i) {
            const Node& node = nodes_[i];
            result.value[i] = node.value;
            if (!node.is_leaf()) {
                result.left[i] = static_cast<std::int32_t>(node.left - root);
                result.right[i] = result.left[i] + 1;
                result.feature[i] = static_cast<std::int32_t>(node.feature());
                result.default_left[i] = node.default_left() ? 1 : 0;
            }
        }
    }
    return result;
}

std::vector<float> Forest::thresholds(std::size_t feature) const {
    std::vector<float> result;
    for (const Node& node : nodes_) {
        if (!node.is_leaf() && node.feature() == feature) {
            result.push_back(node.value);
        }
    }
    std::sort(result.begin(), result.end());
    result.erase(std::unique(result.begin(), result.end()), result.end());
    return result;
}

void Forest::margins(const ColumnBlock& block, ArrayView<const std::uint32_t> rows, float* margins) const {
    std::fill(margins, margins + rows.size, base_);
    add_leaves(0, num_trees(), block, rows, margins);
}

void Forest::add_leaves(std::size_t first, std::size_t count, const ColumnBlock& block,
                        ArrayView<const std::uint32_t> rows, float* sums) const {
    const Node* const nodes = nodes_.data();
    // Tree by tree, so that a tree stays in the first-level cache for all rows; each row still adds its
    // leaves in tree order.
    for (std::size_t tree = first; tree < first + count; ++tree) {
        const std::uint32_t root = roots_[tree];
        if (nodes[root].is_leaf()) {
            for (std::size_t k = 0; k < rows.size; ++k) {
                sums[k] += nodes[root].value;
            }
            continue;
        }
        for (std::size_t k = 0; k < rows.size; ++k) {
            const float* const row = block.columns + rows[k];
            std::uint32_t i = root;
            while (!nodes[i].is_leaf()) {
                const Node& node = nodes[i];
                const float x = row[node.feature() * block.stride];
                const bool goes_left = x < node.value || (std::isnan(x) && node.default_left());
                i = node.left + (goes_left ? 0U : 1U);
            }
            sums[k] += nodes[i].value;
        }
    }
}

}  // namespace shac
