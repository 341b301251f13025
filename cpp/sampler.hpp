// Rejection sampling from the prior: draw candidates in numbered blocks, keep those that the cascade passes.
//
// The samples are the first `count` passing candidates in the order of their numbers, and the report counts
// exactly the candidates up to the one that ended the call. Both are functions of the request alone, whatever
// the number of threads or the size of a block: threads may run ahead, but results enter strictly in order
// and what lies behind the end is forgotten.
//
// A block goes through the sieve, which drops only what is proven to be rejected, and what is left through
// the exact forests. Memory: the samples, and a few blocks for each thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "parallel.hpp"
#include "sieve.hpp"
#include "stage.hpp"

namespace shac {

struct SampleRequest {
    std::uint64_t seed = 0;
    std::uint64_t first_candidate = 0;
    std::size_t count = 0;
    std::size_t relax = 0;
    std::uint64_t max_candidates = kEndless;  // candidates drawn in this call, at most
    std::uint64_t max_gap = kEndless;         // candidates in a row that give no sample, at most
    std::size_t block_size = 0;               // 0: the sampler's choice
};

enum class SampleEnd { kCount, kCandidates, kGap, kStopped };

struct Samples {
    std::vector<std::uint64_t> candidates;         // number of each sample's candidate, ascending
    std::uint64_t num_drawn = 0;                   // candidates drawn, the last sample's included
    std::vector<std::uint64_t> rejected_by_stage;  // of those
    SampleEnd end = SampleEnd::kCount;
};

/// Immutable; any number of threads may draw.
class PlainSampler {
  public:
    /// Without tables every candidate goes through the exact forests: the reference. Throws
    /// std::invalid_argument when a stage is null or of another width.
    PlainSampler(std::vector<std::shared_ptr<const Stage>> stages, std::size_t width, bool use_tables = true);
    PlainSampler(const PlainSampler&) = delete;
    PlainSampler& operator=(const PlainSampler&) = delete;

    std::size_t width() const { return width_; }
    const std::vector<std::shared_ptr<const Stage>>& stages() const { return stages_; }
    const std::vector<std::size_t>& order() const { return sieve_.order(); }

    Samples draw(const SampleRequest& request, const Workers& workers) const;

  private:
    class Run;

    std::vector<std::shared_ptr<const Stage>> stages_;
    std::size_t width_;
    bool use_tables_;
    Sieve sieve_;
};

}  // namespace shac
