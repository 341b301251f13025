#include "tables.hpp"

#include <algorithm>
#include <bitset>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>

#include "bits.hpp"
#include "decision.hpp"
#include "random.hpp"

namespace shac {
namespace {

constexpr double kRoundoff = 0x1p-24;  // of one float32 addition, relative to its result
constexpr double kLargestSum = 32000.0;
constexpr std::size_t kMostTrees = 8000;       // their roundings must leave room below kLargestSum
constexpr std::size_t kMostTableGroups = 400;  // that are tried in pairs
constexpr std::size_t kTreesBetweenExits = 16;

using EdgeSet = std::bitset<kMaxEdges>;

/// A split on a coarse edge of its segment; leaves have no children.
struct Split {
    std::uint32_t slot = 0;
    std::uint32_t edge = 0;  // right iff bin > edge
    std::uint32_t left = 0;
    std::uint32_t right = 0;
    double value = 0.0;

    bool is_leaf() const { return left == 0; }
};

/// A tree without the splits that the prior never divides at.
struct SplitTree {
    std::vector<Split> splits;  // the root first
    std::map<std::uint32_t, EdgeSet> edges;
    double smallest = 0.0;
    double largest = 0.0;
    std::uint32_t depth = 0;
};

/// Trees whose sum may become one table.
struct Group {
    std::vector<std::uint32_t> slots;  // ascending; empty where there are more than a table has dimensions
    std::vector<EdgeSet> edges;
    std::vector<const SplitTree*> trees;
    double cost = 0.0;
    bool is_table = false;
    bool is_small = false;
};

/// Vectors of 64 bytes that a lookup reads, and what joining them costs.
double lookup_cost(std::size_t size) {
    return size <= 64 ? 1.0 : (size <= 128 ? 2.0 : 5.0);
}

/// Work of a kernel for 64 rows, in instructions of 64 bytes; only the ratios matter.
double small_table_cost(const std::vector<std::size_t>& local_bins, std::size_t size) {
    double cost = 2.0 * lookup_cost(size) + 6.0;
    if (local_bins.size() > 1) {
        const std::size_t most = *std::max_element(local_bins.begin(), local_bins.end());
        cost += static_cast<double>(local_bins.size()) * (lookup_cost(most) + 2.0);
    }
    return cost;
}

double large_table_cost(std::size_t dims, std::size_t size) {
    const double misses = size <= 8192 ? 1.0 : (size <= 32768 ? 1.4 : 2.0);
    return static_cast<double>(kLane) * 2.2 * misses + 12.0 * static_cast<double>(dims);
}

double tree_cost(const SplitTree& tree) {
    const auto depth = std::min<std::uint32_t>(tree.depth, kMaxTreeDepth);
    const auto leaves = std::min<std::size_t>(tree.splits.size() / 2, std::size_t{1} << depth);
    return 2.8 * static_cast<double>(leaves) + std::ldexp(0.15, static_cast<int>(depth)) + 3.0 * depth + 10.0;
}

double search_cost(const EdgeSearch& edges) {
    return 8.0 * edges.levels + (edges.levels > 6 ? 16.0 : 6.0);
}

}  // namespace

class Tables::Compiler {
  public:
    Compiler(Tables& tables, const Forest& forest, const Space& bins, std::size_t max_table_bytes)
        : tables_(tables),
          forest_(forest),
          bins_(bins),
          max_entries_(max_table_bytes / sizeof(std::int16_t)) {}

    void compile() {
        if (forest_.num_trees() > kMostTrees) {
            return;  // proves nothing: the exact forest decides alone
        }
        choose_scale();
        std::size_t begin = 0;
        while (begin < forest_.num_trees()) {
            begin = add_segment(begin);
        }
        set_first_sum();
        std::int32_t later = 0;
        for (auto segment = tables_.segments_.rbegin(); segment != tables_.segments_.rend(); ++segment) {
            segment->largest_later_segments = later;
            later += finish(*segment);
        }
        for (const Segment& segment : tables_.segments_) {
            for (const BinnedColumn& column : segment.columns) {
                tables_.columns_.push_back(column.column);
            }
        }
        std::sort(tables_.columns_.begin(), tables_.columns_.end());
        tables_.columns_.erase(std::unique(tables_.columns_.begin(), tables_.columns_.end()),
                               tables_.columns_.end());
    }

  private:
    struct Place {
        std::uint32_t slot;
        std::uint32_t edge;
    };
    using ColumnEdges = std::map<std::uint32_t, std::vector<std::uint16_t>>;

    /// Largest absolute leaf of each tree, and the power of two that its entries are scaled by.
    void choose_scale() {
        double sum = std::abs(static_cast<double>(forest_.base()));
        std::size_t tree = 0;
        double largest = 0.0;
        for (std::size_t i = 0; i < forest_.num_nodes(); ++i) {
            if (tree + 1 < forest_.num_trees() && i == forest_.roots()[tree + 1]) {
                sum += largest;
                largest = 0.0;
                ++tree;
            }
            const Forest::Node& node = forest_.nodes()[i];
            if (node.is_leaf()) {
                largest = std::max(largest, std::abs(static_cast<double>(node.value)));
            }
        }
        sum += largest;
        const auto n = static_cast<double>(forest_.num_trees());
        const double threshold = decision_threshold();
        rounding_ = n * kRoundoff / (1.0 - n * kRoundoff) * sum + 1e-9 * (sum + threshold);
        const double room = kLargestSum - 2.0 * n - 2.0;
        const double range = sum + threshold + rounding_;  // of the first sum and all leaves
        scale_ = std::ldexp(1.0, static_cast<int>(std::floor(std::log2(room / std::max(range, 1e-30)))));
    }

    void set_first_sum() {
        // Rejected iff base + constants + entries + rounding < threshold; see the head of tables.hpp.
        const double missing = static_cast<double>(decision_threshold()) - rounding_ -
                               static_cast<double>(forest_.base()) - constants_;
        tables_.first_sum_ = static_cast<std::int16_t>(-std::ceil(missing * scale_));
        // Accepted if base + constants + what the entries stand for - rounding >= threshold.
        std::size_t entries = 0;
        for (const Segment& segment : tables_.segments_) {
            entries += segment.small_tables.size() + segment.large_tables.size() + segment.trees.size();
        }
        if (!cut_) {
            tables_.accept_limit_ = static_cast<std::int32_t>(entries) +
                                    static_cast<std::int32_t>(std::ceil(2.0 * rounding_ * scale_)) + 1;
        }
    }

    std::int16_t entry(double value) const { return static_cast<std::int16_t>(std::ceil(value * scale_)); }

    /// Whether uniforms divide at the node, and at which coarse edge.
    enum class Side { kLeft, kRight, kBoth };
    Side side_of(const Forest::Node& node, std::uint16_t& coarse) const {
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

    /// Takes trees from `begin` on while their columns have few enough edges; returns the first one left.
    std::size_t add_segment(std::size_t begin) {
        ColumnEdges edges;
        std::size_t end = begin;
        for (; end < forest_.num_trees(); ++end) {
            ColumnEdges with = edges;
            collect_edges(end, with);
            const bool fits = std::all_of(with.begin(), with.end(), [](const auto& column) {
                return column.second.size() <= kMaxEdges;
            });
            if (!fits && end > begin) {
                break;
            }
            if (!fits) {  // one tree alone has too many
                cut_ = true;
                constants_ += largest_leaf(end);
                return end + 1;
            }
            edges = std::move(with);
        }
        tables_.segments_.emplace_back();
        Segment& segment = tables_.segments_.back();
        std::map<std::uint32_t, std::uint32_t> slots;
        for (const auto& [column, coarse] : edges) {
            slots[column] = static_cast<std::uint32_t>(segment.columns.size());
            segment.columns.push_back({column, EdgeSearch(coarse), static_cast<std::uint32_t>(coarse.size()),
                                       bins_.columns()[column].is_conditional});
            tables_.cost_ += search_cost(segment.columns.back().edges);
        }
        local_bins_.clear();
        for (const auto& column : edges) {
            local_bins_.push_back(column.second.size() + 1);
        }
        std::vector<SplitTree> trees;
        trees.reserve(end - begin);
        for (std::size_t tree = begin; tree < end; ++tree) {
            trees.push_back(split_tree(tree, edges, slots));
            if (trees.back().splits[0].is_leaf()) {
                constants_ += trees.back().splits[0].value;
                trees.pop_back();
            }
        }
        for (const Group& group : grouped(trees)) {
            add_group(segment, group);
        }
        if (segment.columns.empty()) {
            tables_.segments_.pop_back();
        }
        return end;
    }

    void collect_edges(std::size_t tree, ColumnEdges& edges) const {
        const auto add = [&edges](std::uint32_t column, std::uint16_t coarse) {
            auto& known = edges[column];
            const auto place = std::lower_bound(known.begin(), known.end(), coarse);
            if (place == known.end() || *place != coarse) {
                known.insert(place, coarse);
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

    double largest_leaf_below(std::uint32_t index) const {
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

    double largest_leaf(std::size_t tree) const {
        const std::size_t end =
            tree + 1 < forest_.num_trees() ? forest_.roots()[tree + 1] : forest_.num_nodes();
        double largest = -std::numeric_limits<double>::infinity();
        for (std::size_t i = forest_.roots()[tree]; i < end; ++i) {
            if (forest_.nodes()[i].is_leaf()) {
                largest = std::max(largest, static_cast<double>(forest_.nodes()[i].value));
            }
        }
        return largest;
    }

    /// What is known, on the way to a node, of the conditional columns that were asked about.
    using Known = std::map<std::uint32_t, bool>;  // column -> is missing

    struct Source {
        std::uint32_t node;
        std::uint32_t depth;
        Known known;
    };

    /// What a node asks first: nothing when all go to one child, where a uniform divides, or whether the
    /// column is missing.
    enum class Question { kNone, kEdge, kIsMissing, kTooLate };
    Question question_of(const Forest::Node& node, const Known& known, bool& right,
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
                return Question::kTooLate;
            }
            const bool is_present = of_column != known.end();
            if (!is_present && missing_right != (side != Side::kLeft)) {
                return Question::kIsMissing;
            }
        }
        return side == Side::kBoth ? Question::kEdge : Question::kNone;
    }

    SplitTree split_tree(std::size_t tree, const ColumnEdges& edges,
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
                   (question = question_of(forest_.nodes()[source], known, right, coarse)) ==
                       Question::kNone) {
                source = forest_.nodes()[source].left + (right ? 1U : 0U);
            }
            const Forest::Node& node = forest_.nodes()[source];
            if (node.is_leaf() || question == Question::kTooLate) {
                cut_ = cut_ || !node.is_leaf();
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
        return result;
    }

    std::vector<Group> grouped(const std::vector<SplitTree>& trees) const {
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
        if (tables.size() <= kMostTableGroups) {
            merge_while_it_pays(tables);
        }
        std::move(tables.begin(), tables.end(), std::back_inserter(result));
        return result;
    }

    static Group merged(const Group& a, const Group& b) {
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
    void evaluate(Group& group) const {
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
        std::vector<std::size_t> local;
        std::size_t size = 1;
        std::size_t local_size = 1;
        for (std::size_t d = 0; d < group.slots.size(); ++d) {
            local.push_back(local_bins_[group.slots[d]]);
            local_size *= local.back();
            size *= group.edges[d].count() + 1;
        }
        const std::size_t small_size = group.slots.size() == 1 ? local_size : size;
        if (small_size <= kMaxSmallTable && group.slots.size() <= 3) {
            const double cost = small_table_cost(local, small_size);
            if (cost < group.cost) {
                group.cost = cost;
                group.is_table = group.is_small = true;
            }
        }
        if (local_size <= max_entries_) {
            const double cost = large_table_cost(group.slots.size(), local_size);
            if (cost < group.cost) {
                group.cost = cost;
                group.is_table = true;
                group.is_small = false;
            }
        }
    }

    void merge_while_it_pays(std::vector<Group>& groups) const {
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

    void add_group(Segment& segment, const Group& group) {
        tables_.cost_ += group.cost;
        if (!group.is_table) {
            for (const SplitTree* const tree : group.trees) {
                segment.trees.push_back(tree_table(*tree));
            }
        } else if (group.is_small) {
            segment.small_tables.push_back(small_table(group));
        } else {
            segment.large_tables.push_back(large_table(group));
        }
    }

    TreeTable tree_table(const SplitTree& tree) {
        TreeTable result;
        result.depth = std::min<std::uint32_t>(tree.depth, kMaxTreeDepth);
        struct Visit {
            std::uint32_t split;
            std::uint32_t position;
            std::uint32_t level;
        };
        std::vector<Visit> open{{0, 1, 0}};
        while (!open.empty()) {
            const auto [index, position, level] = open.back();
            open.pop_back();
            const Split& split = tree.splits[index];
            if (level == result.depth || split.is_leaf()) {
                cut_ = cut_ || !split.is_leaf();
                const std::uint32_t below = result.depth - level;
                const auto first = (std::size_t{position} << below) - (std::size_t{1} << result.depth);
                std::fill_n(result.leaves.begin() + static_cast<std::ptrdiff_t>(first),
                            std::size_t{1} << below, entry(largest_below(tree, index)));
                continue;
            }
            result.nodes.push_back(
                {split.slot, static_cast<std::uint8_t>(split.edge), static_cast<std::uint8_t>(position)});
            open.push_back({split.left, 2 * position, level + 1});
            open.push_back({split.right, 2 * position + 1, level + 1});
        }
        return result;
    }

    static double largest_below(const SplitTree& tree, std::uint32_t index) {
        const Split& split = tree.splits[index];
        return split.is_leaf() ? split.value
                               : std::max(largest_below(tree, split.left), largest_below(tree, split.right));
    }

    /// The sums of a group's trees over the cells of its dimensions. `cells[d][b]` is the place along
    /// dimension d of the cells of local bin b, and `sizes[d]` the number of places.
    std::vector<double> fill(const Group& group, const std::vector<std::vector<std::uint32_t>>& cells,
                             const std::vector<std::size_t>& sizes) const {
        const std::size_t dims = group.slots.size();
        std::size_t size = 1;
        for (const std::size_t places : sizes) {
            size *= places;
        }
        std::vector<double> sums(size, 0.0);
        std::vector<std::pair<std::uint32_t, std::uint32_t>> box(dims);  // places [first, second)
        for (std::size_t d = 0; d < dims; ++d) {
            box[d] = {0, static_cast<std::uint32_t>(sizes[d])};
        }
        for (const SplitTree* const tree : group.trees) {
            fill_below(*tree, 0, group, cells, sizes, box, sums);
        }
        return sums;
    }

    void fill_below(const SplitTree& tree, std::uint32_t index, const Group& group,
                    const std::vector<std::vector<std::uint32_t>>& cells,
                    const std::vector<std::size_t>& sizes,
                    std::vector<std::pair<std::uint32_t, std::uint32_t>>& box,
                    std::vector<double>& sums) const {
        const Split& split = tree.splits[index];
        if (split.is_leaf()) {
            add_to_box(split.value, 0, 0, sizes, box, sums);
            return;
        }
        const auto d = static_cast<std::size_t>(
            std::lower_bound(group.slots.begin(), group.slots.end(), split.slot) - group.slots.begin());
        const auto whole = box[d];
        const std::uint32_t first_right = cells[d][split.edge + 1];
        box[d] = {whole.first, std::min(whole.second, first_right)};
        if (box[d].first < box[d].second) {
            fill_below(tree, split.left, group, cells, sizes, box, sums);
        }
        box[d] = {std::max(whole.first, first_right), whole.second};
        if (box[d].first < box[d].second) {
            fill_below(tree, split.right, group, cells, sizes, box, sums);
        }
        box[d] = whole;
    }

    /// The first dimension has stride 1.
    static void add_to_box(double value, std::size_t outer, std::size_t offset,
                           const std::vector<std::size_t>& sizes,
                           const std::vector<std::pair<std::uint32_t, std::uint32_t>>& box,
                           std::vector<double>& sums) {
        const std::size_t d = box.size() - 1 - outer;
        if (d == 0) {
            for (std::size_t p = box[0].first; p < box[0].second; ++p) {
                sums[offset + p] += value;
            }
            return;
        }
        std::size_t stride = 1;
        for (std::size_t k = 0; k < d; ++k) {
            stride *= sizes[k];
        }
        for (std::size_t p = box[d].first; p < box[d].second; ++p) {
            add_to_box(value, outer + 1, offset + p * stride, sizes, box, sums);
        }
    }

    SmallTable small_table(const Group& group) const {
        SmallTable result;
        const std::size_t dims = group.slots.size();
        std::vector<std::vector<std::uint32_t>> cells(dims);
        std::vector<std::size_t> sizes(dims);
        std::size_t stride = 1;
        for (std::size_t d = 0; d < dims; ++d) {
            const std::size_t bins = local_bins_[group.slots[d]];
            std::uint32_t place = 0;
            for (std::size_t b = 0; b < bins; ++b) {
                // Bin b stands behind edge b - 1.
                place += b > 0 && (dims == 1 || group.edges[d].test(b - 1)) ? 1U : 0U;
                cells[d].push_back(place);
                result.remap[d][b] = static_cast<std::uint8_t>(place * stride);
            }
            sizes[d] = place + 1;
            stride *= sizes[d];
            result.slots[d] = group.slots[d];
            result.num_bins[d] = static_cast<std::uint32_t>(bins);
            result.max_bins = std::max(result.max_bins, static_cast<std::uint32_t>(bins));
        }
        result.dims = static_cast<std::uint32_t>(dims);
        result.size = static_cast<std::uint32_t>(stride);
        const std::vector<double> sums = fill(group, cells, sizes);
        for (std::size_t i = 0; i < sums.size(); ++i) {
            const auto bits = static_cast<std::uint16_t>(entry(sums[i]));
            result.low[i] = static_cast<std::uint8_t>(bits);
            result.high[i] = static_cast<std::uint8_t>(bits >> 8);
        }
        return result;
    }

    LargeTable large_table(const Group& group) const {
        LargeTable result;
        const std::size_t dims = group.slots.size();
        std::vector<std::vector<std::uint32_t>> cells(dims);
        std::vector<std::size_t> sizes(dims);
        std::size_t stride = 1;
        for (std::size_t d = 0; d < dims; ++d) {
            sizes[d] = local_bins_[group.slots[d]];
            for (std::uint32_t b = 0; b < sizes[d]; ++b) {
                cells[d].push_back(b);
            }
            result.slots[d] = group.slots[d];
            result.strides[d] = static_cast<std::uint32_t>(stride);
            stride *= sizes[d];
        }
        result.dims = static_cast<std::uint32_t>(dims);
        for (const double sum : fill(group, cells, sizes)) {
            result.entries.push_back(entry(sum));
        }
        return result;
    }

    /// Sorts the trees, and returns the most that the segment can add.
    static std::int32_t finish(Segment& segment) {
        const auto range = [](const TreeTable& tree) {
            const auto [low, high] =
                std::minmax_element(tree.leaves.begin(), tree.leaves.begin() + (1 << tree.depth));
            return *high - *low;
        };
        std::stable_sort(segment.trees.begin(), segment.trees.end(),
                         [&](const TreeTable& a, const TreeTable& b) { return range(a) > range(b); });
        segment.largest_after.assign(segment.trees.size() + 1, 0);
        for (std::size_t t = segment.trees.size(); t-- > 0;) {
            const TreeTable& tree = segment.trees[t];
            segment.largest_after[t] =
                segment.largest_after[t + 1] +
                *std::max_element(tree.leaves.begin(), tree.leaves.begin() + (1 << tree.depth));
        }
        std::int32_t largest = segment.largest_after[0];
        for (const SmallTable& table : segment.small_tables) {
            std::int32_t most = std::numeric_limits<std::int16_t>::min();
            for (std::uint32_t i = 0; i < table.size; ++i) {
                most = std::max<std::int32_t>(
                    most,
                    static_cast<std::int16_t>(static_cast<std::uint16_t>(table.low[i] | table.high[i] << 8)));
            }
            largest += most;
        }
        for (const LargeTable& table : segment.large_tables) {
            largest += *std::max_element(table.entries.begin(), table.entries.end());
        }
        return largest;
    }

    Tables& tables_;
    const Forest& forest_;
    const Space& bins_;
    const std::size_t max_entries_;
    double rounding_ = 0.0;
    double scale_ = 1.0;
    double constants_ = 0.0;
    bool cut_ = false;                     // some tree is not represented in full
    std::vector<std::size_t> local_bins_;  // by slots of the segment at work
};

Tables::Tables(const Forest& forest, const Space& bins, std::size_t max_table_bytes) {
    if (forest.num_features() != bins.width()) {
        throw std::invalid_argument("bins: expected " + std::to_string(forest.num_features()) +
                                    " columns, got " + std::to_string(bins.width()));
    }
    Compiler(*this, forest, bins, max_table_bytes).compile();
}

std::size_t Tables::num_bytes() const {
    std::size_t bytes = sizeof(Tables);
    for (const Segment& segment : segments_) {
        bytes += segment.columns.size() * sizeof(BinnedColumn) +
                 segment.small_tables.size() * sizeof(SmallTable) + segment.trees.size() * sizeof(TreeTable);
        for (const LargeTable& table : segment.large_tables) {
            bytes += sizeof(LargeTable) + table.entries.size() * sizeof(std::int16_t);
        }
        for (const TreeTable& tree : segment.trees) {
            bytes += tree.nodes.size() * sizeof(TreeTable::Node);
        }
    }
    return bytes;
}

std::size_t Tables::num_tables() const {
    std::size_t tables = 0;
    for (const Segment& segment : segments_) {
        tables += segment.small_tables.size() + segment.large_tables.size();
    }
    return tables;
}

std::size_t Tables::num_trees() const {
    std::size_t trees = 0;
    for (const Segment& segment : segments_) {
        trees += segment.trees.size();
    }
    return trees;
}

Verdict Tables::verdict(const std::uint64_t* uniforms) const {
    std::int32_t sum = first_sum_;
    std::array<std::uint8_t, 256> few_bins;
    std::vector<std::uint8_t> many_bins;
    for (const Segment& segment : segments_) {
        std::uint8_t* bins = few_bins.data();
        if (segment.columns.size() > few_bins.size()) {
            many_bins.resize(segment.columns.size());
            bins = many_bins.data();
        }
        for (std::size_t slot = 0; slot < segment.columns.size(); ++slot) {
            const BinnedColumn& column = segment.columns[slot];
            if (uniforms[column.column] == kMissing) {
                bins[slot] = static_cast<std::uint8_t>(column.num_edges);
                continue;
            }
            const auto u = static_cast<std::uint16_t>(uniforms[column.column] >> kFineBits);
            if (column.is_conditional && u >= kCoarseUnknown) {
                return Verdict::kUnknown;
            }
            const auto* const edges = column.edges.sorted.data();
            const auto* const place = std::lower_bound(edges, edges + column.num_edges, u);
            if (place != edges + column.num_edges && *place == u) {
                return Verdict::kUnknown;
            }
            bins[slot] = static_cast<std::uint8_t>(place - edges);
        }
        for (const SmallTable& table : segment.small_tables) {
            std::size_t index = 0;
            for (std::uint32_t d = 0; d < table.dims; ++d) {
                index += table.remap[d][bins[table.slots[d]]];
            }
            sum += table.entry(index);
        }
        for (const LargeTable& table : segment.large_tables) {
            std::size_t index = 0;
            for (std::uint32_t d = 0; d < table.dims; ++d) {
                index += std::size_t{table.strides[d]} * bins[table.slots[d]];
            }
            sum += table.entries[index];
        }
        for (const TreeTable& tree : segment.trees) {
            sum += tree.leaf_of(bins);
        }
    }
    if (sum < 0) {
        return Verdict::kRejected;
    }
    return sum >= accept_limit_ ? Verdict::kAccepted : Verdict::kUnknown;
}

void Tables::reject(const Kernels& kernels, const std::uint16_t* const* uniforms, std::size_t offset,
                    std::size_t rows, TablesScratch& scratch, std::uint64_t* rejected) const {
    const std::size_t padded = whole_lanes(rows);
    scratch.sums.assign(kChunk, first_sum_);
    scratch.ambiguous.fill(0);
    std::fill(rejected, rejected + padded / kLane, 0);
    for (const Segment& segment : segments_) {
        scratch.bins.resize(std::max(scratch.bins.size(), segment.columns.size() * kChunk));
        for (std::size_t slot = 0; slot < segment.columns.size(); ++slot) {
            kernels.find_bins(segment.columns[slot].edges, uniforms[segment.columns[slot].column] + offset,
                              padded, scratch.bins.data() + slot * kChunk, scratch.ambiguous.data());
        }
        kernels.add_small_tables(segment.small_tables.data(), segment.small_tables.size(),
                                 scratch.bins.data(), padded, scratch.sums.data());
        for (const LargeTable& table : segment.large_tables) {
            kernels.add_large_table(table, scratch.bins.data(), padded, scratch.sums.data());
        }
        if (!segment.trees.empty()) {
            add_trees(kernels, segment, padded, scratch, rejected);
        }
    }
    kernels.find_below(scratch.sums.data(), 0, padded, scratch.below.data());
    for (std::size_t word = 0; word < padded / kLane; ++word) {
        rejected[word] |= scratch.below[word] & ~scratch.ambiguous[word];
    }
}

void Tables::add_trees(const Kernels& kernels, const Segment& segment, std::size_t rows,
                       TablesScratch& scratch, std::uint64_t* rejected) const {
    // Rows that the trees to come cannot save leave early. Whether a row is rejected does not depend on the
    // others: all rows that are proven at a check are marked, but moved out of the way only when they are
    // many.
    std::array<std::uint64_t, kChunk / kLane> ambiguous = scratch.ambiguous;
    std::array<std::uint64_t, kChunk / kLane> keep{};
    bool moved = false;
    std::size_t left = rows;
    for (std::size_t begin = 0; begin < segment.trees.size() && left > 0; begin += kTreesBetweenExits) {
        std::int16_t* const sums = moved ? scratch.moved_sums.data() : scratch.sums.data();
        const std::int32_t most = segment.largest_after[begin] + segment.largest_later_segments;
        kernels.find_below(sums, static_cast<std::int16_t>(-most), whole_lanes(left), scratch.below.data());
        std::size_t kept = left;
        for (std::size_t word = 0; word * kLane < left; ++word) {
            std::uint64_t proven = scratch.below[word] & ~ambiguous[word];
            if (left - word * kLane < kLane) {
                proven &= (std::uint64_t{1} << (left - word * kLane)) - 1;
            }
            keep[word] = ~proven;
            for (; proven != 0; proven &= proven - 1) {
                const std::size_t i = word * kLane + lowest_bit(proven);
                const std::size_t row = moved ? scratch.rows[i] : i;
                rejected[row / kLane] |= std::uint64_t{1} << (row % kLane);
                --kept;
            }
        }
        if (kept * 4 <= left * 3) {
            if (!moved) {
                scratch.moved_sums = scratch.sums;
                scratch.rows.resize(kChunk);
                std::iota(scratch.rows.begin(), scratch.rows.end(), std::uint16_t{0});
                moved = true;
            }
            move_together(kernels, segment, keep, whole_lanes(left), scratch);
            left = kept;
            ambiguous.fill(0);
            for (std::size_t i = 0; i < left; ++i) {
                const std::size_t row = scratch.rows[i];
                ambiguous[i / kLane] |= (scratch.ambiguous[row / kLane] >> (row % kLane) & 1U) << (i % kLane);
            }
        }
        const std::size_t count = std::min(kTreesBetweenExits, segment.trees.size() - begin);
        kernels.add_trees(segment.trees.data() + begin, count, scratch.bins.data(), whole_lanes(left),
                          moved ? scratch.moved_sums.data() : scratch.sums.data());
    }
    if (moved) {
        for (std::size_t i = 0; i < left; ++i) {
            scratch.sums[scratch.rows[i]] = scratch.moved_sums[i];
        }
    }
}

void Tables::move_together(const Kernels& kernels, const Segment& segment,
                           const std::array<std::uint64_t, kChunk / kLane>& keep, std::size_t rows,
                           TablesScratch& scratch) const {
    for (std::size_t slot = 0; slot < segment.columns.size(); ++slot) {
        std::uint8_t* const column = scratch.bins.data() + slot * kChunk;
        kernels.compact_bytes(keep.data(), rows, column, column);
    }
    auto* const sums = reinterpret_cast<std::uint16_t*>(scratch.moved_sums.data());
    kernels.compact_words(keep.data(), rows, sums, sums);
    kernels.compact_words(keep.data(), rows, scratch.rows.data(), scratch.rows.data());
}

}  // namespace shac
