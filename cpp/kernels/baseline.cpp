// The kernels in portable C++: what every other level must agree with, bit for bit.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "kernels/levels.hpp"
#include "prior/random.hpp"

namespace shac {
namespace {

constexpr std::size_t kWordBits = 64;

// Rounds of several counters side by side: the compiler has vectors for them.
constexpr std::size_t kCounters = 16;

struct Words {
    std::array<std::array<std::uint32_t, kCounters>, 4> word;
};

Words philox_at(const DrawRequest& request, std::size_t begin, std::uint32_t stream) {
    Words words;
    auto& [word0, word1, word2, word3] = words.word;
    for (std::size_t i = 0; i < kCounters; ++i) {
        const std::uint64_t candidate = request.first + request.offsets[begin + i];
        word0[i] = static_cast<std::uint32_t>(candidate);
        word1[i] = static_cast<std::uint32_t>(candidate >> 32);
        word2[i] = request.group;
        word3[i] = stream;
    }
    auto key0 = static_cast<std::uint32_t>(request.seed);
    auto key1 = static_cast<std::uint32_t>(request.seed >> 32);
    for (int round = 0; round < kPhiloxRounds; ++round) {
        for (std::size_t i = 0; i < kCounters; ++i) {
            const std::uint64_t product0 = std::uint64_t{kPhiloxMultiplier0} * word0[i];
            const std::uint64_t product1 = std::uint64_t{kPhiloxMultiplier1} * word2[i];
            word0[i] = static_cast<std::uint32_t>(product1 >> 32) ^ word1[i] ^ key0;
            word1[i] = static_cast<std::uint32_t>(product1);
            word2[i] = static_cast<std::uint32_t>(product0 >> 32) ^ word3[i] ^ key1;
            word3[i] = static_cast<std::uint32_t>(product0);
        }
        key0 += kPhiloxWeyl0;
        key1 += kPhiloxWeyl1;
    }
    return words;
}

void draw(const DrawRequest& request, const std::array<std::uint16_t*, 8>& columns) {
    for (std::size_t begin = 0; begin < request.rows; begin += kCounters) {
        const Words words = philox_at(request, begin, 0);
        for (std::size_t c = 0; c < columns.size(); ++c) {
            if (columns[c] != nullptr) {
                for (std::size_t i = 0; i < kCounters; ++i) {
                    columns[c][begin + i] =
                        static_cast<std::uint16_t>(words.word[c / 2][i] >> (kCoarseBits * (c % 2)));
                }
            }
        }
    }
}

void draw_words(const DrawRequest& request, std::uint32_t stream, std::uint64_t* first,
                std::uint64_t* second) {
    for (std::size_t begin = 0; begin < request.rows; begin += kCounters) {
        const auto [words] = philox_at(request, begin, stream);
        for (std::size_t i = 0; i < kCounters; ++i) {
            first[begin + i] = std::uint64_t{words[0][i]} << 32 | words[1][i];
            second[begin + i] = std::uint64_t{words[2][i]} << 32 | words[3][i];
        }
    }
}

void find_bins(const EdgeSearch& edges, const std::uint16_t* uniforms, std::size_t rows, std::uint8_t* bins,
               std::uint64_t* ambiguous) {
    for (std::size_t begin = 0; begin < rows; begin += kWordBits) {
        std::uint64_t equal = 0;
        for (std::size_t i = 0; i < kWordBits; ++i) {
            const std::uint16_t u = uniforms[begin + i];
            std::uint32_t bin = 0;
            for (std::uint32_t level = 0; level < edges.levels; ++level) {
                bin = 2 * bin + (edges.by_level[EdgeSearch::kLevelOffsets[level] + bin] < u ? 1U : 0U);
            }
            bins[begin + i] = static_cast<std::uint8_t>(bin);
            equal |= std::uint64_t{edges.sorted[bin] == u ? 1U : 0U} << i;
        }
        ambiguous[begin / kWordBits] |= equal;
    }
}

void add_small_tables(const SmallTable* tables, std::size_t count, const std::uint8_t* bins, std::size_t rows,
                      std::int16_t* sums) {
    for (std::size_t t = 0; t < count; ++t) {
        const SmallTable& table = tables[t];
        const std::uint8_t* const first = bins + table.slots[0] * kChunk;
        const std::uint8_t* const second = bins + table.slots[table.dims > 1 ? 1 : 0] * kChunk;
        const std::uint8_t* const third = bins + table.slots[table.dims > 2 ? 2 : 0] * kChunk;
        for (std::size_t i = 0; i < rows; ++i) {
            std::uint32_t index = table.remap[0][first[i]];
            if (table.dims > 1) {
                index += table.remap[1][second[i]];
            }
            if (table.dims > 2) {
                index += table.remap[2][third[i]];
            }
            sums[i] = static_cast<std::int16_t>(sums[i] + table.entry(index));
        }
    }
}

void add_large_table(const LargeTable& table, const std::uint8_t* bins, std::size_t rows,
                     std::int16_t* sums) {
    const std::int16_t* const entries = table.entries.data();
    for (std::size_t i = 0; i < rows; ++i) {
        std::uint32_t index = 0;
        for (std::uint32_t d = 0; d < table.dims; ++d) {
            index += table.strides[d] * bins[table.slots[d] * kChunk + i];
        }
        sums[i] = static_cast<std::int16_t>(sums[i] + entries[index]);
    }
}

void add_trees(const TreeTable* trees, std::size_t count, const std::uint8_t* bins, std::size_t rows,
               std::int16_t* sums) {
    for (std::size_t t = 0; t < count; ++t) {
        const TreeTable& tree = trees[t];
        std::array<TreeTable::Node, 64> heap{};
        for (const TreeTable::Node& node : tree.nodes) {
            heap[node.position] = node;
        }
        for (std::size_t i = 0; i < rows; ++i) {
            std::uint32_t position = 1;
            for (std::uint32_t level = 0; level < tree.depth; ++level) {
                const TreeTable::Node& node = heap[position];
                position = 2 * position + (bins[node.slot * kChunk + i] > node.threshold ? 1U : 0U);
            }
            sums[i] =
                static_cast<std::int16_t>(sums[i] + tree.leaves[position - (std::size_t{1} << tree.depth)]);
        }
    }
}

void find_threshold_bins(const ThresholdSearch& thresholds, const float* values, std::size_t rows,
                         std::uint8_t* bins) {
    constexpr std::size_t kCounted = 24;  // up to so many, counting in vectors beats searching row by row
    for (std::size_t begin = 0; begin < rows; begin += kLane) {
        const float* const x = values + begin;
        std::array<std::uint32_t, kLane> bin{};
        if (thresholds.sorted.size() <= kCounted) {
            for (const float threshold : thresholds.sorted) {
                for (std::size_t i = 0; i < kLane; ++i) {
                    bin[i] += threshold <= x[i] ? 1U : 0U;
                }
            }
        } else {
            for (std::uint32_t level = 0; level < thresholds.levels; ++level) {
                const float* const edges = thresholds.by_level.data() + ThresholdSearch::kLevelOffsets[level];
                for (std::size_t i = 0; i < kLane; ++i) {
                    bin[i] = 2 * bin[i] + (edges[bin[i]] <= x[i] ? 1U : 0U);
                }
            }
        }
        for (std::size_t i = 0; i < kLane; ++i) {
            bins[begin + i] = static_cast<std::uint8_t>(x[i] == x[i] ? bin[i] : kMissingBin);
        }
    }
}

/// The lane's rows by bytes: all bits of a byte say the same.
using ByteMask = std::array<std::uint8_t, kLane>;

void add_tree_leaves(const LeafTrees& trees, const LeafTrees::Tree& tree, const std::uint8_t* bins,
                     std::array<ByteMask, 64>& met, float* sums) {
    const std::size_t inner = std::size_t{1} << tree.depth;
    if (tree.nodes_end - tree.nodes_begin + 1 < inner) {
        std::fill(met.begin(), met.begin() + static_cast<std::ptrdiff_t>(inner), ByteMask{});
    }
    for (std::uint32_t n = tree.nodes_begin; n < tree.nodes_end; ++n) {
        const LeafTrees::Node node = trees.nodes[n];
        const std::uint8_t* const column = bins + node.slot * kChunk;
        ByteMask& right = met[node.position];
        for (std::size_t i = 0; i < kLane; ++i) {
            right[i] = static_cast<std::uint8_t>(column[i] - node.first) <= node.span ? 0xFF : 0;
        }
    }
    // Level by level, the masks of the nodes that rows meet there: halves of the level are chosen between by
    // the masks of the levels above, the root's first.
    ByteMask index{};
    for (std::uint32_t level = 0; level < tree.depth; ++level) {
        const std::size_t begin = std::size_t{1} << level;
        std::size_t half = begin / 2;
        for (std::uint32_t upper = 0; upper < level; ++upper, half /= 2) {
            const ByteMask& right = met[std::size_t{1} << upper];
            for (std::size_t p = begin; p < begin + half; ++p) {
                const ByteMask& other = met[p + half];
                ByteMask& own = met[p];
                for (std::size_t i = 0; i < kLane; ++i) {
                    own[i] = static_cast<std::uint8_t>(own[i] ^ (right[i] & (own[i] ^ other[i])));
                }
            }
        }
        for (std::size_t i = 0; i < kLane; ++i) {
            index[i] = static_cast<std::uint8_t>(index[i] + index[i] + (met[begin][i] & 1U));
        }
    }
    const float* const leaves = trees.leaves.data() + tree.leaves_begin;
    for (std::size_t i = 0; i < kLane; ++i) {
        sums[i] += leaves[index[i]];
    }
}

void add_leaves(const LeafTrees& trees, const std::uint8_t* bins, std::size_t rows, float* sums) {
    std::array<ByteMask, 64> met{};
    for (std::size_t begin = 0; begin < rows; begin += kLane) {
        for (const LeafTrees::Tree& tree : trees.trees) {
            add_tree_leaves(trees, tree, bins + begin, met, sums + begin);
        }
    }
}

void find_below(const std::int16_t* sums, std::int16_t limit, std::size_t rows, std::uint64_t* below) {
    for (std::size_t begin = 0; begin < rows; begin += kWordBits) {
        std::uint64_t bits = 0;
        for (std::size_t i = 0; i < kWordBits; ++i) {
            bits |= std::uint64_t{sums[begin + i] < limit ? 1U : 0U} << i;
        }
        below[begin / kWordBits] = bits;
    }
}

template <typename T>
void compact(const std::uint64_t* keep, std::size_t rows, const T* in, T* out) {
    for (std::size_t begin = 0; begin < rows; begin += kWordBits) {
        const std::uint64_t bits = keep[begin / kWordBits];
        for (std::size_t i = 0; i < kWordBits; ++i) {
            *out = in[begin + i];
            out += bits >> i & 1U;
        }
    }
}

void sum_cubes(const WeightedPoints& points, const double* rows, double* sums, double* squares) {
    const std::size_t width = points.numbers + points.codes;
    std::fill(sums, sums + kDistanceLanes, 0.0);
    std::fill(squares, squares + kDistanceLanes, std::numeric_limits<double>::infinity());
    for (std::size_t p = 0; p < points.count; ++p) {
        const double* const point = points.values + p * width;
        std::array<double, kDistanceLanes> square{};
        for (std::size_t k = 0; k < points.numbers; ++k) {
            for (std::size_t i = 0; i < kDistanceLanes; ++i) {
                const double difference = rows[k * kDistanceLanes + i] - point[k];
                square[i] += difference * difference;
            }
        }
        std::array<double, kDistanceLanes> differing{};
        for (std::size_t k = points.numbers; k < width; ++k) {
            for (std::size_t i = 0; i < kDistanceLanes; ++i) {
                differing[i] += rows[k * kDistanceLanes + i] != point[k] ? 0.5 : 0.0;
            }
        }
        for (std::size_t i = 0; i < kDistanceLanes; ++i) {
            square[i] += differing[i];
            sums[i] += points.weights[p] * (square[i] * std::sqrt(square[i]));
            squares[i] = std::min(squares[i], square[i]);
        }
    }
}

constexpr Kernels kBaseline{"baseline",
                            draw,
                            draw_words,
                            find_bins,
                            add_small_tables,
                            add_large_table,
                            add_trees,
                            find_threshold_bins,
                            add_leaves,
                            find_below,
                            compact<std::uint16_t>,
                            compact<std::uint8_t>,
                            sum_cubes};

}  // namespace

const Kernels& baseline_kernels() {
    return kBaseline;
}

}  // namespace shac
