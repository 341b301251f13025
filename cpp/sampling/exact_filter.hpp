// The exact filter: listed candidates through the forests of all stages, in XGBoost's own arithmetic.
//
// The reference for everything faster, and the last word on what the rejection filter lets pass. A
// candidate's values are representatives of the bins that its uniforms fall in (see prior/space.hpp).
//
// Immutable; any number of threads may use it, each with its own scratch. Cost of a candidate: two Philox
// blocks for every three columns, a binary search for every column that a stage tests, and the walks through
// the trees of the stages that it reaches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "prior/random.hpp"
#include "support/array_view.hpp"
#include "tables/stage.hpp"

namespace shac {

class ExactFilter {
  public:
    /// Buffers of one thread.
    struct Scratch {
        std::vector<std::uint64_t> uniforms;
        std::vector<float> values;
        std::vector<float> margins;
        std::vector<std::uint32_t> rows;
        std::vector<std::uint32_t> failures;
        BinnedForest::Scratch binned;
    };

    /// Tries the stages in the given order. All arguments must outlive the filter.
    ExactFilter(const std::vector<std::shared_ptr<const Stage>>& stages,
                const std::vector<std::size_t>& order, std::size_t width, BlockLayout layout,
                const Conditions& conditions, const Kernels& kernels)
        : stages_(stages),
          order_(order),
          width_(width),
          layout_(layout),
          conditions_(conditions),
          kernels_(kernels) {}

    /// Shortens `offsets` to those whose candidates first + offset fail at most `relax` stages, and adds the
    /// others to `rejected_by_stage`.
    void filter(std::uint64_t seed, std::uint64_t first, std::size_t relax,
                std::vector<std::uint32_t>& offsets, Scratch& scratch,
                ArrayView<std::uint64_t> rejected_by_stage) const;

  private:
    const std::vector<std::shared_ptr<const Stage>>& stages_;
    const std::vector<std::size_t>& order_;
    std::size_t width_;
    BlockLayout layout_;
    const Conditions& conditions_;
    const Kernels& kernels_;
};

}  // namespace shac
