#include "sampling/plain_sampler.hpp"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>

#include "support/costs.hpp"

namespace shac {
namespace {

struct Buffers {
    RejectionFilter::Scratch filter;
    ExactFilter::Scratch exact;
};

const std::vector<std::shared_ptr<const Stage>>& checked_stages(
    const std::vector<std::shared_ptr<const Stage>>& stages, std::size_t width) {
    for (std::size_t s = 0; s < stages.size(); ++s) {
        if (stages[s] == nullptr || stages[s]->bins.width() != width) {
            throw std::invalid_argument("stages: expected " + std::to_string(width) + " columns, got " +
                                        (stages[s] ? std::to_string(stages[s]->bins.width()) : "none") +
                                        " at stage " + std::to_string(s));
        }
    }
    return stages;
}

}  // namespace

PlainSampler::PlainSampler(std::vector<std::shared_ptr<const Stage>> stages, std::size_t width,
                           bool use_tables, Conditions conditions, BlockLayout layout,
                           const PlainSampler* shorter)
    : stages_(std::move(stages)),
      width_(width),
      use_tables_(use_tables),
      layout_(layout),
      conditions_(std::move(conditions)),
      filter_(checked_stages(stages_, width), width, layout, conditions_, chosen_kernels(),
              shorter == nullptr ? nullptr : &shorter->filter_),
      exact_filter_(stages_, filter_.order(), width, layout, conditions_, chosen_kernels()) {}

Samples PlainSampler::draw(const SampleRequest& request, const Workers& workers) const {
    std::vector<Buffers> buffers(workers.threads);
    const auto test = [&](std::uint64_t first, std::size_t rows, std::size_t thread) {
        Buffers& own = buffers[thread];
        BlockResult result;
        result.rejected_by_stage.resize(stages_.size());
        const ArrayView<std::uint64_t> rejected{result.rejected_by_stage.data(), stages_.size()};
        if (use_tables_) {
            filter_.filter(request.seed, first, rows, request.relax, own.filter, rejected);
            const auto& left = own.filter.offsets;
            result.passed.assign(left.begin(),
                                 left.begin() + static_cast<std::ptrdiff_t>(own.filter.num_left));
        } else {
            result.passed.resize(rows);
            std::iota(result.passed.begin(), result.passed.end(), 0U);
        }
        exact_filter_.filter(request.seed, first, request.relax, result.passed, own.exact, rejected);
        return result;
    };
    return draw_in_order(request, workers, stages_.size(), block_size_for(request, workers.threads), test);
}

/// Smaller blocks where few candidates give all that is wanted: what passes the filter costs most.
std::size_t PlainSampler::block_size_for(const SampleRequest& request, std::size_t threads) const {
    if (request.block_size != 0) {
        return std::min(request.block_size, RejectionFilter::kMaxBlock);
    }
    if (!use_tables_) {
        return costs::kExactBlock;
    }
    const double candidates = static_cast<double>(request.count) / filter_.pass_rate();
    const double blocks = costs::kBlocksPerThread * static_cast<double>(threads);
    if (candidates >= blocks * static_cast<double>(filter_.block_size())) {
        return filter_.block_size();
    }
    const auto chunks = static_cast<std::size_t>(candidates / blocks) / costs::kExactBlock;
    return std::clamp((chunks + 1) * costs::kExactBlock, costs::kExactBlock, filter_.block_size());
}

}  // namespace shac
