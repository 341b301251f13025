// Which trees are summed up in one table: groups of trees over the same few columns, joined while it pays.
//
// Trees over the same columns are one group from the start. Then the two groups whose joining saves most, by
// the costs of support/costs.hpp, are joined, until none saves anything. A group is a small table, a large
// one, or its trees one by one, whichever costs least.
//
// Immutable; any number of threads may group. Memory and cost: the square of the groups, of which at most 400
// are joined; more stay as they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "tables/split_trees.hpp"

namespace shac {

/// Trees whose sum may become one table.
struct Group {
    std::vector<std::uint32_t> slots;  // ascending; empty where there are more than a table has dimensions
    std::vector<EdgeSet> edges;
    std::vector<const SplitTree*> trees;
    double cost = 0.0;
    bool is_table = false;
    bool is_small = false;
};

class TableGroups {
  public:
    /// `local_bins` holds the number of bins of each slot; a large table has at most `max_entries`.
    TableGroups(std::vector<std::size_t> local_bins, std::size_t max_entries)
        : local_bins_(std::move(local_bins)), max_entries_(max_entries) {}

    /// Groups of the trees, which must outlive them.
    std::vector<Group> grouped(const std::vector<SplitTree>& trees) const;

  private:
    static Group merged(const Group& a, const Group& b);
    void evaluate(Group& group) const;
    void merge_while_it_pays(std::vector<Group>& groups) const;

    std::vector<std::size_t> local_bins_;
    std::size_t max_entries_;
};

}  // namespace shac
