// Rejection sampling from the prior.
//
// A block of candidates goes through the rejection filter, which drops only what is proven to be rejected,
// and what is left through the exact forests. Samples and counts are those of the forests alone, which
// `use_tables = false` asks.
//
// Immutable; any number of threads may draw. Memory: that of the filter's scratch for each thread. Cost of a
// candidate: candidate_cost(), and for each that passes the filter the walks through the trees of all stages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "sampling/exact_filter.hpp"
#include "sampling/rejection_filter.hpp"
#include "sampling/sampler.hpp"
#include "tables/stage.hpp"

namespace shac {

/// Immutable; any number of threads may draw.
class PlainSampler {
  public:
    /// Without tables every candidate goes through the exact forests: the reference. Throws
    /// std::invalid_argument when a stage is null or of another width. `shorter`, of the same space, saves
    /// work where both begin with the same stages.
    PlainSampler(std::vector<std::shared_ptr<const Stage>> stages, std::size_t width, bool use_tables = true,
                 Conditions conditions = {}, BlockLayout layout = {}, const PlainSampler* shorter = nullptr);
    PlainSampler(const PlainSampler&) = delete;
    PlainSampler& operator=(const PlainSampler&) = delete;

    std::size_t width() const { return width_; }
    const std::vector<std::shared_ptr<const Stage>>& stages() const { return stages_; }
    const std::vector<std::size_t>& order() const { return filter_.order(); }
    const Conditions& conditions() const { return conditions_; }
    double candidate_cost() const { return filter_.candidate_cost(); }

    /// Writes the uniforms in (0, 1) of the listed candidates, candidates by columns; NaN for what is
    /// missing. False when `workers.stop` ended it.
    bool write_uniforms(std::uint64_t seed, ArrayView<const std::uint64_t> candidates,
                        MatrixView<double> result, const Workers& workers) const {
        return shac::write_uniforms(seed, layout_, conditions_, candidates, result, workers);
    }

    Samples draw(const SampleRequest& request, const Workers& workers) const;

  private:
    std::size_t block_size_for(const SampleRequest& request, std::size_t threads) const;

    std::vector<std::shared_ptr<const Stage>> stages_;
    std::size_t width_;
    bool use_tables_;
    BlockLayout layout_;
    Conditions conditions_;
    RejectionFilter filter_;
    ExactFilter exact_filter_;
};

}  // namespace shac
