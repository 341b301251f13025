// Random forests for the tests, over columns whose values are uniforms in [0, 1].
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "prior/space.hpp"
#include "trees.hpp"

namespace shac::testing {

/// Thresholds in [0, 1] are uniforms.
inline Space bins_of(const Forest& forest, const Conditions& conditions = {}) {
    std::vector<Column> columns;
    for (std::size_t f = 0; f < forest.num_features(); ++f) {
        Column column;
        column.representatives.push_back(-1.0F);
        for (const float threshold : forest.thresholds(f)) {
            column.edges.push_back(static_cast<std::uint64_t>(static_cast<double>(threshold) *
                                                              static_cast<double>(kUniformRange)));
            column.representatives.push_back(threshold);
        }
        column.is_conditional = conditions.is_conditional(f);
        columns.push_back(column);
    }
    return Space(columns);
}

struct Shape {
    std::uint32_t columns;
    std::uint32_t depth;
    std::uint32_t trees;
    std::uint32_t thresholds;  // to choose from for each column
    float leaf = 1.0F;
};

class RandomForest {
  public:
    explicit RandomForest(Shape shape, std::uint32_t seed) : shape_(shape), generator_(seed) {}

    std::shared_ptr<const Forest> grow() {
        Model model;
        for (std::uint32_t t = 0; t < shape_.trees; ++t) {
            nodes_.clear();
            grow_below(0);
            model.add(nodes_);
        }
        return model.forest(shape_.columns);
    }

  private:
    std::int32_t grow_below(std::uint32_t depth) {
        const auto index = static_cast<std::int32_t>(nodes_.size());
        nodes_.push_back(leaf(shape_.leaf * (static_cast<float>(generator_() % 2001) / 1000.0F - 1.0F)));
        if (depth < shape_.depth && (depth == 0 || generator_() % 8 != 0)) {
            TreeNode node{0, 0, static_cast<std::int32_t>(generator_() % shape_.columns),
                          static_cast<float>(1 + generator_() % shape_.thresholds) /
                              static_cast<float>(shape_.thresholds + 1)};
            node.default_left = generator_() % 2 == 0;
            node.left = grow_below(depth + 1);
            node.right = grow_below(depth + 1);
            nodes_[static_cast<std::size_t>(index)] = node;
        }
        return index;
    }

    Shape shape_;
    std::mt19937 generator_;
    std::vector<TreeNode> nodes_;
};

}  // namespace shac::testing
