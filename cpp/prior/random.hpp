// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as
// easy as 1, 2, 3", SC 2011).
//
// The uniform of column c of candidate j is a pure function of (seed, j, c): no state, so threads and block
// sizes cannot change a result. Uniforms are integers u in [0, 2^52), standing for the real number (u + 1/2)
// / 2^52, which is exact in float64 and never 0 or 1.
//
// Counter words: j low, j high, c / 8, stream. Stream 0 gives the upper 16 bits of eight columns, two to a
// word, the even column in the lower half; stream 1 + i gives the lower 36 bits of columns 2i and 2i + 1 of
// the eight. Nearly every candidate is rejected by its upper bits, so nearly every candidate costs one block
// for eight columns.
//
// Where candidates have at most four columns, blocks of stream 0 may serve several of them (BlockLayout).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace shac {

using PhiloxCounter = std::array<std::uint32_t, 4>;
using PhiloxKey = std::array<std::uint32_t, 2>;

/// The block of four words that Philox4x32-10 gives for a counter under a key.
PhiloxCounter philox4x32(PhiloxCounter counter, PhiloxKey key) noexcept;

constexpr std::uint32_t kPhiloxMultiplier0 = 0xD2511F53U;
constexpr std::uint32_t kPhiloxMultiplier1 = 0xCD9E8D57U;
constexpr std::uint32_t kPhiloxWeyl0 = 0x9E3779B9U;
constexpr std::uint32_t kPhiloxWeyl1 = 0xBB67AE85U;
constexpr int kPhiloxRounds = 10;

constexpr int kUniformBits = 52;
constexpr int kCoarseBits = 16;
constexpr int kFineBits = kUniformBits - kCoarseBits;
constexpr std::uint64_t kUniformRange = std::uint64_t{1} << kUniformBits;
constexpr std::size_t kGroupColumns = 8;  // columns of one block of stream 0

/// The real number in (0, 1) that an integer uniform stands for.
inline double uniform_value(std::uint64_t u) noexcept {
    return (static_cast<double>(u) + 0.5) * (1.0 / static_cast<double>(kUniformRange));
}

/// Which block of stream 0 serves a candidate, and from which of its eight columns on. It depends on the
/// number of columns alone, so that cascades over one space are asked about the same candidates.
///
/// Of kRun candidates in a row, kRun / k blocks serve k each: block b those that stand b, b + kRun / k, ...
/// behind the first, so that their columns are drawn without being taken apart.
class BlockLayout {
  public:
    static constexpr std::size_t kRun = 256;

    struct Place {
        std::uint64_t block;
        std::uint32_t column;
    };

    /// One candidate a block.
    BlockLayout() = default;

    /// As many candidates a block, a power of two, as have room in it.
    static BlockLayout shared(std::size_t width) noexcept;

    std::size_t candidates() const noexcept { return std::size_t{1} << shift_; }
    std::size_t blocks_of_run() const noexcept { return kRun >> shift_; }
    std::size_t columns() const noexcept { return kGroupColumns >> shift_; }

    Place place_of(std::uint64_t candidate) const noexcept {
        const std::uint64_t in_run = candidate % kRun;
        return {candidate / kRun * blocks_of_run() + in_run % blocks_of_run(),
                static_cast<std::uint32_t>(in_run / blocks_of_run() * columns())};
    }

  private:
    std::uint32_t shift_ = 0;
};

/// Uniforms of columns 8 * group to 8 * group + 7 of candidate j; where its block serves others, too, those
/// behind its own columns mean nothing.
std::array<std::uint64_t, kGroupColumns> uniforms_of_group(std::uint64_t seed, std::uint64_t candidate,
                                                           std::uint32_t group,
                                                           const BlockLayout& layout = {}) noexcept;

/// Uniforms of all columns of a candidate, `stride` apart.
void write_uniforms_of(std::uint64_t seed, std::uint64_t candidate, const BlockLayout& layout,
                       std::size_t width, std::uint64_t* uniforms, std::size_t stride) noexcept;

}  // namespace shac
