// Samples in the order of candidates: the part that all samplers share.
//
// A sampler tests numbered blocks of candidates; the samples are the first `count` passing candidates in the
// order of their numbers, and the report counts exactly the candidates up to the one that ended the call.
// Both are functions of the request alone, whatever the number of threads or the size of a block: threads may
// run ahead, but results enter strictly in order and what lies behind the end is forgotten.
//
// Memory: the samples, and a few blocks for each thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "support/parallel.hpp"

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

/// "count", "candidates", "gap" or "stopped".
const char* name_of(SampleEnd end);

struct Samples {
    std::vector<std::uint64_t> candidates;         // number of each sample's candidate, ascending
    std::uint64_t num_drawn = 0;                   // candidates drawn, the last sample's included
    std::vector<std::uint64_t> rejected_by_stage;  // of those
    SampleEnd end = SampleEnd::kCount;
};

struct BlockResult {
    std::vector<std::uint32_t> passed;  // offsets in the block, ascending
    std::vector<std::uint64_t> rejected_by_stage;
};

/// Tests `rows` candidates from number `first` on, with the buffers of a thread; a function of its first two
/// arguments, but for the buffers.
using TestBlock = std::function<BlockResult(std::uint64_t first, std::size_t rows, std::size_t thread)>;

/// Runs the blocks of a request.
Samples draw_in_order(const SampleRequest& request, const Workers& workers, std::size_t num_stages,
                      std::size_t block_size, const TestBlock& test);

}  // namespace shac
