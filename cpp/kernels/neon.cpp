// The kernels for NEON: 16 rows an instruction. Tables are looked up 64 bytes at a time. Kernels that
// compilers make good vectors of themselves are the baseline's.
#include "kernels/levels.hpp"

#if defined(__aarch64__) && defined(__ARM_NEON)
#include <arm_neon.h>

namespace shac {
namespace {

constexpr std::uint32_t kCountedLevels = 5;  // up to so many, counting edges beats searching them
constexpr std::size_t kVectorRows = 16;

/// Bits of the byte masks of 16 rows.
std::uint64_t bits_of(uint8x16_t masks) {
    const uint8x16_t place = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const uint8x16_t bits = vandq_u8(masks, place);
    return std::uint64_t{vaddv_u8(vget_low_u8(bits))} | std::uint64_t{vaddv_u8(vget_high_u8(bits))} << 8;
}

void find_bins(const EdgeSearch& edges, const std::uint16_t* uniforms, std::size_t rows, std::uint8_t* bins,
               std::uint64_t* ambiguous) {
    if (edges.levels > kCountedLevels) {
        baseline_kernels().find_bins(edges, uniforms, rows, bins, ambiguous);
        return;
    }
    const std::size_t count = std::size_t{1} << edges.levels;  // the last one is padding, 0xFFFF
    for (std::size_t row = 0; row < rows; row += kVectorRows) {
        const uint16x8_t first = vld1q_u16(uniforms + row);
        const uint16x8_t second = vld1q_u16(uniforms + row + 8);
        uint16x8_t first_bin = vdupq_n_u16(0);
        uint16x8_t second_bin = first_bin;
        uint16x8_t first_equal = first_bin;
        uint16x8_t second_equal = first_bin;
        for (std::size_t i = 0; i < count; ++i) {
            const uint16x8_t edge = vdupq_n_u16(edges.sorted[i]);
            first_bin = vsubq_u16(first_bin, vcgtq_u16(first, edge));
            second_bin = vsubq_u16(second_bin, vcgtq_u16(second, edge));
            first_equal = vorrq_u16(first_equal, vceqq_u16(first, edge));
            second_equal = vorrq_u16(second_equal, vceqq_u16(second, edge));
        }
        vst1q_u8(bins + row, vcombine_u8(vmovn_u16(first_bin), vmovn_u16(second_bin)));
        const uint8x16_t equal = vcombine_u8(vmovn_u16(first_equal), vmovn_u16(second_equal));
        ambiguous[row / kLane] |= bits_of(equal) << (row % kLane);
    }
}

uint8x16x4_t part_of(const std::uint8_t* table, std::size_t part) {
    return {{vld1q_u8(table + 64 * part), vld1q_u8(table + 64 * part + 16), vld1q_u8(table + 64 * part + 32),
             vld1q_u8(table + 64 * part + 48)}};
}

/// Entries at byte indices; an index outside a part of 64 leaves what the parts before it gave.
uint8x16_t lookup(const std::uint8_t* table, std::size_t size, uint8x16_t index) {
    uint8x16_t result = vqtbl4q_u8(part_of(table, 0), index);
    for (std::size_t part = 1; 64 * part < size; ++part) {
        index = vsubq_u8(index, vdupq_n_u8(64));
        result = vqtbx4q_u8(result, part_of(table, part), index);
    }
    return result;
}

void add_entries(const std::uint8_t* low_table, const std::uint8_t* high_table, std::size_t size,
                 uint8x16_t index, std::int16_t* sums) {
    const uint8x16_t low = lookup(low_table, size, index);
    const uint8x16_t high = lookup(high_table, size, index);
    const int16x8_t first = vreinterpretq_s16_u8(vzip1q_u8(low, high));
    const int16x8_t second = vreinterpretq_s16_u8(vzip2q_u8(low, high));
    vst1q_s16(sums, vaddq_s16(vld1q_s16(sums), first));
    vst1q_s16(sums + 8, vaddq_s16(vld1q_s16(sums + 8), second));
}

void add_small_tables(const SmallTable* tables, std::size_t count, const std::uint8_t* bins, std::size_t rows,
                      std::int16_t* sums) {
    for (std::size_t t = 0; t < count; ++t) {
        const SmallTable& table = tables[t];
        for (std::size_t row = 0; row < rows; row += kVectorRows) {
            uint8x16_t index = vld1q_u8(bins + table.slots[0] * kChunk + row);
            if (table.dims > 1) {
                index = lookup(table.remap[0].data(), table.max_bins, index);
                for (std::uint32_t d = 1; d < table.dims; ++d) {
                    const uint8x16_t bin = vld1q_u8(bins + table.slots[d] * kChunk + row);
                    index = vaddq_u8(index, lookup(table.remap[d].data(), table.max_bins, bin));
                }
            }
            add_entries(table.low.data(), table.high.data(), table.size, index, sums + row);
        }
    }
}

void add_trees(const TreeTable* trees, std::size_t count, const std::uint8_t* bins, std::size_t rows,
               std::int16_t* sums) {
    for (std::size_t t = 0; t < count; ++t) {
        const TreeTable& tree = trees[t];
        std::uint8_t low[64];
        std::uint8_t high[64];
        for (std::size_t leaf = 0; leaf < 64; ++leaf) {
            low[leaf] = static_cast<std::uint8_t>(tree.leaves[leaf]);
            high[leaf] = static_cast<std::uint8_t>(static_cast<std::uint16_t>(tree.leaves[leaf]) >> 8);
        }
        for (std::size_t row = 0; row < rows; row += kVectorRows) {
            uint8x16_t met[64];
            for (uint8x16_t& mask : met) {
                mask = vdupq_n_u8(0);
            }
            for (const TreeTable::Node& node : tree.nodes) {
                met[node.position] =
                    vcgtq_u8(vld1q_u8(bins + node.slot * kChunk + row), vdupq_n_u8(node.threshold));
            }
            // Level by level, the masks of the nodes that rows meet there: halves of the level are chosen
            // between by the masks of the levels above, the root's first.
            uint8x16_t index = vdupq_n_u8(0);
            for (std::uint32_t level = 0; level < tree.depth; ++level) {
                const std::size_t begin = std::size_t{1} << level;
                std::size_t half = begin / 2;
                for (std::uint32_t upper = 0; upper < level; ++upper, half /= 2) {
                    for (std::size_t p = begin; p < begin + half; ++p) {
                        met[p] = vbslq_u8(met[std::size_t{1} << upper], met[p + half], met[p]);
                    }
                }
                const auto bit = static_cast<std::uint8_t>(1U << (tree.depth - 1 - level));
                index = vorrq_u8(index, vandq_u8(met[begin], vdupq_n_u8(bit)));
            }
            add_entries(low, high, std::size_t{1} << tree.depth, index, sums + row);
        }
    }
}

void find_below(const std::int16_t* sums, std::int16_t limit, std::size_t rows, std::uint64_t* below) {
    const int16x8_t limits = vdupq_n_s16(limit);
    for (std::size_t begin = 0; begin < rows; begin += kLane) {
        std::uint64_t bits = 0;
        for (std::size_t part = 0; part < kLane; part += kVectorRows) {
            const uint16x8_t first = vcltq_s16(vld1q_s16(sums + begin + part), limits);
            const uint16x8_t second = vcltq_s16(vld1q_s16(sums + begin + part + 8), limits);
            bits |= bits_of(vcombine_u8(vmovn_u16(first), vmovn_u16(second))) << part;
        }
        below[begin / kLane] = bits;
    }
}

Kernels make_neon() {
    Kernels kernels = baseline_kernels();
    kernels.name = "neon";
    kernels.find_bins = find_bins;
    kernels.add_small_tables = add_small_tables;
    kernels.add_trees = add_trees;
    kernels.find_below = find_below;
    return kernels;
}

}  // namespace

const Kernels* neon_kernels() {
    static const Kernels kernels = make_neon();
    return &kernels;
}

}  // namespace shac

#else

namespace shac {

const Kernels* neon_kernels() {
    return nullptr;
}

}  // namespace shac

#endif
