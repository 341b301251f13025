// Candidates of a region: boxes by their mass, and uniforms within them.
//
// Candidate j of a seed picks a box by its mass and draws its uniforms within the box. Words come from Philox
// streams of their own (see prior/random.hpp): stream 2^31 picks, stream 2^31 + 1 draws two columns a block.
// A uniform within a range of w integers is the upper half of the product of w and 64 random bits, which
// favours no part of the range by more than 2^-64 of it.
//
// Immutable; any number of threads may draw, each into a block of its own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/kernels.hpp"
#include "region/region.hpp"
#include "sampling/alias_table.hpp"
#include "support/array_view.hpp"

namespace shac {

/// Candidates that are drawn together, at most kChunk: first + offset for each of `offsets`. Columns stand
/// kChunk entries apart. Kept from block to block, since it is large.
struct BoxDraws {
    std::uint64_t seed = 0;
    std::uint64_t first = 0;
    std::vector<std::uint16_t> offsets;
    std::vector<std::uint32_t> boxes;     // by place among the offsets
    std::vector<const BinRange*> ranges;  // of these boxes
    std::vector<std::uint64_t> uniforms;  // by column
    std::vector<std::uint16_t> coarse;    // the upper bits of uniforms
    std::vector<std::uint8_t> is_drawn;   // by group of columns: for all rows that matter yet
    std::vector<std::uint32_t> numbers;   // 0, 1, ...
    std::array<std::uint16_t, kChunk> listed{};
    std::array<std::uint64_t, kChunk> words{};
    std::array<std::uint64_t, kChunk> more_words{};

    ArrayView<const std::uint32_t> all_rows() const { return {numbers.data(), offsets.size()}; }
};

class BoxDrawer {
  public:
    /// Throws std::invalid_argument when no box is left.
    explicit BoxDrawer(std::shared_ptr<const Region> region);

    /// Groups of columns that are drawn together.
    std::size_t num_groups() const;
    static std::uint32_t group_of(std::size_t column);

    /// Picks the boxes of the first `count` candidates from number `first` on.
    void pick_boxes(std::uint64_t seed, std::uint64_t first, std::size_t count, BoxDraws& draws) const;
    /// Picks the boxes of the candidates in draws.offsets.
    void pick_boxes(std::uint64_t seed, std::uint64_t first, BoxDraws& draws) const;

    /// Makes room for the uniforms of draws.offsets, whose boxes are picked; none is drawn.
    void begin(BoxDraws& draws) const;

    /// Draws the uniforms of a group of columns for some rows, places among draws.offsets.
    void draw_group(std::uint32_t group, ArrayView<const std::uint32_t> rows, BoxDraws& draws) const;

    /// Draws all columns of all rows; where columns are conditional, tells where they are missing.
    void draw_all(BoxDraws& draws) const;

    /// Draws those groups for these rows that are not drawn yet.
    void draw_rest(ArrayView<const std::uint32_t> rows, BoxDraws& draws) const;

  private:
    std::shared_ptr<const Region> region_;
    AliasTable picker_;
    std::vector<std::vector<std::uint64_t>> starts_;  // by column: first uniform of each bin, and two ends
    const Kernels& kernels_;
};

}  // namespace shac
