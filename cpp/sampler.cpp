#include "sampler.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>

#include "exact.hpp"

namespace shac {
namespace {

constexpr std::size_t kExactBlock = 256;  // candidates of the reference, a few milliseconds of tree walking

struct BlockResult {
    std::vector<std::uint32_t> passed;  // offsets in the block, ascending
    std::vector<std::uint64_t> rejected_by_stage;
};

const std::vector<std::shared_ptr<const Stage>>& checked(
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
                           bool use_tables)
    : stages_(std::move(stages)),
      width_(width),
      use_tables_(use_tables),
      sieve_(checked(stages_, width), width, chosen_kernels()) {}

class PlainSampler::Run {
  public:
    Run(const PlainSampler& sampler, const SampleRequest& request, std::size_t threads)
        : sampler_(sampler), request_(request), block_size_(block_size(sampler, request)), buffers_(threads) {
        samples_.rejected_by_stage.resize(sampler.stages_.size());
    }

    std::uint64_t num_blocks() const {
        return request_.max_candidates / block_size_ + (request_.max_candidates % block_size_ != 0 ? 1 : 0);
    }

    /// Runs a block and enters all results that are next in order; false when the call has all it needs.
    bool work(std::uint64_t block, std::size_t thread) {
        BlockResult result = evaluate(block, rows_of(block), thread);
        const std::lock_guard<std::mutex> lock(mutex_);
        waiting_.emplace(block, std::move(result));
        for (auto next = waiting_.find(next_block_); !ended_ && next != waiting_.end();
             next = waiting_.find(next_block_)) {
            enter(next->second, thread);
            waiting_.erase(next);
            ++next_block_;
        }
        return !ended_;
    }

    Samples finish(bool stopped) {
        if (!ended_) {
            samples_.end = stopped ? SampleEnd::kStopped : SampleEnd::kCandidates;
        }
        return std::move(samples_);
    }

  private:
    struct Buffers {
        Sieve::Scratch sieve;
        ExactScratch exact;
    };

    static std::size_t block_size(const PlainSampler& sampler, const SampleRequest& request) {
        if (request.block_size != 0) {
            return std::min(request.block_size, Sieve::kMaxBlock);
        }
        return sampler.use_tables_ ? sampler.sieve_.block_size() : kExactBlock;
    }

    std::size_t rows_of(std::uint64_t block) const {
        return static_cast<std::size_t>(
            std::min<std::uint64_t>(block_size_, request_.max_candidates - block * block_size_));
    }

    BlockResult evaluate(std::uint64_t block, std::size_t rows, std::size_t thread) {
        Buffers& own = buffers_[thread];
        const std::uint64_t first = request_.first_candidate + block * block_size_;
        BlockResult result;
        result.rejected_by_stage.resize(sampler_.stages_.size());
        if (sampler_.use_tables_) {
            sampler_.sieve_.filter(request_.seed, first, rows, request_.relax, own.sieve,
                                   result.rejected_by_stage.data());
            const auto& left = own.sieve.offsets;
            result.passed.assign(left.begin(),
                                 left.begin() + static_cast<std::ptrdiff_t>(own.sieve.num_left));
        } else {
            result.passed.resize(rows);
            std::iota(result.passed.begin(), result.passed.end(), 0U);
        }
        filter_exactly(sampler_.stages_, sampler_.order(), sampler_.width_, request_.seed, first,
                       request_.relax, result.passed, own.exact, result.rejected_by_stage.data());
        return result;
    }

    void enter(const BlockResult& result, std::size_t thread) {
        const std::uint64_t begin = next_block_ * block_size_;
        const std::size_t rows = rows_of(next_block_);
        for (const std::uint32_t row : result.passed) {
            if (samples_.candidates.size() == request_.count ||
                begin + row - gap_begin_ >= request_.max_gap) {
                break;
            }
            samples_.candidates.push_back(request_.first_candidate + begin + row);
            gap_begin_ = begin + row + 1;
        }
        if (samples_.candidates.size() == request_.count) {
            end_within_block(SampleEnd::kCount, static_cast<std::size_t>(gap_begin_ - begin), thread);
        } else if (begin + rows - gap_begin_ >= request_.max_gap) {
            end_within_block(SampleEnd::kGap, static_cast<std::size_t>(gap_begin_ + request_.max_gap - begin),
                             thread);
        } else {
            count(result, rows);
        }
    }

    void end_within_block(SampleEnd end, std::size_t rows, std::size_t thread) {
        count(evaluate(next_block_, rows, thread), rows);
        samples_.end = end;
        ended_ = true;
    }

    void count(const BlockResult& result, std::size_t rows) {
        samples_.num_drawn += rows;
        for (std::size_t s = 0; s < result.rejected_by_stage.size(); ++s) {
            samples_.rejected_by_stage[s] += result.rejected_by_stage[s];
        }
    }

    const PlainSampler& sampler_;
    const SampleRequest request_;
    const std::size_t block_size_;
    std::vector<Buffers> buffers_;

    std::mutex mutex_;  // guards all that follows
    std::map<std::uint64_t, BlockResult> waiting_;
    std::uint64_t next_block_ = 0;
    std::uint64_t gap_begin_ = 0;  // first candidate after the last sample, counted within the call
    bool ended_ = false;
    Samples samples_;
};

Samples PlainSampler::draw(const SampleRequest& request, const Workers& workers) const {
    Run run(*this, request, workers.threads);
    if (request.count == 0) {
        Samples none = run.finish(false);
        none.end = SampleEnd::kCount;
        return none;
    }
    const bool finished = run_blocks(run.num_blocks(), workers, [&](std::uint64_t block, std::size_t thread) {
        return run.work(block, thread);
    });
    return run.finish(!finished);
}

}  // namespace shac
