#include "tables/binned_forest.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "support/costs.hpp"

namespace shac {

void find_listed_bins(const Kernels& kernels, const ThresholdSearch& thresholds, const ColumnBlock& block,
                      std::size_t column, ArrayView<const std::uint32_t> rows, std::vector<float>& values,
                      std::uint8_t* bins) {
    const float* const begin = block.columns + column * block.stride;
    const std::size_t padded = whole_lanes(rows.size);
    const std::size_t span = rows.size == 0 ? 0 : rows[rows.size - 1] - rows[0] + 1;
    // Without gaps, and with values behind the last row up to a whole lane.
    if (span == rows.size && span > 0 && rows[0] + padded <= block.stride) {
        kernels.find_threshold_bins(thresholds, begin + rows[0], padded, bins);
        return;
    }
    for (std::size_t k = 0; k < rows.size; ++k) {
        values[k] = begin[rows[k]];
    }
    kernels.find_threshold_bins(thresholds, values.data(), padded, bins);
}

/// Takes trees in order, and begins a new run where one cannot hold the next tree.
class BinnedForest::Builder {
  public:
    Builder(const Forest& forest, std::vector<Run>& runs) : forest_(forest), runs_(runs) {}

    void build() {
        for (std::size_t tree = 0; tree < forest_.num_trees(); ++tree) {
            const bool is_walked = !read(tree);
            if (open_ == 0 || is_walked != is_walked_ || !join_run()) {
                close_run(tree);
                is_walked_ = is_walked;
                join_run();
            }
            ++open_;
        }
        close_run(forest_.num_trees());
    }

  private:
    using Thresholds = std::map<std::uint32_t, std::vector<float>>;

    /// Notes what a tree asks; false when no run over bins can hold it.
    bool read(std::size_t tree) {
        asked_.clear();
        open_nodes_.assign(1, {forest_.roots()[tree], 1});
        for (std::size_t i = 0; i < open_nodes_.size(); ++i) {
            const auto [index, position] = open_nodes_[i];
            const Forest::Node& node = forest_.nodes()[index];
            if (node.is_leaf()) {
                continue;
            }
            if (position >= (1U << kMaxTreeDepth)) {
                asked_.clear();
                return false;
            }
            asked_[node.feature()].push_back(node.value);
            open_nodes_.push_back({node.left, 2 * position});
            open_nodes_.push_back({node.left + 1, 2 * position + 1});
        }
        return true;
    }

    /// Adds what the tree asks to the run's thresholds, unless they become too many.
    bool join_run() {
        Thresholds joined;
        for (const auto& [feature, thresholds] : asked_) {
            std::vector<float> all = known_[feature];
            for (const float threshold : thresholds) {
                const auto place = std::lower_bound(all.begin(), all.end(), threshold);
                if (place == all.end() || *place != threshold) {
                    all.insert(place, threshold);
                }
            }
            if (all.size() > kMaxThresholds) {
                return false;
            }
            joined[feature] = std::move(all);
        }
        for (auto& [feature, thresholds] : joined) {
            known_[feature] = std::move(thresholds);
        }
        return true;
    }

    /// Makes a run of the trees noted since the last one.
    void close_run(std::size_t end) {
        if (open_ > 0) {
            Run run{end - open_, open_, is_walked_, {}, {}};
            if (!is_walked_) {
                std::map<std::uint32_t, std::uint32_t> slots;
                for (auto& [feature, thresholds] : known_) {
                    if (!thresholds.empty()) {
                        slots[feature] = static_cast<std::uint32_t>(run.columns.size());
                        run.columns.push_back({feature, ThresholdSearch(std::move(thresholds))});
                    }
                }
                for (std::size_t tree = run.first_tree; tree < end; ++tree) {
                    add_tree(tree, slots, run);
                }
                run.trees.leaves.resize(run.trees.leaves.size() + LeafTrees::kLeafPadding);
            }
            runs_.push_back(std::move(run));
        }
        open_ = 0;
        known_.clear();
    }

    LeafTrees::Node node_at(const Forest::Node& node, std::uint32_t position,
                            const std::map<std::uint32_t, std::uint32_t>& slots, const Run& run) const {
        const std::uint32_t slot = slots.at(node.feature());
        const std::vector<float>& thresholds = run.columns[slot].thresholds.sorted;
        // Right iff the threshold is reached: bins from `first` on, and the last one where NaN goes right.
        const auto reached = static_cast<std::uint8_t>(
            std::lower_bound(thresholds.begin(), thresholds.end(), node.value) - thresholds.begin() + 1);
        const std::uint8_t last = node.default_left() ? kMissingBin - 1 : kMissingBin;
        return {slot, reached, static_cast<std::uint8_t>(last - reached),
                static_cast<std::uint8_t>(position)};
    }

    void add_tree(std::size_t tree, const std::map<std::uint32_t, std::uint32_t>& slots, Run& run) {
        open_nodes_.assign(1, {forest_.roots()[tree], 1});
        std::array<std::uint32_t, std::size_t{1} << kMaxTreeDepth> inner{};  // node at each position, from 1
        std::uint32_t depth = 0;
        for (std::size_t i = 0; i < open_nodes_.size(); ++i) {
            const auto [index, position] = open_nodes_[i];
            const Forest::Node& node = forest_.nodes()[index];
            while (position >= (2U << depth)) {
                ++depth;
            }
            if (!node.is_leaf()) {
                inner[position] = index + 1;
                open_nodes_.push_back({node.left, 2 * position});
                open_nodes_.push_back({node.left + 1, 2 * position + 1});
            }
        }
        LeafTrees& trees = run.trees;
        LeafTrees::Tree result{depth, static_cast<std::uint32_t>(trees.nodes.size()), 0,
                               static_cast<std::uint32_t>(trees.leaves.size())};
        for (std::uint32_t position = 1; position < (1U << depth); ++position) {
            if (inner[position] != 0) {
                trees.nodes.push_back(node_at(forest_.nodes()[inner[position] - 1], position, slots, run));
            } else if (depth <= kListedDepth) {  // whatever it answers, both sides have the same leaf
                LeafTrees::Node any = trees.nodes[result.nodes_begin];
                any.position = static_cast<std::uint8_t>(position);
                trees.nodes.push_back(any);
            }
        }
        result.nodes_end = static_cast<std::uint32_t>(trees.nodes.size());
        trees.leaves.resize(trees.leaves.size() + std::max(std::size_t{1} << depth, LeafTrees::kLeafPadding));
        for (const auto& [index, position] : open_nodes_) {
            if (forest_.nodes()[index].is_leaf()) {
                std::uint32_t low = position;
                std::uint32_t high = position + 1;
                while (low < (1U << depth)) {
                    low *= 2;
                    high *= 2;
                }
                const auto leaves = trees.leaves.begin() + result.leaves_begin - (1 << depth);
                std::fill(leaves + low, leaves + high, forest_.nodes()[index].value);
            }
        }
        trees.trees.push_back(result);
    }

    const Forest& forest_;
    std::vector<Run>& runs_;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> open_nodes_;  // node, position from 1
    Thresholds asked_;                                                 // by the tree that was read
    Thresholds known_;                                                 // of the open run
    std::size_t open_ = 0;
    bool is_walked_ = false;
};

BinnedForest::BinnedForest(std::shared_ptr<const Forest> forest) : forest_(std::move(forest)) {
    Builder(*forest_, runs_).build();
    for (const Run& run : runs_) {
        for (const BinnedColumn& column : run.columns) {
            cost_ += 2.0 * costs::edge_search(column.thresholds.levels);  // half as many rows in a vector
        }
        for (const LeafTrees::Tree& tree : run.trees.trees) {
            cost_ += costs::tree(tree.nodes_end - tree.nodes_begin + 1, tree.depth);
        }
    }
}

const ThresholdSearch* BinnedForest::thresholds(std::size_t feature) const {
    if (!shares_bins() || runs_.empty()) {
        return nullptr;
    }
    const auto& columns = runs_[0].columns;
    const auto found = std::lower_bound(
        columns.begin(), columns.end(), feature,
        [](const BinnedColumn& column, std::size_t wanted) { return column.feature < wanted; });
    return found == columns.end() || found->feature != feature ? nullptr : &found->thresholds;
}

void BinnedForest::margins(const Kernels& kernels, const ColumnBlock& block,
                           ArrayView<const std::uint32_t> rows, Scratch& scratch, float* margins) const {
    if (rows.size < costs::kFewRows) {
        forest_->margins(block, rows, margins);
        return;
    }
    auto& [values, bins, sums] = scratch;
    values.resize(kChunk);
    sums.resize(kChunk);
    for (std::size_t begin = 0; begin < rows.size; begin += kChunk) {
        const ArrayView<const std::uint32_t> chunk{rows.data + begin, std::min(kChunk, rows.size - begin)};
        const std::size_t padded = whole_lanes(chunk.size);
        std::fill(sums.begin(), sums.begin() + static_cast<std::ptrdiff_t>(padded), forest_->base());
        for (const Run& run : runs_) {
            if (run.is_walked) {
                forest_->add_leaves(run.first_tree, run.num_trees, block, chunk, sums.data());
                continue;
            }
            // Where all trees are single leaves nothing is read, but pointers are still counted up.
            bins.resize(std::max({bins.size(), run.columns.size() * kChunk, kChunk}));
            for (std::size_t slot = 0; slot < run.columns.size(); ++slot) {
                find_listed_bins(kernels, run.columns[slot].thresholds, block, run.columns[slot].feature,
                                 chunk, values, bins.data() + slot * kChunk);
            }
            kernels.add_leaves(run.trees, bins.data(), padded, sums.data());
        }
        std::copy(sums.begin(), sums.begin() + static_cast<std::ptrdiff_t>(chunk.size), margins + begin);
    }
}

}  // namespace shac
