// A forest of binary decision trees with scalar leaves: one stage of the cascade, and the reference that
// every faster representation is measured against.
//
// Layout: the reachable nodes of all trees in one array, each tree in breadth-first order with siblings side
// by side. A node takes 12 bytes: threshold or leaf value, feature with the default direction in its lowest
// bit, and the index of the left child (0 for a leaf; no child can have index 0).
//
// The builder validates once (child indices, every node reached at most once, feature range, finite
// thresholds and leaves), so the walk has no checks. Immutable afterwards: any number of threads may read.
//
// Arithmetic: XGBoost's. A value goes left iff value < threshold in float32, NaN goes the default way, and
// the margin is the float32 sum of the base margin and the leaves in tree order.
//
// Cost of a margin: sum over trees of the depth of the reached leaf.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "support/array_view.hpp"

namespace shac {

/// Trees as XGBoost stores them, all trees one after the other. Node indices count from the start of their
/// tree; a node is a leaf iff its left child is negative. `value` is the threshold, or the leaf's score.
struct ForestArrays {
    ArrayView<const std::int64_t> tree_begin;  // first node of each tree, then the number of nodes
    ArrayView<const std::int32_t> left;
    ArrayView<const std::int32_t> right;
    ArrayView<const std::int32_t> feature;
    ArrayView<const float> value;
    ArrayView<const std::uint8_t> default_left;
};

/// Such arrays with their memory.
struct OwnedForestArrays {
    std::vector<std::int64_t> tree_begin;
    std::vector<std::int32_t> left;
    std::vector<std::int32_t> right;
    std::vector<std::int32_t> feature;
    std::vector<float> value;
    std::vector<std::uint8_t> default_left;
};

/// Candidates as columns: value of feature f of row i stands at columns[f * stride + i].
struct ColumnBlock {
    const float* columns;
    std::size_t stride;
    std::size_t size;
};

class Forest {
  public:
    struct Node {
        float value;
        std::uint32_t feature_and_default;  // feature * 2 + default_left
        std::uint32_t left;                 // right child: left + 1; 0 marks a leaf

        bool is_leaf() const { return left == 0; }
        std::uint32_t feature() const { return feature_and_default >> 1; }
        bool default_left() const { return (feature_and_default & 1U) != 0; }
    };

    /// Validates and copies. Throws std::invalid_argument naming the tree, the node and what is wrong with
    /// it.
    Forest(const ForestArrays& arrays, float base_score, std::size_t num_features);

    std::size_t num_features() const { return num_features_; }
    std::size_t num_trees() const { return roots_.size(); }
    std::size_t num_nodes() const { return nodes_.size(); }
    float base() const { return base_; }
    float base_score() const { return base_score_; }
    const std::vector<Node>& nodes() const { return nodes_; }
    const std::vector<std::uint32_t>& roots() const { return roots_; }

    /// Sum over trees of their depth: the most nodes a margin can visit.
    std::size_t longest_walk() const { return longest_walk_; }

    /// Arrays that make an equal forest, with the same base score and number of features.
    OwnedForestArrays arrays() const;

    /// Distinct thresholds of a feature, ascending.
    std::vector<float> thresholds(std::size_t feature) const;

    /// Margins of the rows of `block` that `rows` lists, into `margins` (one for each of `rows`).
    void margins(const ColumnBlock& block, ArrayView<const std::uint32_t> rows, float* margins) const;

    /// Adds the leaves of trees [first, first + count) to the sums of the listed rows.
    void add_leaves(std::size_t first, std::size_t count, const ColumnBlock& block,
                    ArrayView<const std::uint32_t> rows, float* sums) const;

  private:
    void add_tree(const ForestArrays& arrays, std::size_t tree);

    std::size_t num_features_;
    std::size_t longest_walk_ = 0;
    float base_score_;
    float base_;
    std::vector<Node> nodes_;
    std::vector<std::uint32_t> roots_;
};

}  // namespace shac
