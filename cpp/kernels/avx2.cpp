// The kernels for AVX2: 16 or 32 rows an instruction. Tables are looked up by shuffles of 16 bytes.
#include <algorithm>

#include "kernels/levels.hpp"
#include "prior/random.hpp"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#define SHAC_AVX2 __attribute__((target("avx2,popcnt")))

namespace shac {
namespace {

constexpr std::size_t kTreeWords = 8;        // words of 64 rows that a tree decides at a time
constexpr std::size_t kFewWords = 3;         // up to so many, trees are gone up row by row
constexpr std::uint32_t kCountedLevels = 4;  // up to so many, counting edges beats searching them

SHAC_AVX2 inline __m256i load(const void* from) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}

SHAC_AVX2 inline void store(void* to, __m256i value) {
    _mm256_storeu_si256(static_cast<__m256i*>(to), value);
}

/// Upper 32 bits of the products with a constant; `low` gets the lower ones.
SHAC_AVX2 inline __m256i multiply(__m256i words, __m256i multiplier, __m256i& low) {
    const __m256i even = _mm256_mul_epu32(words, multiplier);
    const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(words, 32), multiplier);
    low = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA);
    return _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
}

struct Words {
    __m256i word[4];
};

SHAC_AVX2 inline Words philox_at(const DrawRequest& request, std::size_t row, std::uint32_t stream) {
    const auto first_low = static_cast<std::uint32_t>(request.first);
    const __m256i offsets =
        _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(request.offsets + row)));
    const __m256i low = _mm256_add_epi32(_mm256_set1_epi32(static_cast<int>(first_low)), offsets);
    // The sum overflowed iff it is below the offset, which is less than 2^16 where it does.
    const __m256i sign = _mm256_set1_epi32(static_cast<int>(0x80000000U));
    const __m256i carry = _mm256_cmpgt_epi32(_mm256_xor_si256(offsets, sign), _mm256_xor_si256(low, sign));
    const __m256i high = _mm256_sub_epi32(
        _mm256_set1_epi32(static_cast<int>(static_cast<std::uint32_t>(request.first >> 32))), carry);
    Words state{{low, high, _mm256_set1_epi32(static_cast<int>(request.group)),
                 _mm256_set1_epi32(static_cast<int>(stream))}};
    const __m256i multiplier0 = _mm256_set1_epi32(static_cast<int>(kPhiloxMultiplier0));
    const __m256i multiplier1 = _mm256_set1_epi32(static_cast<int>(kPhiloxMultiplier1));
    auto key0 = static_cast<std::uint32_t>(request.seed);
    auto key1 = static_cast<std::uint32_t>(request.seed >> 32);
    for (int round = 0; round < kPhiloxRounds; ++round) {
        __m256i low0;
        __m256i low1;
        const __m256i high0 = multiply(state.word[0], multiplier0, low0);
        const __m256i high1 = multiply(state.word[2], multiplier1, low1);
        state = {{_mm256_xor_si256(_mm256_xor_si256(high1, state.word[1]),
                                   _mm256_set1_epi32(static_cast<int>(key0))),
                  low1,
                  _mm256_xor_si256(_mm256_xor_si256(high0, state.word[3]),
                                   _mm256_set1_epi32(static_cast<int>(key1))),
                  low0}};
        key0 += kPhiloxWeyl0;
        key1 += kPhiloxWeyl1;
    }
    return state;
}

/// The 16-bit values of 16 words, in order.
SHAC_AVX2 inline __m256i join(__m256i first, __m256i second) {
    return _mm256_permute4x64_epi64(_mm256_packus_epi32(first, second), 0xD8);
}

SHAC_AVX2 void draw(const DrawRequest& request, const std::array<std::uint16_t*, 8>& columns) {
    const __m256i lower_half = _mm256_set1_epi32(0xFFFF);
    for (std::size_t row = 0; row < request.rows; row += 16) {
        const Words first = philox_at(request, row, 0);
        const Words second = philox_at(request, row + 8, 0);
        for (std::size_t pair = 0; pair < 4; ++pair) {
            if (columns[2 * pair] != nullptr) {
                store(columns[2 * pair] + row, join(_mm256_and_si256(first.word[pair], lower_half),
                                                    _mm256_and_si256(second.word[pair], lower_half)));
            }
            if (columns[2 * pair + 1] != nullptr) {
                store(columns[2 * pair + 1] + row, join(_mm256_srli_epi32(first.word[pair], 16),
                                                        _mm256_srli_epi32(second.word[pair], 16)));
            }
        }
    }
}

/// Writes eight numbers of 64 bits, from their upper and lower halves.
SHAC_AVX2 inline void store_joined(std::uint64_t* to, __m256i upper, __m256i lower) {
    const __m256i even = _mm256_unpacklo_epi32(lower, upper);
    const __m256i odd = _mm256_unpackhi_epi32(lower, upper);
    store(to, _mm256_permute2x128_si256(even, odd, 0x20));
    store(to + 4, _mm256_permute2x128_si256(even, odd, 0x31));
}

SHAC_AVX2 void draw_words(const DrawRequest& request, std::uint32_t stream, std::uint64_t* first,
                          std::uint64_t* second) {
    for (std::size_t row = 0; row < request.rows; row += 8) {
        const Words words = philox_at(request, row, stream);
        store_joined(first + row, words.word[0], words.word[1]);
        store_joined(second + row, words.word[2], words.word[3]);
    }
}

/// Bits of the 16-bit masks of 32 rows.
SHAC_AVX2 inline std::uint32_t bits_of(__m256i first, __m256i second) {
    const __m256i bytes = _mm256_permute4x64_epi64(_mm256_packs_epi16(first, second), 0xD8);
    return static_cast<std::uint32_t>(_mm256_movemask_epi8(bytes));
}

SHAC_AVX2 inline void store_bins(std::uint8_t* bins, __m256i first, __m256i second) {
    store(bins, _mm256_permute4x64_epi64(_mm256_packus_epi16(first, second), 0xD8));
}

SHAC_AVX2 void count_edges(const EdgeSearch& edges, const std::uint16_t* uniforms, std::size_t rows,
                           std::uint8_t* bins, std::uint64_t* ambiguous) {
    const std::size_t count = std::size_t{1} << edges.levels;  // the last one is padding, 0xFFFF
    const __m256i sign = _mm256_set1_epi16(static_cast<short>(0x8000U));
    for (std::size_t row = 0; row < rows; row += 32) {
        const __m256i first = _mm256_xor_si256(load(uniforms + row), sign);
        const __m256i second = _mm256_xor_si256(load(uniforms + row + 16), sign);
        __m256i first_bin = _mm256_setzero_si256();
        __m256i second_bin = first_bin;
        __m256i first_equal = first_bin;
        __m256i second_equal = first_bin;
        for (std::size_t i = 0; i < count; ++i) {
            const __m256i edge = _mm256_set1_epi16(static_cast<short>(edges.sorted[i] ^ 0x8000U));
            first_bin = _mm256_sub_epi16(first_bin, _mm256_cmpgt_epi16(first, edge));
            second_bin = _mm256_sub_epi16(second_bin, _mm256_cmpgt_epi16(second, edge));
            first_equal = _mm256_or_si256(first_equal, _mm256_cmpeq_epi16(first, edge));
            second_equal = _mm256_or_si256(second_equal, _mm256_cmpeq_epi16(second, edge));
        }
        store_bins(bins + row, first_bin, second_bin);
        ambiguous[row / kLane] |= std::uint64_t{bits_of(first_equal, second_equal)} << (row % kLane);
    }
}

/// Bins of 8 rows, and a mask of those whose uniform equals an edge.
SHAC_AVX2 inline __m256i search(const EdgeSearch& edges, __m256i uniforms, __m256i& equal) {
    const __m256i lower_half = _mm256_set1_epi32(0xFFFF);
    __m256i bin = _mm256_setzero_si256();
    for (std::uint32_t level = 0; level < edges.levels; ++level) {
        const auto* const table =
            reinterpret_cast<const int*>(edges.by_level.data() + EdgeSearch::kLevelOffsets[level]);
        const __m256i edge = _mm256_and_si256(_mm256_i32gather_epi32(table, bin, 2), lower_half);
        bin = _mm256_sub_epi32(_mm256_add_epi32(bin, bin), _mm256_cmpgt_epi32(uniforms, edge));
    }
    // A wider load of the last entry of `sorted` ends in `by_level`.
    const auto* const sorted = reinterpret_cast<const int*>(edges.sorted.data());
    const __m256i edge = _mm256_and_si256(_mm256_i32gather_epi32(sorted, bin, 2), lower_half);
    equal = _mm256_cmpeq_epi32(uniforms, edge);
    return bin;
}

SHAC_AVX2 void find_bins(const EdgeSearch& edges, const std::uint16_t* uniforms, std::size_t rows,
                         std::uint8_t* bins, std::uint64_t* ambiguous) {
    if (edges.levels <= kCountedLevels) {
        count_edges(edges, uniforms, rows, bins, ambiguous);
        return;
    }
    for (std::size_t row = 0; row < rows; row += 32) {
        __m256i bin[4];
        __m256i equal[4];
        for (std::size_t part = 0; part < 4; ++part) {
            const auto* const from = reinterpret_cast<const __m128i*>(uniforms + row + 8 * part);
            bin[part] = search(edges, _mm256_cvtepu16_epi32(_mm_loadu_si128(from)), equal[part]);
        }
        store_bins(bins + row, join(bin[0], bin[1]), join(bin[2], bin[3]));
        const __m256i first = _mm256_permute4x64_epi64(_mm256_packs_epi32(equal[0], equal[1]), 0xD8);
        const __m256i second = _mm256_permute4x64_epi64(_mm256_packs_epi32(equal[2], equal[3]), 0xD8);
        ambiguous[row / kLane] |= std::uint64_t{bits_of(first, second)} << (row % kLane);
    }
}

/// 16 bytes of a table for both halves of a vector.
SHAC_AVX2 inline __m256i part_of(const std::uint8_t* table, std::size_t part) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table + 16 * part)));
}

/// Selects the bytes of one part of 16: indices outside the part get their highest bit, which shuffles to 0.
SHAC_AVX2 inline __m256i selector(__m256i index) {
    return _mm256_adds_epu8(index, _mm256_set1_epi8(0x70));
}

SHAC_AVX2 inline __m256i lookup(const std::uint8_t* table, std::size_t size, __m256i index) {
    __m256i result = _mm256_shuffle_epi8(part_of(table, 0), selector(index));
    for (std::size_t part = 1; 16 * part < size; ++part) {
        index = _mm256_sub_epi8(index, _mm256_set1_epi8(16));
        result = _mm256_or_si256(result, _mm256_shuffle_epi8(part_of(table, part), selector(index)));
    }
    return result;
}

/// Adds the 16-bit entries whose bytes stand in two tables to the sums of 32 rows.
SHAC_AVX2 inline void add_entries(const std::uint8_t* low_table, const std::uint8_t* high_table,
                                  std::size_t size, __m256i index, std::int16_t* sums) {
    __m256i low = _mm256_setzero_si256();
    __m256i high = low;
    for (std::size_t part = 0; 16 * part < size; ++part) {
        const __m256i select = selector(index);
        low = _mm256_or_si256(low, _mm256_shuffle_epi8(part_of(low_table, part), select));
        high = _mm256_or_si256(high, _mm256_shuffle_epi8(part_of(high_table, part), select));
        index = _mm256_sub_epi8(index, _mm256_set1_epi8(16));
    }
    const __m256i outer = _mm256_unpacklo_epi8(low, high);  // rows 0-7 and 16-23
    const __m256i inner = _mm256_unpackhi_epi8(low, high);
    store(sums, _mm256_add_epi16(load(sums), _mm256_permute2x128_si256(outer, inner, 0x20)));
    store(sums + 16, _mm256_add_epi16(load(sums + 16), _mm256_permute2x128_si256(outer, inner, 0x31)));
}

SHAC_AVX2 void add_small_tables(const SmallTable* tables, std::size_t count, const std::uint8_t* bins,
                                std::size_t rows, std::int16_t* sums) {
    for (std::size_t t = 0; t < count; ++t) {
        const SmallTable& table = tables[t];
        for (std::size_t row = 0; row < rows; row += 32) {
            __m256i index = load(bins + table.slots[0] * kChunk + row);
            if (table.dims > 1) {
                index = lookup(table.remap[0].data(), table.max_bins, index);
                for (std::uint32_t d = 1; d < table.dims; ++d) {
                    const __m256i bin = load(bins + table.slots[d] * kChunk + row);
                    index = _mm256_add_epi8(index, lookup(table.remap[d].data(), table.max_bins, bin));
                }
            }
            add_entries(table.low.data(), table.high.data(), table.size, index, sums + row);
        }
    }
}

SHAC_AVX2 void add_large_table(const LargeTable& table, const std::uint8_t* bins, std::size_t rows,
                               std::int16_t* sums) {
    alignas(32) std::uint32_t index[8];
    const std::int16_t* const entries = table.entries.data();
    for (std::size_t row = 0; row < rows; row += 8) {
        __m256i sum = _mm256_setzero_si256();
        for (std::uint32_t d = 0; d < table.dims; ++d) {
            const __m256i bin = _mm256_cvtepu8_epi32(
                _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bins + table.slots[d] * kChunk + row)));
            sum = _mm256_add_epi32(
                sum, _mm256_mullo_epi32(bin, _mm256_set1_epi32(static_cast<int>(table.strides[d]))));
        }
        store(index, sum);
        for (std::size_t i = 0; i < 8; ++i) {
            sums[row + i] = static_cast<std::int16_t>(sums[row + i] + entries[index[i]]);
        }
    }
}

// Few rows: from the leaves up.

/// For 32 rows, bytes that are all ones where a row goes right.
SHAC_AVX2 inline __m256i goes_right(const TreeTable::Node& node, const std::uint8_t* bins) {
    const __m256i bin = load(bins + node.slot * kChunk);
    return _mm256_cmpeq_epi8(_mm256_max_epu8(bin, _mm256_set1_epi8(static_cast<char>(node.threshold + 1))),
                             bin);
}

SHAC_AVX2 inline __m256i goes_right(const LeafTrees::Node& node, const std::uint8_t* bins) {
    const __m256i above =
        _mm256_sub_epi8(load(bins + node.slot * kChunk), _mm256_set1_epi8(static_cast<char>(node.first)));
    return _mm256_cmpeq_epi8(_mm256_min_epu8(above, _mm256_set1_epi8(static_cast<char>(node.span))), above);
}

/// The number of the first leaf below a position of a heap, left to right.
inline std::size_t first_leaf(std::size_t position, std::uint32_t depth) {
    while (position < (std::size_t{1} << depth)) {
        position *= 2;
    }
    return position - (std::size_t{1} << depth);
}

/// Finds the leaves of 32 rows at a time, from the lowest nodes up: each takes what stands at its right or
/// its left child. The work grows with the nodes that a tree has, not with those of a complete one.
template <typename Node>
class LeafFinder {
  public:
    /// `nodes` stand in any order, each before those below it.
    SHAC_AVX2 LeafFinder(const Node* nodes, std::size_t count, std::uint32_t depth)
        : nodes_(nodes), count_(count) {
        at_[1] = _mm256_setzero_si256();
        for (std::size_t n = 0; n < count; ++n) {
            for (std::size_t child = 2 * std::size_t{nodes[n].position};
                 child <= 2 * std::size_t{nodes[n].position} + 1; ++child) {
                at_[child] = _mm256_set1_epi8(static_cast<char>(first_leaf(child, depth)));
            }
        }
    }

    SHAC_AVX2 __m256i leaves_of(const std::uint8_t* bins) {
        for (std::size_t n = count_; n-- > 0;) {
            const std::size_t position = nodes_[n].position;
            at_[position] =
                _mm256_blendv_epi8(at_[2 * position], at_[2 * position + 1], goes_right(nodes_[n], bins));
        }
        return at_[1];
    }

  private:
    const Node* nodes_;
    std::size_t count_;
    __m256i at_[std::size_t{2} << kMaxTreeDepth];  // by position; what stands below no node is not read
};

// Many rows: all of a tree's comparisons as bits, and levels chosen between by bits.

/// A byte of `value` for each bit that is set, 0 for the others.
SHAC_AVX2 inline __m256i expand(std::uint32_t bits, char value) {
    const __m256i spread = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2,
                                            2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
    const __m256i each = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201U));
    const __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi32(static_cast<int>(bits)), spread);
    const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(bytes, each), each);
    return _mm256_and_si256(set, _mm256_set1_epi8(value));
}

SHAC_AVX2 inline std::uint32_t bits_above(const std::uint8_t* bins, __m256i above_threshold) {
    const __m256i bin = load(bins);
    return static_cast<std::uint32_t>(
        _mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_max_epu8(bin, above_threshold), bin)));
}

/// Level by level, the bits of the nodes that rows meet there, at the first position of the level: halves of
/// the level are chosen between by the bits of the levels above, the root's first.
SHAC_AVX2 inline void select_levels(std::uint64_t (*met)[kTreeWords], std::uint32_t depth) {
    for (std::uint32_t level = 1; level < depth; ++level) {
        const std::size_t begin = std::size_t{1} << level;
        std::size_t half = begin / 2;
        for (std::uint32_t upper = 0; upper < level; ++upper, half /= 2) {
            const std::uint64_t* const right = met[std::size_t{1} << upper];
            for (std::size_t p = begin; p < begin + half; ++p) {
                for (std::size_t word = 0; word < kTreeWords; ++word) {
                    met[p][word] ^= right[word] & (met[p][word] ^ met[p + half][word]);
                }
            }
        }
    }
}

/// Index of the leaf of each of 32 rows, the lower or the upper half of a word.
SHAC_AVX2 inline __m256i leaf_index(const std::uint64_t (*met)[kTreeWords], std::uint32_t depth,
                                    std::size_t word, std::size_t part) {
    __m256i index = _mm256_setzero_si256();
    for (std::uint32_t level = 0; level < depth; ++level) {
        const auto bits = static_cast<std::uint32_t>(met[std::size_t{1} << level][word] >> (32 * part));
        index = _mm256_or_si256(index, expand(bits, static_cast<char>(1 << (depth - 1 - level))));
    }
    return index;
}

SHAC_AVX2 void add_tree(const TreeTable& tree, const std::uint8_t* bins, std::size_t words,
                        std::int16_t* sums) {
    std::uint8_t low[64];
    std::uint8_t high[64];
    for (std::size_t leaf = 0; leaf < 64; ++leaf) {
        low[leaf] = static_cast<std::uint8_t>(tree.leaves[leaf]);
        high[leaf] = static_cast<std::uint8_t>(static_cast<std::uint16_t>(tree.leaves[leaf]) >> 8);
    }
    const std::size_t size = std::size_t{1} << tree.depth;
    if (words <= kFewWords) {
        LeafFinder<TreeTable::Node> finder(tree.nodes.data(), tree.nodes.size(), tree.depth);
        for (std::size_t row = 0; row < words * kLane; row += 32) {
            add_entries(low, high, size, finder.leaves_of(bins + row), sums + row);
        }
        return;
    }
    std::uint64_t met[64][kTreeWords] = {};
    for (const TreeTable::Node& node : tree.nodes) {
        const std::uint8_t* const column = bins + node.slot * kChunk;
        const __m256i above = _mm256_set1_epi8(static_cast<char>(node.threshold + 1));
        for (std::size_t word = 0; word < words; ++word) {
            met[node.position][word] = bits_above(column + word * kLane, above) |
                                       std::uint64_t{bits_above(column + word * kLane + 32, above)} << 32;
        }
    }
    select_levels(met, tree.depth);
    for (std::size_t word = 0; word < words; ++word) {
        for (std::size_t part = 0; part < 2; ++part) {
            const __m256i index = leaf_index(met, tree.depth, word, part);
            add_entries(low, high, size, index, sums + word * kLane + 32 * part);
        }
    }
}

SHAC_AVX2 void add_trees(const TreeTable* trees, std::size_t count, const std::uint8_t* bins,
                         std::size_t rows, std::int16_t* sums) {
    for (std::size_t begin = 0; begin < rows; begin += kTreeWords * kLane) {
        const std::size_t left = (rows - begin) / kLane;
        for (std::size_t t = 0; t < count; ++t) {
            add_tree(trees[t], bins + begin, left < kTreeWords ? left : kTreeWords, sums + begin);
        }
    }
}

/// Entries at 32-bit indices of a table of 8 * kVectors floats.
template <int kVectors>
SHAC_AVX2 inline __m256 lookup_floats(const float* table, __m256i index) {
    if constexpr (kVectors == 1) {
        return _mm256_permutevar8x32_ps(_mm256_loadu_ps(table), index);
    } else if constexpr (kVectors == 2) {
        const __m256 upper = _mm256_castsi256_ps(_mm256_slli_epi32(index, 28));
        return _mm256_blendv_ps(_mm256_permutevar8x32_ps(_mm256_loadu_ps(table), index),
                                _mm256_permutevar8x32_ps(_mm256_loadu_ps(table + 8), index), upper);
    } else {
        return _mm256_i32gather_ps(table, index, 4);
    }
}

template <int kVectors>
SHAC_AVX2 inline __m256i descend(const float* edges, __m256 values, __m256i bin) {
    const __m256 reached = _mm256_cmp_ps(lookup_floats<kVectors>(edges, bin), values, _CMP_LE_OQ);
    return _mm256_sub_epi32(_mm256_add_epi32(bin, bin), _mm256_castps_si256(reached));
}

SHAC_AVX2 inline __m256i threshold_bin(const ThresholdSearch& thresholds, __m256 values) {
    __m256i bin = _mm256_setzero_si256();
    for (std::uint32_t level = 0; level < thresholds.levels; ++level) {
        const float* const edges = thresholds.by_level.data() + ThresholdSearch::kLevelOffsets[level];
        bin = level < 4    ? descend<1>(edges, values, bin)
              : level == 4 ? descend<2>(edges, values, bin)
                           : descend<4>(edges, values, bin);
    }
    return bin;
}

/// Counts the thresholds one by one.
SHAC_AVX2 inline __m256i count_thresholds(const ThresholdSearch& thresholds, __m256 values) {
    __m256i bin = _mm256_setzero_si256();
    for (const float threshold : thresholds.sorted) {
        const __m256 reached = _mm256_cmp_ps(_mm256_set1_ps(threshold), values, _CMP_LE_OQ);
        bin = _mm256_sub_epi32(bin, _mm256_castps_si256(reached));
    }
    return bin;
}

SHAC_AVX2 void find_threshold_bins(const ThresholdSearch& thresholds, const float* values, std::size_t rows,
                                   std::uint8_t* bins) {
    const bool counts = thresholds.levels < kCountedLevels;
    const __m256i in_order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    for (std::size_t row = 0; row < rows; row += 32) {
        __m256i bin[4];
        for (std::size_t part = 0; part < 4; ++part) {
            const __m256 x = _mm256_loadu_ps(values + row + 8 * part);
            bin[part] = counts ? count_thresholds(thresholds, x) : threshold_bin(thresholds, x);
            const __m256i missing = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
            bin[part] = _mm256_or_si256(bin[part], _mm256_and_si256(missing, _mm256_set1_epi32(kMissingBin)));
        }
        const __m256i bytes =
            _mm256_packus_epi16(_mm256_packus_epi32(bin[0], bin[1]), _mm256_packus_epi32(bin[2], bin[3]));
        store(bins + row, _mm256_permutevar8x32_epi32(bytes, in_order));
    }
}

/// Adds the leaves at byte indices to the sums of 32 rows.
template <int kVectors>
SHAC_AVX2 inline void add_leaves_at(const float* leaves, __m256i index, float* sums) {
    const __m128i halves[2] = {_mm256_castsi256_si128(index), _mm256_extracti128_si256(index, 1)};
    for (std::size_t half = 0; half < 2; ++half) {
        const __m256i first = _mm256_cvtepu8_epi32(halves[half]);
        const __m256i second = _mm256_cvtepu8_epi32(_mm_srli_si128(halves[half], 8));
        float* const sum = sums + 16 * half;
        _mm256_storeu_ps(sum, _mm256_add_ps(_mm256_loadu_ps(sum), lookup_floats<kVectors>(leaves, first)));
        _mm256_storeu_ps(sum + 8,
                         _mm256_add_ps(_mm256_loadu_ps(sum + 8), lookup_floats<kVectors>(leaves, second)));
    }
}

SHAC_AVX2 inline std::uint32_t bits_right(const LeafTrees::Node& node, const std::uint8_t* bins) {
    const __m256i above = _mm256_sub_epi8(load(bins), _mm256_set1_epi8(static_cast<char>(node.first)));
    const __m256i span = _mm256_set1_epi8(static_cast<char>(node.span));
    return static_cast<std::uint32_t>(
        _mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_min_epu8(above, span), above)));
}

SHAC_AVX2 void add_leaves_of(const LeafTrees& trees, const LeafTrees::Tree& tree, const std::uint8_t* bins,
                             std::size_t words, float* sums) {
    const float* const leaves = trees.leaves.data() + tree.leaves_begin;
    const auto add = [&](__m256i index, std::size_t row) SHAC_AVX2 {
        if (tree.depth <= 3) {
            add_leaves_at<1>(leaves, index, sums + row);
        } else if (tree.depth == 4) {
            add_leaves_at<2>(leaves, index, sums + row);
        } else {
            add_leaves_at<4>(leaves, index, sums + row);
        }
    };
    if (words <= kFewWords) {
        LeafFinder<LeafTrees::Node> finder(trees.nodes.data() + tree.nodes_begin,
                                           tree.nodes_end - tree.nodes_begin, tree.depth);
        for (std::size_t row = 0; row < words * kLane; row += 32) {
            add(finder.leaves_of(bins + row), row);
        }
        return;
    }
    std::uint64_t met[64][kTreeWords];
    const std::size_t inner = std::size_t{1} << tree.depth;
    if (tree.nodes_end - tree.nodes_begin + 1 < inner) {
        std::fill(&met[0][0], &met[0][0] + inner * kTreeWords, 0);
    }
    for (std::uint32_t n = tree.nodes_begin; n < tree.nodes_end; ++n) {
        const LeafTrees::Node& node = trees.nodes[n];
        const std::uint8_t* const column = bins + node.slot * kChunk;
        for (std::size_t word = 0; word < words; ++word) {
            met[node.position][word] = bits_right(node, column + word * kLane) |
                                       std::uint64_t{bits_right(node, column + word * kLane + 32)} << 32;
        }
        std::fill(&met[node.position][0] + words, &met[node.position][0] + kTreeWords, 0);
    }
    select_levels(met, tree.depth);
    for (std::size_t word = 0; word < words; ++word) {
        for (std::size_t part = 0; part < 2; ++part) {
            add(leaf_index(met, tree.depth, word, part), word * kLane + 32 * part);
        }
    }
}

SHAC_AVX2 void add_leaves(const LeafTrees& trees, const std::uint8_t* bins, std::size_t rows, float* sums) {
    for (std::size_t begin = 0; begin < rows; begin += kTreeWords * kLane) {
        const std::size_t left = (rows - begin) / kLane;
        for (const LeafTrees::Tree& tree : trees.trees) {
            add_leaves_of(trees, tree, bins + begin, left < kTreeWords ? left : kTreeWords, sums + begin);
        }
    }
}

SHAC_AVX2 void find_below(const std::int16_t* sums, std::int16_t limit, std::size_t rows,
                          std::uint64_t* below) {
    const __m256i limits = _mm256_set1_epi16(limit);
    for (std::size_t row = 0; row < rows; row += 32) {
        const std::uint32_t bits = bits_of(_mm256_cmpgt_epi16(limits, load(sums + row)),
                                           _mm256_cmpgt_epi16(limits, load(sums + row + 16)));
        if (row % kLane == 0) {
            below[row / kLane] = bits;
        } else {
            below[row / kLane] |= std::uint64_t{bits} << 32;
        }
    }
}

/// For each byte of bits, the positions of those that are set, lowest first.
struct BitPositions {
    alignas(64) std::uint8_t positions[256][8];

    constexpr BitPositions() : positions() {
        for (std::size_t bits = 0; bits < 256; ++bits) {
            std::size_t count = 0;
            for (std::uint8_t i = 0; i < 8; ++i) {
                if ((bits >> i & 1U) != 0) {
                    positions[bits][count++] = i;
                }
            }
        }
    }
};

constexpr BitPositions kBitPositions;

SHAC_AVX2 void compact_words(const std::uint64_t* keep, std::size_t rows, const std::uint16_t* in,
                             std::uint16_t* out) {
    for (std::size_t row = 0; row < rows; row += 8) {
        const auto bits = static_cast<std::uint8_t>(keep[row / kLane] >> (row % kLane));
        const __m128i positions =
            _mm_loadl_epi64(reinterpret_cast<const __m128i*>(kBitPositions.positions[bits]));
        const __m128i twice = _mm_add_epi8(positions, positions);
        const __m128i bytes = _mm_unpacklo_epi8(twice, _mm_add_epi8(twice, _mm_set1_epi8(1)));
        const __m128i values = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + row));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm_shuffle_epi8(values, bytes));
        out += __builtin_popcount(bits);
    }
}

SHAC_AVX2 void compact_bytes(const std::uint64_t* keep, std::size_t rows, const std::uint8_t* in,
                             std::uint8_t* out) {
    for (std::size_t row = 0; row < rows; row += 8) {
        const auto bits = static_cast<std::uint8_t>(keep[row / kLane] >> (row % kLane));
        const __m128i positions =
            _mm_loadl_epi64(reinterpret_cast<const __m128i*>(kBitPositions.positions[bits]));
        const __m128i values = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(in + row));
        _mm_storel_epi64(reinterpret_cast<__m128i*>(out), _mm_shuffle_epi8(values, positions));
        out += __builtin_popcount(bits);
    }
}

struct Four {
    __m256d low, high;
};

SHAC_AVX2 inline Four lanes_at(const double* from) {
    return {_mm256_loadu_pd(from), _mm256_loadu_pd(from + 4)};
}

SHAC_AVX2 inline __m256d add_square(__m256d sum, __m256d difference) {
    return _mm256_add_pd(sum, _mm256_mul_pd(difference, difference));
}

SHAC_AVX2 inline __m256d add_code(__m256d sum, __m256d code, __m256d other) {
    return _mm256_add_pd(sum, _mm256_and_pd(_mm256_cmp_pd(code, other, _CMP_NEQ_UQ), _mm256_set1_pd(0.5)));
}

SHAC_AVX2 inline __m256d add_cube(__m256d sum, __m256d weight, __m256d square) {
    const __m256d cube = _mm256_mul_pd(square, _mm256_sqrt_pd(square));
    return _mm256_add_pd(sum, _mm256_mul_pd(weight, cube));
}

/// The squared distances of eight rows from two points.
struct TwoSquares {
    Four first, second;
};

/// Two sums at a time fill the time that one addition waits for the one before it.
SHAC_AVX2 inline TwoSquares squares_from(const WeightedPoints& points, const double* first,
                                         const double* second, const double* rows) {
    const __m256d zero = _mm256_setzero_pd();
    TwoSquares square{{zero, zero}, {zero, zero}};
    for (std::size_t k = 0; k < points.numbers; ++k) {
        const Four row = lanes_at(rows + k * kDistanceLanes);
        const __m256d one = _mm256_set1_pd(first[k]);
        const __m256d other = _mm256_set1_pd(second[k]);
        square.first.low = add_square(square.first.low, _mm256_sub_pd(row.low, one));
        square.first.high = add_square(square.first.high, _mm256_sub_pd(row.high, one));
        square.second.low = add_square(square.second.low, _mm256_sub_pd(row.low, other));
        square.second.high = add_square(square.second.high, _mm256_sub_pd(row.high, other));
    }
    TwoSquares differing{{zero, zero}, {zero, zero}};
    for (std::size_t k = points.numbers; k < points.numbers + points.codes; ++k) {
        const Four row = lanes_at(rows + k * kDistanceLanes);
        const __m256d one = _mm256_set1_pd(first[k]);
        const __m256d other = _mm256_set1_pd(second[k]);
        differing.first.low = add_code(differing.first.low, row.low, one);
        differing.first.high = add_code(differing.first.high, row.high, one);
        differing.second.low = add_code(differing.second.low, row.low, other);
        differing.second.high = add_code(differing.second.high, row.high, other);
    }
    square.first.low = _mm256_add_pd(square.first.low, differing.first.low);
    square.first.high = _mm256_add_pd(square.first.high, differing.first.high);
    square.second.low = _mm256_add_pd(square.second.low, differing.second.low);
    square.second.high = _mm256_add_pd(square.second.high, differing.second.high);
    return square;
}

struct SumAndLeast {
    Four sum, least;

    SHAC_AVX2 inline void add(double weight, Four square) {
        const __m256d weights = _mm256_set1_pd(weight);
        sum.low = add_cube(sum.low, weights, square.low);
        sum.high = add_cube(sum.high, weights, square.high);
        least.low = _mm256_min_pd(least.low, square.low);
        least.high = _mm256_min_pd(least.high, square.high);
    }
};

SHAC_AVX2 void sum_cubes(const WeightedPoints& points, const double* rows, double* sums, double* squares) {
    const std::size_t width = points.numbers + points.codes;
    const __m256d zero = _mm256_setzero_pd();
    const __m256d infinity = _mm256_set1_pd(__builtin_inf());
    SumAndLeast result{{zero, zero}, {infinity, infinity}};
    for (std::size_t p = 0; p < points.count; p += 2) {
        const double* const first = points.values + p * width;
        const bool has_second = p + 1 < points.count;
        const TwoSquares square = squares_from(points, first, has_second ? first + width : first, rows);
        result.add(points.weights[p], square.first);
        if (has_second) {
            result.add(points.weights[p + 1], square.second);
        }
    }
    _mm256_storeu_pd(sums, result.sum.low);
    _mm256_storeu_pd(sums + 4, result.sum.high);
    _mm256_storeu_pd(squares, result.least.low);
    _mm256_storeu_pd(squares + 4, result.least.high);
}

constexpr Kernels kAvx2{"avx2",           draw,
                        draw_words,       find_bins,
                        add_small_tables, add_large_table,
                        add_trees,        find_threshold_bins,
                        add_leaves,       find_below,
                        compact_words,    compact_bytes,
                        sum_cubes};

}  // namespace

const Kernels* avx2_kernels() {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt") ? &kAvx2 : nullptr;
}

}  // namespace shac

#else

namespace shac {

const Kernels* avx2_kernels() {
    return nullptr;
}

}  // namespace shac

#endif
