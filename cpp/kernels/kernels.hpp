// The loops over rows that take nearly all of the time, once for each level of vector instructions, chosen at
// run time. Arithmetic is on integers, or adds float32 numbers row by row in a fixed order, so all levels
// give the same bits.
//
// Rows are counted in whole lanes of kLane: `rows` is a multiple of it, arrays hold as many entries, and what
// stands in the rows of padding is computed like any other and ignored by the caller. Columns of bins stand
// `kChunk` bytes apart. All arrays of fixed size are padded to whole vectors.
//
// The levels: `baseline` is portable C++ and the definition of what the others do; `avx2`; `avx512` (F, BW,
// DQ, VL, VBMI, VBMI2: Ice Lake and Zen 4 onwards); `neon`. The functions are pure but for what they write
// through their arguments: any number of threads may call them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace shac {

constexpr std::size_t kLane = 64;
constexpr std::size_t kChunk = 1024;         // rows that the kernels of a stage work on at a time
constexpr std::size_t kMaxEdges = 255;       // coarse edges of a column within a segment: bins fit a byte
constexpr std::size_t kMaxSmallTable = 256;  // entries: indices fit a byte
constexpr std::size_t kMaxDims = 4;
constexpr std::size_t kMaxTreeDepth = 6;
constexpr std::size_t kListedDepth = 3;      // trees up to it have a node at every position
constexpr std::size_t kDistanceLanes = 8;    // rows whose distances are computed together
constexpr std::size_t kMaxThresholds = 254;  // of a column of values: bins fit a byte
constexpr std::uint8_t kMissingBin = 255;

constexpr std::size_t whole_lanes(std::size_t rows) {
    return (rows + kLane - 1) / kLane * kLane;
}

/// Edges of a column, for a search without branches: at level l the entry `by_level[kLevelOffsets[l] + p]`
/// divides the 2^-l of the edges with number p.
struct EdgeSearch {
    std::uint32_t levels = 0;
    alignas(64) std::array<std::uint16_t, 256> sorted{};    // padded with 0xFFFF
    alignas(64) std::array<std::uint16_t, 416> by_level{};  // room for a wider load of the last entry

    static constexpr std::array<std::size_t, 8> kLevelOffsets{0, 32, 64, 96, 128, 160, 192, 256};

    /// Takes at most kMaxEdges edges, ascending.
    explicit EdgeSearch(const std::vector<std::uint16_t>& edges);
};

/// A sum of trees as a table over the bins of one to three columns.
struct SmallTable {
    std::uint32_t dims = 1;
    std::uint32_t size = 1;
    std::uint32_t max_bins = 1;            // of its columns
    std::array<std::uint32_t, 3> slots{};  // columns of bins
    std::array<std::uint32_t, 3> num_bins{};
    alignas(64) std::array<std::array<std::uint8_t, 256>,
                           3> remap{};  // bin -> part of the index; identity for dims 1
    alignas(64) std::array<std::uint8_t, kMaxSmallTable> low{};  // lower bytes of the entries
    alignas(64) std::array<std::uint8_t, kMaxSmallTable> high{};

    std::int16_t entry(std::size_t index) const {
        return static_cast<std::int16_t>(static_cast<std::uint16_t>(low[index] | high[index] << 8));
    }
};

/// The same for tables that no register holds.
struct LargeTable {
    std::uint32_t dims = 1;
    std::array<std::uint32_t, kMaxDims> slots{};
    std::array<std::uint32_t, kMaxDims> strides{};
    std::vector<std::int16_t> entries;
};

/// One tree of depth at most kMaxTreeDepth, as a complete one: heap positions from 1, leaves left to right.
struct TreeTable {
    struct Node {
        std::uint32_t slot;
        std::uint8_t threshold;  // right iff bin > threshold
        std::uint8_t position;   // in the heap; the root is 1
    };
    std::uint32_t depth = 0;
    std::vector<Node> nodes;
    alignas(64) std::array<std::int16_t, 64> leaves{};

    /// Leaf of a row, given its bins by slot. Nodes stand in any order, each before those below it.
    std::int16_t leaf_of(const std::uint8_t* bins) const {
        std::array<const Node*, 64> heap{};
        for (const Node& node : nodes) {
            heap[node.position] = &node;
        }
        std::size_t position = 1;
        for (std::uint32_t level = 0; level < depth; ++level) {
            const Node* const node = heap[position];
            position = 2 * position + (node != nullptr && bins[node->slot] > node->threshold ? 1 : 0);
        }
        return leaves[position - (std::size_t{1} << depth)];
    }
};

/// Thresholds of a column, for a search without branches, laid out like EdgeSearch.
struct ThresholdSearch {
    std::uint32_t levels = 0;
    std::vector<float> sorted;    // not padded
    std::vector<float> by_level;  // padded with NaN, which no value reaches

    static constexpr std::array<std::size_t, 8> kLevelOffsets{0, 16, 32, 48, 64, 80, 112, 176};

    /// Takes at most kMaxThresholds thresholds, ascending.
    explicit ThresholdSearch(std::vector<float> thresholds);
};

/// Trees with float32 leaves over bins of values, each of depth at most kMaxTreeDepth, as complete ones:
/// heap positions from 1, leaves left to right. Where a leaf stands higher, all leaves below it are the same.
struct LeafTrees {
    struct Node {
        std::uint32_t slot;
        std::uint8_t first;  // right iff the byte bin - first is at most `span`
        std::uint8_t span;
        std::uint8_t position;

        bool goes_right(std::uint8_t bin) const { return static_cast<std::uint8_t>(bin - first) <= span; }
    };
    struct Tree {
        std::uint32_t depth;
        std::uint32_t nodes_begin;  // up to kListedDepth: a node for every position, in their order
        std::uint32_t nodes_end;
        std::uint32_t leaves_begin;
    };
    std::vector<Tree> trees;
    std::vector<Node> nodes;
    std::vector<float> leaves;  // at least kLeafPadding behind the first of each tree

    static constexpr std::size_t kLeafPadding = 16;
};

/// Where the kernels draw: candidates first + offsets[i].
struct DrawRequest {
    std::uint64_t seed;
    std::uint64_t first;
    const std::uint16_t* offsets;
    std::size_t rows;
    std::uint32_t group;
};

/// Points, each with its numbers and behind them its codes, and their weights.
struct WeightedPoints {
    const double* values;
    const double* weights;
    std::size_t count;
    std::size_t numbers;
    std::size_t codes;
};

struct Kernels {
    const char* name;

    /// Writes the coarse uniforms of the wanted columns of a group; columns that are null are not wanted.
    void (*draw)(const DrawRequest& request, const std::array<std::uint16_t*, 8>& columns);

    /// Writes the two halves of each candidate's block of a stream: the first word above the second, the
    /// third above the fourth.
    void (*draw_words)(const DrawRequest& request, std::uint32_t stream, std::uint64_t* first,
                       std::uint64_t* second);

    /// Writes the number of edges below each coarse uniform, and adds a bit to `ambiguous` for each row whose
    /// uniform equals an edge (or the padding, 0xFFFF).
    void (*find_bins)(const EdgeSearch& edges, const std::uint16_t* uniforms, std::size_t rows,
                      std::uint8_t* bins, std::uint64_t* ambiguous);

    /// Adds the entries of all tables to the sums.
    void (*add_small_tables)(const SmallTable* tables, std::size_t count, const std::uint8_t* bins,
                             std::size_t rows, std::int16_t* sums);
    void (*add_large_table)(const LargeTable& table, const std::uint8_t* bins, std::size_t rows,
                            std::int16_t* sums);
    void (*add_trees)(const TreeTable* trees, std::size_t count, const std::uint8_t* bins, std::size_t rows,
                      std::int16_t* sums);

    /// Writes the number of thresholds at or below each value; kMissingBin for NaN.
    void (*find_threshold_bins)(const ThresholdSearch& thresholds, const float* values, std::size_t rows,
                                std::uint8_t* bins);

    /// Adds each row's leaf of every tree to its sum, tree after tree.
    void (*add_leaves)(const LeafTrees& trees, const std::uint8_t* bins, std::size_t rows, float* sums);

    /// Sets the bits of the rows whose sum is below the limit.
    void (*find_below)(const std::int16_t* sums, std::int16_t limit, std::size_t rows, std::uint64_t* below);

    /// Moves the entries of the rows whose bits are set to the front of `out`, which may be `in` or stand
    /// before it; may write up to a lane more.
    void (*compact_words)(const std::uint64_t* keep, std::size_t rows, const std::uint16_t* in,
                          std::uint16_t* out);
    void (*compact_bytes)(const std::uint64_t* keep, std::size_t rows, const std::uint8_t* in,
                          std::uint8_t* out);

    /// Writes for each of kDistanceLanes rows the sum of weight * distance^3 over all points, in their order,
    /// and the smallest squared distance. Value k of lane i stands at rows[k * kDistanceLanes + i]; a squared
    /// distance is the sum of the squared differences of the numbers, in their order, and 0.5 times the codes
    /// that differ.
    void (*sum_cubes)(const WeightedPoints& points, const double* rows, double* sums, double* squares);
};

/// Levels that this machine can run, the fastest last; the first is always `baseline`.
const std::vector<const Kernels*>& available_kernels();

std::vector<std::string> available_kernel_names();

/// The fastest level, or the one that the environment variable SHAC_SIMD names.
/// Throws std::invalid_argument when it names none of the available ones.
const Kernels& chosen_kernels();

}  // namespace shac
