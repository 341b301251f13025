#include <doctest/doctest.h>

#include <cstdint>
#include <limits>

#include "prior/random.hpp"

using shac::kUniformRange;
using shac::philox4x32;
using shac::PhiloxCounter;
using shac::uniform_value;
using shac::uniforms_of_group;

TEST_CASE("Philox4x32-10 gives the published vectors of Random123") {
    CHECK(philox4x32({0, 0, 0, 0}, {0, 0}) == PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
    const std::uint32_t ones = 0xffffffff;
    CHECK(philox4x32({ones, ones, ones, ones}, {ones, ones}) ==
          PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
    CHECK(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
          PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("uniforms use both words of the seed and of the candidate's number, and the group") {
    const auto base = uniforms_of_group(1, 2, 3);
    CHECK(base == uniforms_of_group(1, 2, 3));
    CHECK(base != uniforms_of_group(1 + (std::uint64_t{1} << 40), 2, 3));
    CHECK(base != uniforms_of_group(1, 2 + (std::uint64_t{1} << 40), 3));
    CHECK(base != uniforms_of_group(1, 2, 4));
    CHECK(base != uniforms_of_group(2, 2, 3));
    CHECK(base != uniforms_of_group(1, 3, 3));
}

TEST_CASE("uniforms put halves of stream 0 above words of the other streams") {
    const std::uint64_t seed = 0x0123456789abcdef;
    const std::uint64_t candidate = 0xfedcba9876543210;
    const auto block = [](std::uint32_t stream) {
        return philox4x32({0x76543210, 0xfedcba98, 5, stream}, {0x89abcdef, 0x01234567});
    };
    const auto uniforms = uniforms_of_group(seed, candidate, 5);
    for (std::uint32_t c = 0; c < shac::kGroupColumns; ++c) {
        CHECK(uniforms[c] < kUniformRange);
        const std::uint32_t word = block(0)[c / 2];
        const std::uint64_t upper = uniforms[c] >> shac::kFineBits;
        CHECK(upper == (c % 2 == 0 ? word & 0xFFFF : word >> 16));
        const auto fine = block(1 + c / 2);
        const std::uint64_t lower = std::uint64_t{fine[c % 2 * 2]} << 32 | fine[c % 2 * 2 + 1];
        const std::uint64_t expected = lower >> (64 - shac::kFineBits);
        CHECK(uniforms[c] % (std::uint64_t{1} << shac::kFineBits) == expected);
    }
}

TEST_CASE("the values of uniforms lie strictly between 0 and 1 and never tie") {
    CHECK(uniform_value(0) > 0.0);
    CHECK(uniform_value(kUniformRange - 1) < 1.0);
    CHECK(uniform_value(1) > uniform_value(0));
    CHECK(uniform_value(kUniformRange - 1) > uniform_value(kUniformRange - 2));
    CHECK(uniform_value(kUniformRange / 2) == 0.5 + 0.5 / static_cast<double>(kUniformRange));
}
