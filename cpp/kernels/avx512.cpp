// The kernels for AVX-512 with byte permutes: 32 or 64 rows an instruction. Tables of up to 256 entries are
// looked up by permutes of registers instead of loads, 64 rows at a time.
#include "kernels/levels.hpp"
#include "prior/random.hpp"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#define SHAC_AVX512 \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,popcnt")))

namespace shac {
namespace {

SHAC_AVX512 inline __m512i load(const void* from) {
    return _mm512_loadu_si512(from);
}

SHAC_AVX512 inline void store(void* to, __m512i value) {
    _mm512_storeu_si512(to, value);
}

/// Philox blocks of 32 rows. A word stands in the lower half of 64 bits, where a product leaves both of its
/// halves without shuffling; what an upper half holds is never read.
struct Words {
    __m512i word[4][4];  // by word, then 8 rows each
};

SHAC_AVX512 inline void philox_at(const DrawRequest& request, std::size_t row, std::uint32_t stream,
                                  Words& state) {
    const __m512i first = _mm512_set1_epi64(static_cast<long long>(request.first));
    for (std::size_t part = 0; part < 4; ++part) {
        const auto* const offsets = reinterpret_cast<const __m128i*>(request.offsets + row + 8 * part);
        const __m512i candidate = _mm512_add_epi64(first, _mm512_cvtepu16_epi64(_mm_loadu_si128(offsets)));
        state.word[0][part] = candidate;
        state.word[1][part] = _mm512_srli_epi64(candidate, 32);
        state.word[2][part] = _mm512_set1_epi64(request.group);
        state.word[3][part] = _mm512_set1_epi64(stream);
    }
    const __m512i multiplier0 = _mm512_set1_epi64(kPhiloxMultiplier0);
    const __m512i multiplier1 = _mm512_set1_epi64(kPhiloxMultiplier1);
    auto key0 = static_cast<std::uint32_t>(request.seed);
    auto key1 = static_cast<std::uint32_t>(request.seed >> 32);
    constexpr int kXor3 = 0x96;
    for (int round = 0; round < kPhiloxRounds; ++round) {
        const __m512i keys0 = _mm512_set1_epi64(key0);
        const __m512i keys1 = _mm512_set1_epi64(key1);
        for (std::size_t part = 0; part < 4; ++part) {
            const __m512i product0 = _mm512_mul_epu32(state.word[0][part], multiplier0);
            const __m512i product1 = _mm512_mul_epu32(state.word[2][part], multiplier1);
            state.word[0][part] =
                _mm512_ternarylogic_epi64(_mm512_srli_epi64(product1, 32), state.word[1][part], keys0, kXor3);
            state.word[1][part] = product1;
            state.word[2][part] =
                _mm512_ternarylogic_epi64(_mm512_srli_epi64(product0, 32), state.word[3][part], keys1, kXor3);
            state.word[3][part] = product0;
        }
        key0 += kPhiloxWeyl0;
        key1 += kPhiloxWeyl1;
    }
}

/// The halves of 32 words that stand at 16-bit places 4 i + k; `places` holds them for 16 rows.
SHAC_AVX512 inline __m512i halves(const __m512i (&word)[4], __m512i places) {
    const __m512i first = _mm512_permutex2var_epi16(word[0], places, word[1]);
    const __m512i second = _mm512_permutex2var_epi16(word[2], places, word[3]);
    return _mm512_inserti64x4(first, _mm512_castsi512_si256(second), 1);
}

SHAC_AVX512 void draw(const DrawRequest& request, const std::array<std::uint16_t*, 8>& columns) {
    alignas(64) std::uint16_t lower_halves[32] = {};
    for (std::uint16_t i = 0; i < 16; ++i) {
        lower_halves[i] = static_cast<std::uint16_t>(4 * i);
    }
    const __m512i even = load(lower_halves);
    const __m512i odd = _mm512_add_epi16(even, _mm512_set1_epi16(1));
    Words words;
    for (std::size_t row = 0; row < request.rows; row += 32) {
        philox_at(request, row, 0, words);
        for (std::size_t pair = 0; pair < 4; ++pair) {
            if (columns[2 * pair] != nullptr) {
                store(columns[2 * pair] + row, halves(words.word[pair], even));
            }
            if (columns[2 * pair + 1] != nullptr) {
                store(columns[2 * pair + 1] + row, halves(words.word[pair], odd));
            }
        }
    }
}

SHAC_AVX512 void draw_words(const DrawRequest& request, std::uint32_t stream, std::uint64_t* first,
                            std::uint64_t* second) {
    const __m512i lower = _mm512_set1_epi64(0xFFFFFFFF);
    Words words;
    for (std::size_t row = 0; row < request.rows; row += 32) {
        philox_at(request, row, stream, words);
        for (std::size_t part = 0; part < 4; ++part) {
            store(first + row + 8 * part, _mm512_or_si512(_mm512_slli_epi64(words.word[0][part], 32),
                                                          _mm512_and_si512(words.word[1][part], lower)));
            store(second + row + 8 * part, _mm512_or_si512(_mm512_slli_epi64(words.word[2][part], 32),
                                                           _mm512_and_si512(words.word[3][part], lower)));
        }
    }
}

/// Entries at 16-bit indices of a table of 32 * kVectors entries.
template <int kVectors>
SHAC_AVX512 inline __m512i lookup_words(const std::uint16_t* table, __m512i index) {
    if constexpr (kVectors == 1) {
        return _mm512_permutexvar_epi16(index, load(table));
    } else if constexpr (kVectors == 2) {
        return _mm512_permutex2var_epi16(load(table), index, load(table + 32));
    } else {
        const __mmask32 upper =
            _mm512_test_epi16_mask(index, _mm512_set1_epi16(static_cast<short>(16 * kVectors)));
        return _mm512_mask_blend_epi16(upper, lookup_words<kVectors / 2>(table, index),
                                       lookup_words<kVectors / 2>(table + 16 * kVectors, index));
    }
}

template <int kLevel>
SHAC_AVX512 inline __m512i descend(const EdgeSearch& edges, __m512i uniforms, __m512i bin) {
    constexpr int kVectors = kLevel < 6 ? 1 : (kLevel == 6 ? 2 : 4);
    const __m512i edge =
        lookup_words<kVectors>(edges.by_level.data() + EdgeSearch::kLevelOffsets[kLevel], bin);
    const __mmask32 right = _mm512_cmplt_epu16_mask(edge, uniforms);
    const __m512i doubled = _mm512_add_epi16(bin, bin);
    return _mm512_mask_sub_epi16(doubled, right, doubled, _mm512_set1_epi16(-1));
}

template <int kLevels>
SHAC_AVX512 inline __m512i search(const EdgeSearch& edges, __m512i uniforms, __mmask32& equal) {
    __m512i bin = _mm512_setzero_si512();
    if constexpr (kLevels > 0) {
        bin = _mm512_maskz_set1_epi16(
            _mm512_cmplt_epu16_mask(_mm512_set1_epi16(static_cast<short>(edges.by_level[0])), uniforms), 1);
    }
    if constexpr (kLevels > 1) {
        bin = descend<1>(edges, uniforms, bin);
    }
    if constexpr (kLevels > 2) {
        bin = descend<2>(edges, uniforms, bin);
    }
    if constexpr (kLevels > 3) {
        bin = descend<3>(edges, uniforms, bin);
    }
    if constexpr (kLevels > 4) {
        bin = descend<4>(edges, uniforms, bin);
    }
    if constexpr (kLevels > 5) {
        bin = descend<5>(edges, uniforms, bin);
    }
    if constexpr (kLevels > 6) {
        bin = descend<6>(edges, uniforms, bin);
    }
    if constexpr (kLevels > 7) {
        bin = descend<7>(edges, uniforms, bin);
    }
    constexpr int kVectors = kLevels < 6 ? 1 : (1 << (kLevels - 5));
    equal = _mm512_cmpeq_epu16_mask(lookup_words<kVectors>(edges.sorted.data(), bin), uniforms);
    return bin;
}

template <int kLevels>
SHAC_AVX512 void find_bins_of(const EdgeSearch& edges, const std::uint16_t* uniforms, std::size_t rows,
                              std::uint8_t* bins, std::uint64_t* ambiguous) {
    for (std::size_t row = 0; row < rows; row += kLane) {
        __mmask32 equal_low;
        __mmask32 equal_high;
        const __m512i low = search<kLevels>(edges, load(uniforms + row), equal_low);
        const __m512i high = search<kLevels>(edges, load(uniforms + row + 32), equal_high);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(bins + row), _mm512_cvtepi16_epi8(low));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(bins + row + 32), _mm512_cvtepi16_epi8(high));
        ambiguous[row / kLane] |= std::uint64_t{equal_high} << 32 | equal_low;
    }
}

void find_bins(const EdgeSearch& edges, const std::uint16_t* uniforms, std::size_t rows, std::uint8_t* bins,
               std::uint64_t* ambiguous) {
    using Search =
        void (*)(const EdgeSearch&, const std::uint16_t*, std::size_t, std::uint8_t*, std::uint64_t*);
    constexpr std::array<Search, 9> kSearches{find_bins_of<0>, find_bins_of<1>, find_bins_of<2>,
                                              find_bins_of<3>, find_bins_of<4>, find_bins_of<5>,
                                              find_bins_of<6>, find_bins_of<7>, find_bins_of<8>};
    kSearches[edges.levels](edges, uniforms, rows, bins, ambiguous);
}

/// Entries at byte indices of a table of 64 * kVectors entries.
template <int kVectors>
SHAC_AVX512 inline __m512i lookup_bytes(const std::uint8_t* table, __m512i index) {
    if constexpr (kVectors == 1) {
        return _mm512_permutexvar_epi8(index, load(table));
    } else if constexpr (kVectors == 2) {
        return _mm512_permutex2var_epi8(load(table), index, load(table + 64));
    } else {
        return _mm512_mask_blend_epi8(_mm512_movepi8_mask(index), lookup_bytes<2>(table, index),
                                      lookup_bytes<2>(table + 128, index));
    }
}

template <int kDims, int kBinVectors, int kVectors>
SHAC_AVX512 void add_small_table(const SmallTable& table, const std::uint8_t* bins, std::size_t rows,
                                 std::int16_t* sums) {
    const std::uint8_t* const first = bins + table.slots[0] * kChunk;
    const std::uint8_t* const second = bins + table.slots[kDims > 1 ? 1 : 0] * kChunk;
    const std::uint8_t* const third = bins + table.slots[kDims > 2 ? 2 : 0] * kChunk;
    for (std::size_t row = 0; row < rows; row += kLane) {
        __m512i index = load(first + row);
        if constexpr (kDims > 1) {
            index = _mm512_add_epi8(lookup_bytes<kBinVectors>(table.remap[0].data(), index),
                                    lookup_bytes<kBinVectors>(table.remap[1].data(), load(second + row)));
        }
        if constexpr (kDims > 2) {
            index =
                _mm512_add_epi8(index, lookup_bytes<kBinVectors>(table.remap[2].data(), load(third + row)));
        }
        const __m512i low = lookup_bytes<kVectors>(table.low.data(), index);
        const __m512i high = lookup_bytes<kVectors>(table.high.data(), index);
        // Interleaving within 128-bit parts leaves rows 0-7 of each part in the first sum, 8-15 in the
        // second.
        std::int16_t* const sum = sums + row;
        store(sum, _mm512_add_epi16(load(sum), _mm512_unpacklo_epi8(low, high)));
        store(sum + 32, _mm512_add_epi16(load(sum + 32), _mm512_unpackhi_epi8(low, high)));
    }
}

template <int kDims, int kBinVectors>
SHAC_AVX512 void add_small_table_of(const SmallTable& table, const std::uint8_t* bins, std::size_t rows,
                                    std::int16_t* sums) {
    if (table.size <= 64) {
        add_small_table<kDims, kBinVectors, 1>(table, bins, rows, sums);
    } else if (table.size <= 128) {
        add_small_table<kDims, kBinVectors, 2>(table, bins, rows, sums);
    } else {
        add_small_table<kDims, kBinVectors, 4>(table, bins, rows, sums);
    }
}

template <int kDims>
SHAC_AVX512 void add_small_table_with(const SmallTable& table, const std::uint8_t* bins, std::size_t rows,
                                      std::int16_t* sums) {
    if (table.max_bins <= 64) {
        add_small_table_of<kDims, 1>(table, bins, rows, sums);
    } else if (table.max_bins <= 128) {
        add_small_table_of<kDims, 2>(table, bins, rows, sums);
    } else {
        add_small_table_of<kDims, 4>(table, bins, rows, sums);
    }
}

/// Exchanges the order of sums that add_small_table works in with the order of rows.
template <bool kToRows>
SHAC_AVX512 void reorder(std::size_t rows, std::int16_t* sums) {
    const __m512i to_low =
        kToRows ? _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0) : _mm512_set_epi64(13, 12, 9, 8, 5, 4, 1, 0);
    const __m512i to_high =
        kToRows ? _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4) : _mm512_set_epi64(15, 14, 11, 10, 7, 6, 3, 2);
    for (std::size_t row = 0; row < rows; row += kLane) {
        const __m512i low = load(sums + row);
        const __m512i high = load(sums + row + 32);
        store(sums + row, _mm512_permutex2var_epi64(low, to_low, high));
        store(sums + row + 32, _mm512_permutex2var_epi64(low, to_high, high));
    }
}

SHAC_AVX512 void add_small_tables(const SmallTable* tables, std::size_t count, const std::uint8_t* bins,
                                  std::size_t rows, std::int16_t* sums) {
    reorder<false>(rows, sums);
    for (std::size_t t = 0; t < count; ++t) {
        if (tables[t].dims == 1) {
            add_small_table_of<1, 1>(tables[t], bins, rows, sums);
        } else if (tables[t].dims == 2) {
            add_small_table_with<2>(tables[t], bins, rows, sums);
        } else {
            add_small_table_with<3>(tables[t], bins, rows, sums);
        }
    }
    reorder<true>(rows, sums);
}

SHAC_AVX512 void add_large_table(const LargeTable& table, const std::uint8_t* bins, std::size_t rows,
                                 std::int16_t* sums) {
    alignas(64) std::uint32_t index[16];
    const std::int16_t* const entries = table.entries.data();
    for (std::size_t row = 0; row < rows; row += 16) {
        __m512i sum = _mm512_setzero_si512();
        for (std::uint32_t d = 0; d < table.dims; ++d) {
            const __m512i bin = _mm512_cvtepu8_epi32(
                _mm_loadu_si128(reinterpret_cast<const __m128i*>(bins + table.slots[d] * kChunk + row)));
            sum = _mm512_add_epi32(
                sum, _mm512_mullo_epi32(bin, _mm512_set1_epi32(static_cast<int>(table.strides[d]))));
        }
        store(index, sum);
        for (std::size_t i = 0; i < 16; ++i) {
            sums[row + i] = static_cast<std::int16_t>(sums[row + i] + entries[index[i]]);
        }
    }
}

/// Rows that a tree decides at a time: a vector of words of 64 rows.
constexpr std::size_t kTreeRows = 512;

/// Index of the leaf of each of 64 rows, from a word of bits for each level.
SHAC_AVX512 inline __m512i leaf_index(const std::uint64_t (*bits)[8], std::uint32_t depth, std::size_t word) {
    __m512i index = _mm512_setzero_si512();
    for (std::uint32_t level = 0; level < depth; ++level) {
        const __m512i bit = _mm512_set1_epi8(static_cast<char>(1 << (depth - 1 - level)));
        index = _mm512_mask_or_epi32(index, 0xFFFF, index,
                                     _mm512_maskz_mov_epi8(_cvtu64_mask64(bits[level][word]), bit));
    }
    return index;
}

/// Level by level, the bits of the nodes that rows meet there: halves of the level are chosen between by the
/// bits of the levels above, the root's first.
SHAC_AVX512 inline void select_levels(const std::uint64_t (*right)[8], std::uint32_t depth,
                                      std::uint64_t (*bits)[8]) {
    __m512i above[kMaxTreeDepth];
    for (std::uint32_t level = 0; level < depth; ++level) {
        __m512i met[32];
        const std::size_t begin = std::size_t{1} << level;
        for (std::size_t p = 0; p < begin; ++p) {
            met[p] = load(right[begin + p]);
        }
        std::size_t half = begin / 2;
        for (std::uint32_t upper = 0; upper < level; ++upper, half /= 2) {
            constexpr int kSelect = 0xCA;  // a ? b : c
            for (std::size_t p = 0; p < half; ++p) {
                met[p] = _mm512_ternarylogic_epi64(above[upper], met[p + half], met[p], kSelect);
            }
        }
        above[level] = met[0];
        store(bits[level], met[0]);
    }
}

SHAC_AVX512 void add_tree(const TreeTable& tree, const std::uint8_t* bins, std::size_t words,
                          std::int16_t* sums) {
    alignas(64) std::uint64_t right[64][8];
    const std::size_t inner = std::size_t{1} << tree.depth;
    if (tree.nodes.size() + 1 < inner) {  // where a leaf stands higher, all leaves below it are the same
        for (std::size_t position = 1; position < inner; ++position) {
            store(right[position], _mm512_setzero_si512());
        }
    }
    for (const TreeTable::Node& node : tree.nodes) {
        const std::uint8_t* const column = bins + node.slot * kChunk;
        const __m512i threshold = _mm512_set1_epi8(static_cast<char>(node.threshold));
        for (std::size_t word = 0; word < words; ++word) {
            right[node.position][word] =
                _cvtmask64_u64(_mm512_cmpgt_epu8_mask(load(column + word * kLane), threshold));
        }
    }
    alignas(64) std::uint64_t bits[kMaxTreeDepth][8];
    select_levels(right, tree.depth, bits);
    const auto* const leaves = reinterpret_cast<const std::uint16_t*>(tree.leaves.data());
    for (std::size_t word = 0; word < words; ++word) {
        const __m512i index = leaf_index(bits, tree.depth, word);
        std::int16_t* const sum = sums + word * kLane;
        const __m512i low = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(index));
        const __m512i high = _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(index, 1));
        store(sum, _mm512_add_epi16(load(sum), lookup_words<2>(leaves, low)));
        store(sum + 32, _mm512_add_epi16(load(sum + 32), lookup_words<2>(leaves, high)));
    }
}

SHAC_AVX512 void add_trees(const TreeTable* trees, std::size_t count, const std::uint8_t* bins,
                           std::size_t rows, std::int16_t* sums) {
    for (std::size_t begin = 0; begin < rows; begin += kTreeRows) {
        const std::size_t words = (rows - begin < kTreeRows ? rows - begin : kTreeRows) / kLane;
        for (std::size_t t = 0; t < count; ++t) {
            add_tree(trees[t], bins + begin, words, sums + begin);
        }
    }
}

/// Entries at 32-bit indices of a table of 16 * kVectors floats.
template <int kVectors>
SHAC_AVX512 inline __m512 lookup_floats(const float* table, __m512i index) {
    if constexpr (kVectors == 1) {
        return _mm512_permutexvar_ps(index, _mm512_loadu_ps(table));
    } else if constexpr (kVectors == 2) {
        return _mm512_permutex2var_ps(_mm512_loadu_ps(table), index, _mm512_loadu_ps(table + 16));
    } else {
        const __mmask16 upper = _mm512_test_epi32_mask(index, _mm512_set1_epi32(8 * kVectors));
        return _mm512_mask_blend_ps(upper, lookup_floats<kVectors / 2>(table, index),
                                    lookup_floats<kVectors / 2>(table + 8 * kVectors, index));
    }
}

template <std::uint32_t kLevels>
SHAC_AVX512 inline __m512i threshold_bins(const float* by_level, __m512 values) {
    __m512i bin = _mm512_setzero_si512();
    const __m512i minus_one = _mm512_set1_epi32(-1);
    if constexpr (kLevels > 0) {
        bin = _mm512_maskz_set1_epi32(_mm512_cmp_ps_mask(_mm512_set1_ps(by_level[0]), values, _CMP_LE_OQ), 1);
    }
#define SHAC_DESCEND(level, vectors)                                                                     \
    if constexpr (kLevels > (level)) {                                                                   \
        const __m512 threshold =                                                                         \
            lookup_floats<vectors>(by_level + ThresholdSearch::kLevelOffsets[level], bin);               \
        const __m512i doubled = _mm512_add_epi32(bin, bin);                                              \
        bin = _mm512_mask_sub_epi32(doubled, _mm512_cmp_ps_mask(threshold, values, _CMP_LE_OQ), doubled, \
                                    minus_one);                                                          \
    }
    SHAC_DESCEND(1, 1)
    SHAC_DESCEND(2, 1)
    SHAC_DESCEND(3, 1)
    SHAC_DESCEND(4, 1)
    SHAC_DESCEND(5, 2)
    SHAC_DESCEND(6, 4)
    SHAC_DESCEND(7, 8)
#undef SHAC_DESCEND
    const __mmask16 missing = _mm512_cmp_ps_mask(values, values, _CMP_UNORD_Q);
    return _mm512_mask_set1_epi32(bin, missing, kMissingBin);
}

template <std::uint32_t kLevels>
SHAC_AVX512 void find_threshold_bins_of(const ThresholdSearch& thresholds, const float* values,
                                        std::size_t rows, std::uint8_t* bins) {
    const float* const by_level = thresholds.by_level.data();
    for (std::size_t row = 0; row < rows; row += kLane) {
        for (std::size_t part = 0; part < kLane; part += 16) {
            const __m512i bin = threshold_bins<kLevels>(by_level, _mm512_loadu_ps(values + row + part));
            _mm_storeu_si128(reinterpret_cast<__m128i*>(bins + row + part), _mm512_cvtepi32_epi8(bin));
        }
    }
}

void find_threshold_bins(const ThresholdSearch& thresholds, const float* values, std::size_t rows,
                         std::uint8_t* bins) {
    using Search = void (*)(const ThresholdSearch&, const float*, std::size_t, std::uint8_t*);
    constexpr std::array<Search, 9> kSearches{
        find_threshold_bins_of<0>, find_threshold_bins_of<1>, find_threshold_bins_of<2>,
        find_threshold_bins_of<3>, find_threshold_bins_of<4>, find_threshold_bins_of<5>,
        find_threshold_bins_of<6>, find_threshold_bins_of<7>, find_threshold_bins_of<8>};
    kSearches[thresholds.levels](thresholds, values, rows, bins);
}

SHAC_AVX512 inline __mmask64 goes_right(const LeafTrees::Node& node, const std::uint8_t* bins) {
    const __m512i above =
        _mm512_sub_epi8(load(bins + node.slot * kChunk), _mm512_set1_epi8(static_cast<char>(node.first)));
    return _mm512_cmple_epu8_mask(above, _mm512_set1_epi8(static_cast<char>(node.span)));
}

template <int kVectors>
SHAC_AVX512 inline void add_16_leaves(const float* leaves, __m128i index, float* sums) {
    const __m512 leaf = lookup_floats<kVectors>(leaves, _mm512_cvtepu8_epi32(index));
    _mm512_storeu_ps(sums, _mm512_add_ps(_mm512_loadu_ps(sums), leaf));
}

/// Adds the leaves at byte indices to the sums of 64 rows.
template <int kVectors>
SHAC_AVX512 inline void add_leaves_at(const float* leaves, __m512i index, float* sums) {
    add_16_leaves<kVectors>(leaves, _mm512_castsi512_si128(index), sums);
    add_16_leaves<kVectors>(leaves, _mm512_extracti32x4_epi32(index, 1), sums + 16);
    add_16_leaves<kVectors>(leaves, _mm512_extracti32x4_epi32(index, 2), sums + 32);
    add_16_leaves<kVectors>(leaves, _mm512_extracti32x4_epi32(index, 3), sums + 48);
}

SHAC_AVX512 inline std::uint64_t select(std::uint64_t which, std::uint64_t set, std::uint64_t clear) {
    return clear ^ (which & (set ^ clear));
}

/// Trees of few nodes: their bits stay in registers.
template <std::uint32_t kDepth>
SHAC_AVX512 void add_leaves_of_listed(const LeafTrees::Node* nodes, const float* leaves,
                                      const std::uint8_t* bins, std::size_t words, float* sums) {
    for (std::size_t word = 0; word < words; ++word) {
        const std::uint8_t* const of_word = bins + word * kLane;
        float* const sum = sums + word * kLane;
        if constexpr (kDepth == 0) {
            for (std::size_t i = 0; i < kLane; i += 16) {
                _mm512_storeu_ps(sum + i, _mm512_add_ps(_mm512_loadu_ps(sum + i), _mm512_set1_ps(*leaves)));
            }
        } else {
            const std::uint64_t root = _cvtmask64_u64(goes_right(nodes[0], of_word));
            if constexpr (kDepth == 1) {
                for (std::size_t i = 0; i < kLane; i += 16) {
                    const auto right = static_cast<__mmask16>(root >> i);
                    const __m512 leaf =
                        _mm512_mask_blend_ps(right, _mm512_set1_ps(leaves[0]), _mm512_set1_ps(leaves[1]));
                    _mm512_storeu_ps(sum + i, _mm512_add_ps(_mm512_loadu_ps(sum + i), leaf));
                }
            } else {
                const std::uint64_t second = select(root, _cvtmask64_u64(goes_right(nodes[2], of_word)),
                                                    _cvtmask64_u64(goes_right(nodes[1], of_word)));
                __m512i index = _mm512_maskz_set1_epi8(_cvtu64_mask64(root), 1 << (kDepth - 1));
                index = _mm512_mask_add_epi8(index, _cvtu64_mask64(second), index,
                                             _mm512_set1_epi8(1 << (kDepth - 2)));
                if constexpr (kDepth == 3) {
                    const std::uint64_t low = select(second, _cvtmask64_u64(goes_right(nodes[4], of_word)),
                                                     _cvtmask64_u64(goes_right(nodes[3], of_word)));
                    const std::uint64_t high = select(second, _cvtmask64_u64(goes_right(nodes[6], of_word)),
                                                      _cvtmask64_u64(goes_right(nodes[5], of_word)));
                    index = _mm512_mask_add_epi8(index, _cvtu64_mask64(select(root, high, low)), index,
                                                 _mm512_set1_epi8(1));
                }
                add_leaves_at<1>(leaves, index, sum);
            }
        }
    }
}

SHAC_AVX512 void add_leaves_of_deep(const LeafTrees& trees, const LeafTrees::Tree& tree,
                                    const std::uint8_t* bins, std::size_t words, float* sums) {
    alignas(64) std::uint64_t right[64][8];
    const std::size_t inner = std::size_t{1} << tree.depth;
    if (tree.nodes_end - tree.nodes_begin + 1 < inner) {
        for (std::size_t position = 1; position < inner; ++position) {
            store(right[position], _mm512_setzero_si512());
        }
    }
    for (std::uint32_t n = tree.nodes_begin; n < tree.nodes_end; ++n) {
        const LeafTrees::Node& node = trees.nodes[n];
        for (std::size_t word = 0; word < words; ++word) {
            right[node.position][word] = _cvtmask64_u64(goes_right(node, bins + word * kLane));
        }
    }
    alignas(64) std::uint64_t bits[kMaxTreeDepth][8];
    select_levels(right, tree.depth, bits);
    const float* const leaves = trees.leaves.data() + tree.leaves_begin;
    for (std::size_t word = 0; word < words; ++word) {
        const __m512i index = leaf_index(bits, tree.depth, word);
        float* const sum = sums + word * kLane;
        if (tree.depth <= 4) {
            add_leaves_at<1>(leaves, index, sum);
        } else if (tree.depth == 5) {
            add_leaves_at<2>(leaves, index, sum);
        } else {
            add_leaves_at<4>(leaves, index, sum);
        }
    }
}

SHAC_AVX512 void add_leaves(const LeafTrees& trees, const std::uint8_t* bins, std::size_t rows, float* sums) {
    using Listed = void (*)(const LeafTrees::Node*, const float*, const std::uint8_t*, std::size_t, float*);
    constexpr std::array<Listed, kListedDepth + 1> kListed{add_leaves_of_listed<0>, add_leaves_of_listed<1>,
                                                           add_leaves_of_listed<2>, add_leaves_of_listed<3>};
    for (std::size_t begin = 0; begin < rows; begin += kTreeRows) {
        const std::size_t words = (rows - begin < kTreeRows ? rows - begin : kTreeRows) / kLane;
        for (const LeafTrees::Tree& tree : trees.trees) {
            if (tree.depth <= kListedDepth) {
                kListed[tree.depth](trees.nodes.data() + tree.nodes_begin,
                                    trees.leaves.data() + tree.leaves_begin, bins + begin, words,
                                    sums + begin);
            } else {
                add_leaves_of_deep(trees, tree, bins + begin, words, sums + begin);
            }
        }
    }
}

SHAC_AVX512 void find_below(const std::int16_t* sums, std::int16_t limit, std::size_t rows,
                            std::uint64_t* below) {
    const __m512i limits = _mm512_set1_epi16(limit);
    for (std::size_t row = 0; row < rows; row += kLane) {
        const __mmask32 low = _mm512_cmplt_epi16_mask(load(sums + row), limits);
        const __mmask32 high = _mm512_cmplt_epi16_mask(load(sums + row + 32), limits);
        below[row / kLane] = std::uint64_t{high} << 32 | low;
    }
}

SHAC_AVX512 void compact_words(const std::uint64_t* keep, std::size_t rows, const std::uint16_t* in,
                               std::uint16_t* out) {
    for (std::size_t row = 0; row < rows; row += kLane) {
        const std::uint64_t bits = keep[row / kLane];
        const auto low = static_cast<__mmask32>(bits);
        const auto high = static_cast<__mmask32>(bits >> 32);
        const __m512i first = load(in + row);
        const __m512i second = load(in + row + 32);
        store(out, _mm512_maskz_compress_epi16(low, first));
        out += __builtin_popcount(low);
        store(out, _mm512_maskz_compress_epi16(high, second));
        out += __builtin_popcount(high);
    }
}

SHAC_AVX512 void compact_bytes(const std::uint64_t* keep, std::size_t rows, const std::uint8_t* in,
                               std::uint8_t* out) {
    for (std::size_t row = 0; row < rows; row += kLane) {
        const std::uint64_t bits = keep[row / kLane];
        store(out, _mm512_maskz_compress_epi8(_cvtu64_mask64(bits), load(in + row)));
        out += __builtin_popcountll(bits);
    }
}

SHAC_AVX512 void sum_cubes(const WeightedPoints& points, const double* rows, double* sums, double* squares) {
    const std::size_t width = points.numbers + points.codes;
    const __m512d half = _mm512_set1_pd(0.5);
    __m512d sum = _mm512_setzero_pd();
    __m512d least = _mm512_set1_pd(__builtin_inf());
    for (std::size_t p = 0; p < points.count; ++p) {
        const double* const point = points.values + p * width;
        __m512d square = _mm512_setzero_pd();
        for (std::size_t k = 0; k < points.numbers; ++k) {
            const __m512d row = _mm512_loadu_pd(rows + k * kDistanceLanes);
            const __m512d difference = _mm512_sub_pd(row, _mm512_set1_pd(point[k]));
            square = _mm512_add_pd(square, _mm512_mul_pd(difference, difference));
        }
        __m512d differing = _mm512_setzero_pd();
        for (std::size_t k = points.numbers; k < width; ++k) {
            const __m512d row = _mm512_loadu_pd(rows + k * kDistanceLanes);
            const __mmask8 differs = _mm512_cmp_pd_mask(row, _mm512_set1_pd(point[k]), _CMP_NEQ_UQ);
            differing = _mm512_mask_add_pd(differing, differs, differing, half);
        }
        square = _mm512_add_pd(square, differing);
        const __m512d cube = _mm512_mul_pd(square, _mm512_sqrt_pd(square));
        sum = _mm512_add_pd(sum, _mm512_mul_pd(_mm512_set1_pd(points.weights[p]), cube));
        least = _mm512_min_pd(least, square);
    }
    _mm512_storeu_pd(sums, sum);
    _mm512_storeu_pd(squares, least);
}

constexpr Kernels kAvx512{"avx512",         draw,
                          draw_words,       find_bins,
                          add_small_tables, add_large_table,
                          add_trees,        find_threshold_bins,
                          add_leaves,       find_below,
                          compact_words,    compact_bytes,
                          sum_cubes};

}  // namespace

const Kernels* avx512_kernels() {
    const bool runs = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2") &&
                      __builtin_cpu_supports("popcnt");
    return runs ? &kAvx512 : nullptr;
}

}  // namespace shac

#else

namespace shac {

const Kernels* avx512_kernels() {
    return nullptr;
}

}  // namespace shac

#endif
