#include "sampler.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>

namespace shac {
namespace {

struct BlockResult {
    std::vector<std::uint32_t> passed;  // rows, ascending
    std::vector<std::uint64_t> rejected_by_stage;
};

class PlainSampler {
  public:
    PlainSampler(const Cascade& cascade, const Space& space, const SampleRequest& request,
                 std::size_t threads)
        : cascade_(cascade),
          space_(space),
          request_(request),
          block_size_(request.block_size == 0 ? cascade.block_size() : request.block_size),
          buffers_(threads) {
        samples_.rejected_by_stage.resize(cascade.num_stages());
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
        std::vector<float> values;
        Cascade::Scratch scratch;
    };

    std::size_t rows_of(std::uint64_t block) const {
        return static_cast<std::size_t>(
            std::min<std::uint64_t>(block_size_, request_.max_candidates - block * block_size_));
    }

    BlockResult evaluate(std::uint64_t block, std::size_t rows, std::size_t thread) {
        Buffers& own = buffers_[thread];
        own.values.resize(block_size_ * space_.width());
        space_.draw(request_.seed, request_.first_candidate + block * block_size_, rows, block_size_,
                    own.values.data());
        BlockResult result;
        result.rejected_by_stage.resize(cascade_.num_stages());
        cascade_.filter({own.values.data(), block_size_, rows}, request_.relax, own.scratch,
                        result.rejected_by_stage.data(), nullptr);
        result.passed = own.scratch.rows;
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

    const Cascade& cascade_;
    const Space& space_;
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

}  // namespace

Samples draw_samples(const Cascade& cascade, const Space& space, const SampleRequest& request,
                     const Workers& workers) {
    if (cascade.num_features() != space.width()) {
        throw std::invalid_argument("space: expected " + std::to_string(cascade.num_features()) +
                                    " columns, got " + std::to_string(space.width()));
    }
    PlainSampler sampler(cascade, space, request, workers.threads);
    if (request.count == 0) {
        Samples none = sampler.finish(false);
        none.end = SampleEnd::kCount;
        return none;
    }
    const bool finished =
        run_blocks(sampler.num_blocks(), workers,
                   [&](std::uint64_t block, std::size_t thread) { return sampler.work(block, thread); });
    return sampler.finish(!finished);
}

}  // namespace shac
