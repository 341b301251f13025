// Samples from a region's boxes: no draw from what is proven to be rejected.
//
// A candidate (see box_drawer.hpp) is tested by its box's undecided stages only; an accepted box passes every
// candidate.
//
// A block of candidates is drawn and tested together: the stages' tables prove what they can of the rows
// whose boxes leave the stage undecided, those first that reject most of a pilot for their cost; then forests
// decide what is left open. Columns are drawn when the first stage asks for them, for the rows that are left
// then: most rows never meet most columns.
//
// Immutable; any number of threads may draw.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "region/region.hpp"
#include "sampling/box_drawer.hpp"
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
    /// missing. False when `workers.stop` ended it.
    bool write_uniforms(std::uint64_t seed, ArrayView<const std::uint64_t> candidates,
                        MatrixView<double> result, const Workers& workers) const;

  private:
    struct Scratch;

    void choose_order();

    /// Moves to `passed`, as begin + offset, those of the candidates drawn whose boxes are proven to be
    /// accepted.
    void take_accepted(Scratch& scratch, std::size_t begin, std::vector<std::uint32_t>& passed) const;

    /// Makes scratch.rows all candidates drawn, with what is known of their boxes.
    void begin_testing(Scratch& scratch) const;

    /// Shortens scratch.rows to those that pass.
    void test(Scratch& scratch, ArrayView<std::uint64_t> rejected_by_stage) const;

    /// Says in scratch.fails, by row, which a stage's tables reject; leaves the undecided in scratch.open.
    void prove(std::size_t stage, ArrayView<const std::uint32_t> rows, Scratch& scratch) const;

    /// Says in scratch.fails, by row, which a stage's forest rejects.
    void settle(std::size_t stage, ArrayView<const std::uint32_t> rows, Scratch& scratch) const;

    /// Writes the uniforms of as many of the listed candidates as are drawn at once; returns how many.
    std::size_t write_first(std::uint64_t seed, ArrayView<const std::uint64_t> candidates,
                            MatrixView<double> result, BoxDraws& draws) const;

    std::shared_ptr<const Region> region_;
    BoxDrawer drawer_;
    std::vector<std::vector<std::uint32_t>> groups_;  // by stage: groups of columns that its tables ask for
    std::vector<std::size_t> order_;                  // in which stages are asked
    const Kernels& kernels_;
};

}  // namespace shac
