#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "kernels/levels.hpp"
#include "sampling/draw_group.hpp"

using shac::available_kernels;
using shac::BlockLayout;
using shac::kGroupColumns;
using shac::kLane;

namespace {

/// Coarse uniforms by the definition, candidate by candidate, and as drawn on every level of vector
/// instructions.
void check_drawn(std::size_t width, std::uint64_t first, const std::vector<std::uint16_t>& offsets) {
    const BlockLayout layout = BlockLayout::shared(width);
    const std::uint64_t seed = 0x0123456789abcdef;
    for (const shac::Kernels* const kernels : available_kernels()) {
        CAPTURE(kernels->name);
        std::vector<std::vector<std::uint16_t>> drawn(width, std::vector<std::uint16_t>(offsets.size()));
        std::array<std::uint16_t*, kGroupColumns> columns{};
        for (std::size_t c = 0; c < width; ++c) {
            columns[c] = drawn[c].data();
        }
        shac::draw_group(*kernels, layout, {seed, first, offsets.data(), offsets.size(), 0}, columns);
        std::size_t differences = 0;
        for (std::size_t i = 0; i < offsets.size(); ++i) {
            const auto uniforms = shac::uniforms_of_group(seed, first + offsets[i], 0, layout);
            for (std::size_t c = 0; c < width; ++c) {
                differences += drawn[c][i] == uniforms[c] >> shac::kFineBits ? 0U : 1U;
            }
        }
        CHECK(differences == 0);
    }
}

}  // namespace

TEST_CASE("a block serves as many candidates as have room in it, and no two of them from the same columns") {
    const std::vector<std::pair<std::size_t, std::size_t>> expected{{0, 1}, {1, 8}, {2, 4}, {3, 2},
                                                                    {4, 2}, {5, 1}, {8, 1}, {30, 1}};
    for (const auto& of_width : expected) {
        CAPTURE(of_width.first);
        const BlockLayout layout = BlockLayout::shared(of_width.first);
        CHECK(layout.candidates() == of_width.second);
        std::set<std::pair<std::uint64_t, std::uint32_t>> places;
        for (std::uint64_t j = 0; j < 4 * BlockLayout::kRun; ++j) {
            const auto [block, column] = layout.place_of(j);
            CHECK(block < 4 * layout.blocks_of_run());
            CHECK(column % layout.columns() == 0);
            CHECK(column + layout.columns() <= kGroupColumns);
            places.emplace(block, column);
        }
        CHECK(places.size() == 4 * BlockLayout::kRun);
    }
}

TEST_CASE("one candidate a block is the stream without sharing") {
    for (const std::uint64_t candidate :
         {std::uint64_t{0}, std::uint64_t{257}, (std::uint64_t{1} << 40) + 3}) {
        CHECK(BlockLayout().place_of(candidate).block == candidate);
        CHECK(shac::uniforms_of_group(5, candidate, 1, BlockLayout::shared(9)) ==
              shac::uniforms_of_group(5, candidate, 1));
    }
}

TEST_CASE("candidates in a row and candidates that are left get the uniforms of the definition") {
    std::mt19937 left(3);
    for (std::size_t width = 1; width <= 8; ++width) {
        CAPTURE(width);
        for (const std::uint64_t first :
             {std::uint64_t{0}, std::uint64_t{100}, (std::uint64_t{1} << 34) - 256}) {
            std::vector<std::uint16_t> all(1024 + kLane);
            std::iota(all.begin(), all.end(), std::uint16_t{0});
            check_drawn(width, first, all);
            std::vector<std::uint16_t> some;
            for (std::uint16_t offset = 0; some.size() < 512; ++offset) {
                if (left() % 64 != 0 || offset > 65'000) {
                    some.push_back(offset);
                }
            }
            check_drawn(width, first, some);
            // A run with one candidate that is not in its place: behind the last that is left, offsets are
            // any.
            std::vector<std::uint16_t> broken(all.begin(), all.begin() + BlockLayout::kRun);
            broken[100] = 60'000;
            check_drawn(width, first, broken);
        }
    }
}
