// The upper half of a product of two 64-bit words: a word scaled to a range, without a division.
//
// One instruction where the compiler has integers of 128 bits, four products elsewhere; the same result.
#pragma once

#include <cstdint>

namespace shac {

/// Upper 64 bits of a product.
inline std::uint64_t multiply_high(std::uint64_t a, std::uint64_t b) {
#if defined(__SIZEOF_INT128__)
    __extension__ using Product = unsigned __int128;
    return static_cast<std::uint64_t>(static_cast<Product>(a) * b >> 64);
#else
    const std::uint64_t a_low = a & 0xFFFFFFFFU;
    const std::uint64_t a_high = a >> 32;
    const std::uint64_t b_low = b & 0xFFFFFFFFU;
    const std::uint64_t b_high = b >> 32;
    const std::uint64_t middle = a_high * b_low + (a_low * b_low >> 32);
    return a_high * b_high + (middle >> 32) + ((a_low * b_high + (middle & 0xFFFFFFFFU)) >> 32);
#endif
}

}  // namespace shac
