// Hand-built trees for the tests: nodes listed as XGBoost stores them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "model/forest.hpp"
#include "tables/binned_forest.hpp"

namespace shac::testing {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

struct TreeNode {
    std::int32_t left;
    std::int32_t right;
    std::int32_t feature;
    float value;
    bool default_left = false;
};

inline TreeNode leaf(float value) {
    return {-1, -1, 0, value};
}

/// The fields of a model; tests break them one at a time.
struct Model {
    std::vector<std::int64_t> tree_begin{0};
    std::vector<std::int32_t> left, right, feature;
    std::vector<float> value;
    std::vector<std::uint8_t> default_left;

    Model& add(const std::vector<TreeNode>& tree) {
        for (const TreeNode& node : tree) {
            left.push_back(node.left);
            right.push_back(node.right);
            feature.push_back(node.feature);
            value.push_back(node.value);
            default_left.push_back(node.default_left ? 1 : 0);
        }
        tree_begin.push_back(static_cast<std::int64_t>(left.size()));
        return *this;
    }

    std::shared_ptr<const Forest> forest(std::size_t num_features, float base_score = 0.5F) const {
        const ForestArrays arrays{
            {tree_begin.data(), tree_begin.size()}, {left.data(), left.size()},
            {right.data(), right.size()},           {feature.data(), feature.size()},
            {value.data(), value.size()},           {default_left.data(), default_left.size()}};
        return std::make_shared<const Forest>(arrays, base_score, num_features);
    }
};

/// A stage that accepts rows whose `feature` is below (or not below) a threshold.
inline std::shared_ptr<const Forest> stump(std::size_t num_features, std::int32_t feature, float threshold,
                                           bool accept_below = true) {
    const float sign = accept_below ? 1.0F : -1.0F;
    return Model().add({{1, 2, feature, threshold}, leaf(sign), leaf(-sign)}).forest(num_features);
}

inline std::vector<std::shared_ptr<const BinnedForest>> binned(
    const std::vector<std::shared_ptr<const Forest>>& forests) {
    std::vector<std::shared_ptr<const BinnedForest>> result;
    for (const auto& forest : forests) {
        result.push_back(std::make_shared<const BinnedForest>(forest));
    }
    return result;
}

/// Margin of one row.
inline float margin(const Forest& forest, const std::vector<float>& row) {
    const std::uint32_t first = 0;
    float result = 0.0F;
    forest.margins({row.data(), 1, 1}, {&first, 1}, &result);
    return result;
}

}  // namespace shac::testing
