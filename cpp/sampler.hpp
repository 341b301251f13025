// Rejection sampling from the prior: draw candidates in numbered blocks, keep those that the cascade passes.
//
// The samples are the first `count` passing candidates in the order of their numbers, and the report counts
// exactly the candidates up to the one that ended the call. Both are functions of the request alone, whatever
// the number of threads or the size of a block: threads may run ahead, but results enter strictly in order
// and what lies behind the end is forgotten.
//
// Memory: the samples, and a few blocks for each thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cascade.hpp"
#include "parallel.hpp"
#include "space.hpp"

namespace shac {

struct SampleRequest {
    std::uint64_t seed = 0;
    std::uint64_t first_candidate = 0;
    std::size_t count = 0;
    std::size_t relax = 0;
    std::uint64_t max_candidates = kEndless;  // candidates drawn in this call, at most
    std::uint64_t max_gap = kEndless;         // candidates in a row that give no sample, at most
    std::size_t block_size = 0;               // 0: the cascade's choice
};

enum class SampleEnd { kCount, kCandidates, kGap, kStopped };

struct Samples {
    std::vector<std::uint64_t> candidates;         // number of each sample's candidate, ascending
    std::uint64_t num_drawn = 0;                   // candidates drawn, the last sample's included
    std::vector<std::uint64_t> rejected_by_stage;  // of those
    SampleEnd end = SampleEnd::kCount;
};

/// Throws std::invalid_argument when cascade and space have different widths.
Samples draw_samples(const Cascade& cascade, const Space& space, const SampleRequest& request,
                     const Workers& workers);

}  // namespace shac
