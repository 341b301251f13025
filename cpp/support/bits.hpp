// Bits of a 64-bit word, for compilers that have no <bit> yet.
//
// Rows of a chunk are marked by bits, row 64 w + i by bit i of word w, the lowest first.
//
// Functions of their argument alone. Cost: one instruction each where the compiler has builtins for them, and
// a dozen for counting bits with MSVC.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(_MSC_VER)
#include <intrin.h>
#endif

namespace shac {

/// Number of the lowest bit that is set; `word` must not be 0.
inline std::size_t lowest_bit(std::uint64_t word) noexcept {
#if defined(_MSC_VER)
    unsigned long index = 0;
    _BitScanForward64(&index, word);
    return index;
#else
    return static_cast<std::size_t>(__builtin_ctzll(word));
#endif
}

inline std::size_t count_bits(std::uint64_t word) noexcept {
#if defined(_MSC_VER)
    word -= word >> 1 & 0x5555555555555555U;
    word = (word & 0x3333333333333333U) + (word >> 2 & 0x3333333333333333U);
    return static_cast<std::size_t>(((word + (word >> 4)) & 0x0F0F0F0F0F0F0F0FU) * 0x0101010101010101U >> 56);
#else
    return static_cast<std::size_t>(__builtin_popcountll(word));
#endif
}

}  // namespace shac
