// The trees of a forest as the tables see them: splits at coarse edges of bins, without those that the prior
// never divides at, and with what is missing as a bin of its own.
//
// A step between the forest and its tables, which ends with the compiling. Invariants of a SplitTree: the
// root comes first and children after their parents; and for every candidate the leaf that its bins lead to
// is the forest's, or, where the tree was truncated, at least as large.
//
// Memory: 24 bytes a split. For one thread: splitting notes whether a tree was truncated. Cost: nodes times
// the logarithm of the thresholds.
#pragma once

#include <bitset>
#include <cstdint>
#include <map>
#include <vector>

#include "kernels/kernels.hpp"
#include "model/forest.hpp"
#include "prior/space.hpp"

namespace shac {

using EdgeSet = std::bitset<kMaxEdges>;

/// A split on a coarse edge of its segment; leaves have no children.
struct Split {
    std::uint32_t slot = 0;
    std::uint32_t edge = 0;  // right iff bin > edge
    std::uint32_t left = 0;
    std::uint32_t right = 0;
    double value = 0.0;  // the largest leaf at or below it

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

/// Coarse edges of columns, ascending.
using ColumnEdges = std::map<std::uint32_t, std::vector<std::uint16_t>>;

/// `forest` and `bins` must outlive it.
class SplitTrees {
  public:
    SplitTrees(const Forest& forest, const Space& bins) : forest_(forest), bins_(bins) {}

    /// Adds the edges that a tree asks for.
    void collect_edges(std::size_t tree, ColumnEdges& edges) const;

    /// The tree in bins that `edges` divide; `slots` numbers the columns.
    SplitTree split(std::size_t tree, const ColumnEdges& edges,
                    const std::map<std::uint32_t, std::uint32_t>& slots);

    double largest_leaf(std::size_t tree) const { return largest_leaf_below(forest_.roots()[tree]); }

    /// Whether some tree was not represented in full: a node of the last uniforms of a conditional column
    /// gives the largest leaf below it.
    bool is_truncated() const { return is_truncated_; }

  private:
    /// Whether uniforms divide at the node, and at which coarse edge.
    enum class Side { kLeft, kRight, kBoth };
    Side side_of(const Forest::Node& node, std::uint16_t& coarse) const;

    /// What is known, on the way to a node, of the conditional columns that were asked about.
    using Known = std::map<std::uint32_t, bool>;  // column -> is missing

    struct Source {
        std::uint32_t node;
        std::uint32_t depth;
        Known known;
    };

    /// What a node asks first: nothing when all go to one child, where a uniform divides, or whether the
    /// column is missing.
    enum class Question { kNone, kEdge, kIsMissing, kTruncated };
    Question question_of(const Forest::Node& node, const Known& known, bool& right,
                         std::uint16_t& coarse) const;

    double largest_leaf_below(std::uint32_t index) const;

    const Forest& forest_;
    const Space& bins_;
    bool is_truncated_ = false;
};

}  // namespace shac
