#include "prior/random.hpp"

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

std::array<std::uint64_t, kGroupColumns> uniforms_of_group(std::uint64_t seed, std::uint64_t candidate,
                                                           std::uint32_t group) noexcept {
    const PhiloxKey key{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)};
    const auto low = static_cast<std::uint32_t>(candidate);
    const auto high = static_cast<std::uint32_t>(candidate >> 32);
    const PhiloxCounter coarse = philox4x32({low, high, group, 0}, key);
    std::array<std::uint64_t, kGroupColumns> uniforms{};
    for (std::uint32_t pair = 0; pair < kGroupColumns / 2; ++pair) {
        const PhiloxCounter fine = philox4x32({low, high, group, 1 + pair}, key);
        for (std::size_t half = 0; half < 2; ++half) {
            const std::uint64_t upper = (coarse[pair] >> (kCoarseBits * half)) & 0xFFFFU;
            const std::uint64_t lower = std::uint64_t{fine[2 * half]} << 32 | fine[2 * half + 1];
            uniforms[2 * pair + half] = upper << kFineBits | lower >> (64 - kFineBits);
        }
    }
    return uniforms;
}

}  // namespace shac
