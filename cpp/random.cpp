#include "random.hpp"

#include <cstddef>

namespace shac {
namespace {

constexpr std::uint32_t kMultiplier0 = 0xD2511F53U;
constexpr std::uint32_t kMultiplier1 = 0xCD9E8D57U;
constexpr std::uint32_t kWeyl0 = 0x9E3779B9U;
constexpr std::uint32_t kWeyl1 = 0xBB67AE85U;
constexpr int kRounds = 10;

}  // namespace

PhiloxCounter philox4x32(PhiloxCounter counter, PhiloxKey key) noexcept {
    for (int round = 0; round < kRounds; ++round) {
        const std::uint64_t product0 = std::uint64_t{kMultiplier0} * counter[0];
        const std::uint64_t product1 = std::uint64_t{kMultiplier1} * counter[2];
        counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
                   static_cast<std::uint32_t>(product1),
                   static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
                   static_cast<std::uint32_t>(product0)};
        key = {key[0] + kWeyl0, key[1] + kWeyl1};
    }
    return counter;
}

std::array<std::uint64_t, 4> uniforms_of_group(std::uint64_t seed, std::uint64_t candidate,
                                               std::uint32_t group) noexcept {
    const PhiloxKey key{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)};
    const auto low = static_cast<std::uint32_t>(candidate);
    const auto high = static_cast<std::uint32_t>(candidate >> 32);
    const PhiloxCounter upper_words = philox4x32({low, high, group, 0}, key);
    const PhiloxCounter lower_words = philox4x32({low, high, group, 1}, key);
    std::array<std::uint64_t, 4> uniforms{};
    for (std::size_t i = 0; i < 4; ++i) {
        uniforms[i] = (std::uint64_t{upper_words[i]} << 32 | lower_words[i]) >> (64 - kUniformBits);
    }
    return uniforms;
}

}  // namespace shac
