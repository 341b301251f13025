#include "tables/split_trees.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "prior/random.hpp"

namespace shac {

SplitTrees::Side SplitTrees::side_of(const Forest::Node& node, std::uint16_t& coarse) const {
    const auto& [edges, representatives, is_conditional] = bins_.columns()[node.feature()];
    const auto below = std::lower_bound(representatives.begin(), representatives.end(), node.value) -
                       representatives.begin();
    if (below == 0) {
        return Side::kRight;
    }
    if (static_cast<std::size_t>(below) == representatives.size()) {
        return Side::kLeft;
    }
    coarse = static_cast<std::uint16_t>(edges[static_cast<std::size_t>(below) - 1] >> kFineBits);
    return Side::kBoth;
}

void SplitTrees::collect_edges(std::size_t tree, ColumnEdges& edges) const {
    const auto add = [&edges](std::uint32_t column, std::uint16_t coarse) {
        auto& known = edges[column];
        const auto found = std::lower_bound(known.begin(), known.end(), coarse);
        if (found == known.end() || *found != coarse) {
            known.insert(found, coarse);
        }
    };
    std::vector<std::uint32_t> open{forest_.roots()[tree]};
    while (!open.empty()) {
        const Forest::Node& node = forest_.nodes()[open.back()];
        open.pop_back();
        if (node.is_leaf()) {
            continue;
        }
        const bool may_be_missing = bins_.columns()[node.feature()].is_conditional;
        std::uint16_t coarse = 0;
        const Side side = side_of(node, coarse);
        if (may_be_missing) {
            add(node.feature(), kCoarseUnknown);
        }
        if (side == Side::kBoth && !(may_be_missing && coarse >= kCoarseUnknown)) {
            add(node.feature(), coarse);
        }
        if (side != Side::kRight || (may_be_missing && node.default_left())) {
            open.push_back(node.left);
        }
        if (side != Side::kLeft || (may_be_missing && !node.default_left())) {
            open.push_back(node.left + 1);
        }
    }
}

double SplitTrees::largest_leaf_below(std::uint32_t index) const {
    double largest = -std::numeric_limits<double>::infinity();
    std::vector<std::uint32_t> open{index};
    while (!open.empty()) {
        const Forest::Node& node = forest_.nodes()[open.back()];
        open.pop_back();
        if (node.is_leaf()) {
            largest = std::max(largest, static_cast<double>(node.value));
        } else {
            open.push_back(node.left);
            open.push_back(node.left + 1);
        }
    }
    return largest;
}

SplitTrees::Question SplitTrees::question_of(const Forest::Node& node, const Known& known, bool& right,
                                             std::uint16_t& coarse) const {
    const Side side = side_of(node, coarse);
    const auto of_column = known.find(node.feature());
    right = side == Side::kRight;
    if (bins_.columns()[node.feature()].is_conditional) {
        const bool missing_right = !node.default_left();
        if (of_column != known.end() && of_column->second) {
            right = missing_right;
            return Question::kNone;
        }
        if (side == Side::kBoth && coarse >= kCoarseUnknown) {
            return Question::kTruncated;
        }
        const bool is_present = of_column != known.end();
        if (!is_present && missing_right != (side != Side::kLeft)) {
            return Question::kIsMissing;
        }
    }
    return side == Side::kBoth ? Question::kEdge : Question::kNone;
}

SplitTree SplitTrees::split(std::size_t tree, const ColumnEdges& edges,
                            const std::map<std::uint32_t, std::uint32_t>& slots) {
    SplitTree result;
    result.smallest = std::numeric_limits<double>::infinity();
    result.largest = -result.smallest;
    std::vector<Source> sources{{forest_.roots()[tree], 0, {}}};
    result.splits.emplace_back();
    for (std::size_t i = 0; i < sources.size(); ++i) {
        auto [source, depth, known] = std::move(sources[i]);
        std::uint16_t coarse = 0;
        bool right = false;
        Question question = Question::kNone;
        while (!forest_.nodes()[source].is_leaf() &&
               (question = question_of(forest_.nodes()[source], known, right, coarse)) == Question::kNone) {
            source = forest_.nodes()[source].left + (right ? 1U : 0U);
        }
        const Forest::Node& node = forest_.nodes()[source];
        if (node.is_leaf() || question == Question::kTruncated) {
            is_truncated_ = is_truncated_ || !node.is_leaf();
            result.splits[i].value = largest_leaf_below(source);
            result.smallest = std::min(result.smallest, result.splits[i].value);
            result.largest = std::max(result.largest, result.splits[i].value);
            result.depth = std::max(result.depth, depth);
            continue;
        }
        const bool asks_missing = question == Question::kIsMissing;
        const auto& of_column = edges.at(node.feature());
        const auto edge = static_cast<std::uint32_t>(
            std::lower_bound(of_column.begin(), of_column.end(), asks_missing ? kCoarseUnknown : coarse) -
            of_column.begin());
        const std::uint32_t slot = slots.at(node.feature());
        const auto left = static_cast<std::uint32_t>(result.splits.size());
        result.edges[slot].set(edge);
        result.splits[i] = {slot, edge, left, left + 1, 0.0};
        result.splits.resize(result.splits.size() + 2);
        Known on_left = known;
        Known on_right = std::move(known);
        if (bins_.columns()[node.feature()].is_conditional) {
            on_left[node.feature()] = false;
        }
        if (asks_missing) {
            on_right[node.feature()] = true;
        }
        sources.push_back({asks_missing ? source : node.left, depth + 1, std::move(on_left)});
        sources.push_back({asks_missing ? node.left + (node.default_left() ? 0U : 1U) : node.left + 1,
                           depth + 1, std::move(on_right)});
    }
    for (auto split = result.splits.rbegin(); split != result.splits.rend(); ++split) {  // children first
        if (!split->is_leaf()) {
            split->value = std::max(result.splits[split->left].value, result.splits[split->right].value);
        }
    }
    return result;
}

}  // namespace shac
