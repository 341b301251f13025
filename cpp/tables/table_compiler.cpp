#include "tables/table_compiler.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>

#include "model/decision.hpp"
#include "support/costs.hpp"
#include "tables/split_trees.hpp"
#include "tables/table_groups.hpp"

namespace shac {
namespace {

constexpr double kRoundoff = 0x1p-24;  // of one float32 addition, relative to its result
constexpr double kLargestSum = 32000.0;
constexpr std::size_t kMostTrees = 8000;  // their roundings must leave room below kLargestSum

class Compiler {
  public:
    Compiler(const Forest& forest, const Space& bins, std::size_t max_table_bytes)
        : forest_(forest),
          bins_(bins),
          split_trees_(forest, bins),
          max_entries_(max_table_bytes / sizeof(std::int16_t)) {}

    QuantizedStage compile() {
        choose_scale();
        std::size_t begin = 0;
        while (begin < forest_.num_trees()) {
            begin = add_segment(begin);
        }
        set_limits();
        return QuantizedStage(std::move(parts_));
    }

  private:
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

    void set_limits() {
        // Rejected iff base + constants + entries + rounding < threshold; see the head of
        // tables/table_compiler.hpp.
        const double missing = static_cast<double>(decision_threshold()) - rounding_ -
                               static_cast<double>(forest_.base()) - constants_;
        parts_.bias = static_cast<std::int16_t>(-std::ceil(missing * scale_));
        // Accepted if base + constants + what the entries stand for - rounding >= threshold.
        std::size_t entries = 0;
        for (const QuantizedStage::Segment& segment : parts_.segments) {
            entries += segment.small_tables.size() + segment.large_tables.size() + segment.trees.size();
        }
        if (!is_truncated_ && !split_trees_.is_truncated()) {
            parts_.accept_limit = static_cast<std::int32_t>(entries) +
                                  static_cast<std::int32_t>(std::ceil(2.0 * rounding_ * scale_)) + 1;
        }
    }

    std::int16_t entry(double value) const { return static_cast<std::int16_t>(std::ceil(value * scale_)); }

    /// Takes trees from `begin` on while their columns have few enough edges; returns the first one left.
    std::size_t add_segment(std::size_t begin) {
        ColumnEdges edges;
        std::size_t end = begin;
        for (; end < forest_.num_trees(); ++end) {
            ColumnEdges with = edges;
            split_trees_.collect_edges(end, with);
            const bool fits = std::all_of(with.begin(), with.end(), [](const auto& column) {
                return column.second.size() <= kMaxEdges;
            });
            if (!fits && end > begin) {
                break;
            }
            if (!fits) {  // one tree alone has too many
                is_truncated_ = true;
                constants_ += split_trees_.largest_leaf(end);
                return end + 1;
            }
            edges = std::move(with);
        }
        parts_.segments.emplace_back();
        QuantizedStage::Segment& segment = parts_.segments.back();
        std::map<std::uint32_t, std::uint32_t> slots;
        for (const auto& [column, coarse] : edges) {
            slots[column] = static_cast<std::uint32_t>(segment.columns.size());
            segment.columns.push_back({column, EdgeSearch(coarse), static_cast<std::uint32_t>(coarse.size()),
                                       bins_.columns()[column].is_conditional});
            parts_.cost += costs::edge_search(segment.columns.back().edges.levels);
        }
        local_bins_.clear();
        for (const auto& column : edges) {
            local_bins_.push_back(column.second.size() + 1);
        }
        std::vector<SplitTree> trees;
        trees.reserve(end - begin);
        for (std::size_t tree = begin; tree < end; ++tree) {
            trees.push_back(split_trees_.split(tree, edges, slots));
            if (trees.back().splits[0].is_leaf()) {
                constants_ += trees.back().splits[0].value;
                trees.pop_back();
            }
        }
        for (const Group& group : TableGroups(local_bins_, max_entries_).grouped(trees)) {
            add_group(segment, group);
        }
        if (segment.columns.empty()) {
            parts_.segments.pop_back();
        }
        return end;
    }

    void add_group(QuantizedStage::Segment& segment, const Group& group) {
        parts_.cost += group.cost;
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
                is_truncated_ = is_truncated_ || !split.is_leaf();
                const std::uint32_t below = result.depth - level;
                const auto first = (std::size_t{position} << below) - (std::size_t{1} << result.depth);
                std::fill_n(result.leaves.begin() + static_cast<std::ptrdiff_t>(first),
                            std::size_t{1} << below, entry(split.value));
                continue;
            }
            result.nodes.push_back(
                {split.slot, static_cast<std::uint8_t>(split.edge), static_cast<std::uint8_t>(position)});
            open.push_back({split.left, 2 * position, level + 1});
            open.push_back({split.right, 2 * position + 1, level + 1});
        }
        return result;
    }

    /// The sums of a group's trees over the cells of its dimensions. `cells[d][b]` is the position along
    /// dimension d of the cells of local bin b, and `sizes[d]` the number of positions.
    std::vector<double> fill(const Group& group, const std::vector<std::vector<std::uint32_t>>& cells,
                             const std::vector<std::size_t>& sizes) const {
        const std::size_t dims = group.slots.size();
        std::size_t size = 1;
        for (const std::size_t positions : sizes) {
            size *= positions;
        }
        std::vector<double> sums(size, 0.0);
        std::vector<std::pair<std::uint32_t, std::uint32_t>> box(dims);  // positions [first, second)
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
            std::uint32_t cell = 0;
            for (std::size_t b = 0; b < bins; ++b) {
                // Bin b stands behind edge b - 1.
                cell += b > 0 && (dims == 1 || group.edges[d].test(b - 1)) ? 1U : 0U;
                cells[d].push_back(cell);
                result.remap[d][b] = static_cast<std::uint8_t>(cell * stride);
            }
            sizes[d] = cell + 1;
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

    const Forest& forest_;
    const Space& bins_;
    SplitTrees split_trees_;
    const std::size_t max_entries_;
    QuantizedStage::Parts parts_;
    double rounding_ = 0.0;
    double scale_ = 1.0;
    double constants_ = 0.0;
    bool is_truncated_ = false;            // some tree is not represented in full
    std::vector<std::size_t> local_bins_;  // by slots of the segment at work
};

}  // namespace

QuantizedStage compile_tables(const Forest& forest, const Space& bins, std::size_t max_table_bytes) {
    if (forest.num_features() != bins.width()) {
        throw std::invalid_argument("bins: expected " + std::to_string(forest.num_features()) +
                                    " columns, got " + std::to_string(bins.width()));
    }
    if (forest.num_trees() > kMostTrees) {
        return QuantizedStage({});  // proves nothing: the exact forest decides alone
    }
    return Compiler(forest, bins, max_table_bytes).compile();
}

}  // namespace shac
