// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as
// easy as 1, 2, 3", SC 2011).
//
// The uniform of column c of candidate j is a pure function of (seed, j, c): no state, so threads and block
// sizes cannot change a result. Uniforms are integers u in [0, 2^52), standing for the real number (u + 1/2)
// / 2^52, which is exact in float64 and never 0 or 1.
//
// Counter words: j low, j high, c / 4, stream. Stream 0 gives the upper 32 bits of four columns, stream 1 the
// lower ones, so that a caller who needs only the upper bits of most uniforms pays for one block a four
// columns.
#pragma once

#include <array>
#include <cstdint>

namespace shac {

using PhiloxCounter = std::array<std::uint32_t, 4>;
using PhiloxKey = std::array<std::uint32_t, 2>;

/// The block of four words that Philox4x32-10 gives for a counter under a key.
PhiloxCounter philox4x32(PhiloxCounter counter, PhiloxKey key) noexcept;

constexpr int kUniformBits = 52;
constexpr std::uint64_t kUniformRange = std::uint64_t{1} << kUniformBits;

/// The real number in (0, 1) that an integer uniform stands for.
inline double uniform_value(std::uint64_t u) noexcept {
    return (static_cast<double>(u) + 0.5) * (1.0 / static_cast<double>(kUniformRange));
}

/// Uniforms of columns 4 * group to 4 * group + 3 of candidate j.
std::array<std::uint64_t, 4> uniforms_of_group(std::uint64_t seed, std::uint64_t candidate,
                                               std::uint32_t group) noexcept;

}  // namespace shac
