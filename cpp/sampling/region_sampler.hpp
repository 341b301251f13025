// Samples from a region's boxes: no draw from what is proven to be rejected.
//
// Candidate j of a seed picks a box by its mass (alias method: Walker 1977, in the form of Vose 1991), draws
// its uniforms within the box, and is tested by the box's undecided stages only; an accepted box passes every
// candidate. Words come from Philox streams of their own (see prior/random.hpp): stream 2^31 picks, stream
// 2^31 + 1 draws two columns a block. A uniform within a range of w integers is the upper half of the product
// of w and 64 random bits, which favours no part of the range by more than 2^-64 of it.
//
// A block of candidates is drawn and tested together: the stages' tables prove what they can of the rows
// whose boxes leave the stage undecided, and its forest decides the others. Columns are drawn when the first
// stage asks for them, for the rows that are left then: most rows never meet most columns.
//
// Immutable; any number of threads may draw.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "region/region.hpp"
#include "sampling/sampler.hpp"
#include "support/array_view.hpp"

namespace shac {

class RegionSampler {
  public:
    /// Throws std::invalid_argument when no box is left.
    explicit RegionSampler(std::shared_ptr<const Region> region);

    const Region& region() const { return *region_; }
    std::size_t width() const { return region_->width(); }

    /// The relaxation is the region's own.
    Samples draw(const SampleRequest& request, const Workers& workers) const;

    /// For each of the region's boxes, the share of it that is taken to be rejected after these draws: by the
    /// candidates from number `first` on, of which the listed ones, ascending, passed. Few draws in a box
    /// weigh like one more at the rate of all.
    std::vector<double> rejected_share(std::uint64_t seed, std::uint64_t first, std::uint64_t num_drawn,
                                       ArrayView<const std::uint64_t> passed) const;

    /// Writes the uniforms in (0, 1) of the listed candidates, candidates by columns; NaN for what is
    /// missing.
    void write_uniforms(std::uint64_t seed, ArrayView<const std::uint64_t> candidates,
                        MatrixView<double> result) const;

  private:
    struct Scratch;

    std::size_t pick_box(std::uint64_t first, std::uint64_t second) const;

    /// Picks the boxes of the candidates first + offset, for each of scratch.offsets (at most kChunk).
    void pick_boxes(std::uint64_t seed, std::uint64_t first, Scratch& scratch) const;

    /// Groups of columns that are drawn together.
    std::size_t num_groups() const;

    /// Makes room for the uniforms of the candidates in scratch.offsets; none is drawn.
    void begin_drawing(std::uint64_t seed, std::uint64_t first, Scratch& scratch) const;

    /// Draws the uniforms of a group of columns for some rows, places among scratch.offsets, within their
    /// boxes.
    void draw_group(std::uint32_t group, ArrayView<const std::uint32_t> rows, Scratch& scratch) const;

    /// Draws all columns of all rows.
    void draw_all(Scratch& scratch) const;

    /// Shortens scratch.rows, places among scratch.offsets, to the candidates that pass.
    void test(Scratch& scratch, ArrayView<std::uint64_t> rejected_by_stage) const;
    void test_stage(std::size_t stage, ArrayView<const std::uint32_t> rows, Scratch& scratch) const;

    std::shared_ptr<const Region> region_;
    std::vector<std::uint32_t> alias_;  // by box
    std::vector<std::uint64_t> keep_;   // a word below it keeps the box, another takes the alias
    std::vector<std::vector<std::uint64_t>> starts_;  // by column: first uniform of each bin, and two ends
    std::vector<std::vector<std::uint32_t>> groups_;  // by stage: groups of columns that its tables ask for
    const Kernels& kernels_;
};

}  // namespace shac
