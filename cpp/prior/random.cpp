#include "prior/random.hpp"

#include <algorithm>
#include <cstddef>

namespace shac {

PhiloxCounter philox4x32(PhiloxCounter counter, PhiloxKey key) noexcept {
    for (int round = 0; round < kPhiloxRounds; ++round) {
        const std::uint64_t product0 = std::uint64_t{kPhiloxMultiplier0} * counter[0];
        const std::uint64_t product1 = std::uint64_t{kPhiloxMultiplier1} * counter[2];
        counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
                   static_cast<std::uint32_t>(product1),
                   static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
                   static_cast<std::uint32_t>(product0)};
        key = {key[0] + kPhiloxWeyl0, key[1] + kPhiloxWeyl1};
    }
    return counter;
}

BlockLayout BlockLayout::shared(std::size_t width) noexcept {
    BlockLayout layout;
    while (width > 0 && width <= layout.columns() / 2) {
        ++layout.shift_;
    }
    return layout;
}

std::array<std::uint64_t, kGroupColumns> uniforms_of_group(std::uint64_t seed, std::uint64_t candidate,
                                                           std::uint32_t group,
                                                           const BlockLayout& layout) noexcept {
    const PhiloxKey key{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)};
    const auto block_at = [&](std::uint64_t counter, std::uint32_t stream) {
        return philox4x32(
            {static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32), group, stream},
            key);
    };
    const BlockLayout::Place place = layout.place_of(candidate);
    const PhiloxCounter coarse = block_at(place.block, 0);
    std::array<std::uint64_t, kGroupColumns> uniforms{};
    for (std::uint32_t pair = 0; 2 * pair < layout.columns(); ++pair) {
        const PhiloxCounter fine = block_at(candidate, 1 + pair);
        for (std::size_t half = 0; half < std::min<std::size_t>(2, layout.columns()); ++half) {
            const std::size_t column = place.column + 2 * pair + half;
            const std::uint64_t upper = (coarse[column / 2] >> (kCoarseBits * (column % 2))) & 0xFFFFU;
            const std::uint64_t lower = std::uint64_t{fine[2 * half]} << 32 | fine[2 * half + 1];
            uniforms[2 * pair + half] = upper << kFineBits | lower >> (64 - kFineBits);
        }
    }
    return uniforms;
}

void write_uniforms_of(std::uint64_t seed, std::uint64_t candidate, const BlockLayout& layout,
                       std::size_t width, std::uint64_t* uniforms, std::size_t stride) noexcept {
    for (std::size_t begin = 0; begin < width; begin += kGroupColumns) {
        const auto group = static_cast<std::uint32_t>(begin / kGroupColumns);
        const auto of_group = uniforms_of_group(seed, candidate, group, layout);
        for (std::size_t c = begin; c < std::min(begin + kGroupColumns, width); ++c) {
            uniforms[c * stride] = of_group[c - begin];
        }
    }
}

}  // namespace shac
