#include "tables/table_groups.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <map>
#include <utility>

#include "kernels/kernels.hpp"
#include "support/costs.hpp"

namespace shac {
namespace {

double tree_cost(const SplitTree& tree) {
    const auto depth = std::min<std::uint32_t>(tree.depth, kMaxTreeDepth);
    const auto leaves = std::min<std::size_t>(tree.splits.size() / 2, std::size_t{1} << depth);
    return costs::tree(leaves, depth);
}

}  // namespace

std::vector<Group> TableGroups::grouped(const std::vector<SplitTree>& trees) const {
    std::map<std::vector<std::uint32_t>, Group> by_slots;
    std::vector<Group> result;
    for (const SplitTree& tree : trees) {
        Group single;
        for (const auto& [slot, edges] : tree.edges) {
            single.slots.push_back(slot);
            single.edges.push_back(edges);
        }
        single.trees.push_back(&tree);
        if (single.slots.size() > kMaxDims) {
            single.cost = tree_cost(tree);
            result.push_back(std::move(single));
            continue;
        }
        Group& known = by_slots[single.slots];
        known = known.trees.empty() ? single : merged(known, single);
        evaluate(known);
    }
    std::vector<Group> tables;
    tables.reserve(by_slots.size());
    for (auto& entry : by_slots) {
        tables.push_back(std::move(entry.second));
    }
    if (tables.size() <= costs::kMaxTableGroups) {
        merge_while_it_pays(tables);
    }
    std::move(tables.begin(), tables.end(), std::back_inserter(result));
    return result;
}

Group TableGroups::merged(const Group& a, const Group& b) {
    Group result;
    std::size_t i = 0;
    std::size_t j = 0;
    while (i < a.slots.size() || j < b.slots.size()) {
        const bool take_a = j == b.slots.size() || (i < a.slots.size() && a.slots[i] <= b.slots[j]);
        const bool take_b = i == a.slots.size() || (j < b.slots.size() && b.slots[j] <= a.slots[i]);
        result.slots.push_back(take_a ? a.slots[i] : b.slots[j]);
        result.edges.push_back((take_a ? a.edges[i] : EdgeSet()) | (take_b ? b.edges[j] : EdgeSet()));
        i += take_a ? 1 : 0;
        j += take_b ? 1 : 0;
    }
    result.trees = a.trees;
    result.trees.insert(result.trees.end(), b.trees.begin(), b.trees.end());
    return result;
}

/// Cost of the group as a table or as trees, whichever is less.
void TableGroups::evaluate(Group& group) const {
    double as_trees = 0.0;
    for (const SplitTree* const tree : group.trees) {
        as_trees += tree_cost(*tree);
    }
    group.cost = as_trees;
    group.is_table = group.is_small = false;
    if (group.slots.size() > kMaxDims) {
        group.cost = std::numeric_limits<double>::infinity();
        return;
    }
    std::size_t most = 0;  // bins of a column
    std::size_t size = 1;
    std::size_t local_size = 1;
    for (std::size_t d = 0; d < group.slots.size(); ++d) {
        const std::size_t bins = local_bins_[group.slots[d]];
        most = std::max(most, bins);
        local_size *= bins;
        size *= group.edges[d].count() + 1;
    }
    const std::size_t small_size = group.slots.size() == 1 ? local_size : size;
    if (small_size <= kMaxSmallTable && group.slots.size() <= 3) {
        const double cost = costs::small_table(group.slots.size(), most, small_size);
        if (cost < group.cost) {
            group.cost = cost;
            group.is_table = group.is_small = true;
        }
    }
    if (local_size <= max_entries_) {
        const double cost = costs::large_table(group.slots.size(), local_size);
        if (cost < group.cost) {
            group.cost = cost;
            group.is_table = true;
            group.is_small = false;
        }
    }
}

void TableGroups::merge_while_it_pays(std::vector<Group>& groups) const {
    // gains[i][j], j < i, of joining groups i and j.
    std::vector<std::vector<double>> gains(groups.size());
    const auto gain_of = [&](std::size_t i, std::size_t j) {
        Group both = merged(groups[i], groups[j]);
        if (both.slots.size() > kMaxDims) {
            return 0.0;
        }
        evaluate(both);
        return both.is_table ? groups[i].cost + groups[j].cost - both.cost : 0.0;
    };
    for (std::size_t i = 0; i < groups.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
            gains[i].push_back(gain_of(i, j));
        }
    }
    for (;;) {
        double best = 0.0;
        std::pair<std::size_t, std::size_t> pair;
        for (std::size_t i = 0; i < groups.size(); ++i) {
            for (std::size_t j = 0; j < i; ++j) {
                if (gains[i][j] > best) {
                    best = gains[i][j];
                    pair = {i, j};
                }
            }
        }
        if (best <= 0.0) {
            return;
        }
        const auto [i, j] = pair;
        groups[j] = merged(groups[i], groups[j]);
        evaluate(groups[j]);
        groups.erase(groups.begin() + static_cast<std::ptrdiff_t>(i));
        gains.erase(gains.begin() + static_cast<std::ptrdiff_t>(i));
        for (std::size_t k = i; k < groups.size(); ++k) {
            gains[k].erase(gains[k].begin() + static_cast<std::ptrdiff_t>(i));
        }
        for (std::size_t k = 0; k < groups.size(); ++k) {
            if (k != j) {
                gains[std::max(j, k)][std::min(j, k)] = gain_of(std::max(j, k), std::min(j, k));
            }
        }
    }
}

}  // namespace shac
