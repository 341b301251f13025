#include "sampling/sampler.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <utility>

namespace shac {
namespace {

class Run {
  public:
    Run(const SampleRequest& request, std::size_t num_stages, std::size_t block_size, const TestBlock& test)
        : request_(request), block_size_(block_size), test_(test) {
        samples_.rejected_by_stage.resize(num_stages);
    }

    std::uint64_t num_blocks() const {
        return request_.max_candidates / block_size_ + (request_.max_candidates % block_size_ != 0 ? 1 : 0);
    }

    /// Runs a block and enters all results that are next in order; false when the call has all it needs.
    bool work(std::uint64_t block, std::size_t thread) {
        BlockResult result = test(block, rows_of(block), thread);
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
    std::size_t rows_of(std::uint64_t block) const {
        return static_cast<std::size_t>(
            std::min<std::uint64_t>(block_size_, request_.max_candidates - block * block_size_));
    }

    BlockResult test(std::uint64_t block, std::size_t rows, std::size_t thread) const {
        return test_(request_.first_candidate + block * block_size_, rows, thread);
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
        count(test(next_block_, rows, thread), rows);
        samples_.end = end;
        ended_ = true;
    }

    void count(const BlockResult& result, std::size_t rows) {
        samples_.num_drawn += rows;
        for (std::size_t s = 0; s < result.rejected_by_stage.size(); ++s) {
            samples_.rejected_by_stage[s] += result.rejected_by_stage[s];
        }
    }

    const SampleRequest& request_;
    const std::size_t block_size_;
    const TestBlock& test_;

    std::mutex mutex_;  // guards all that follows
    std::map<std::uint64_t, BlockResult> waiting_;
    std::uint64_t next_block_ = 0;
    std::uint64_t gap_begin_ = 0;  // first candidate after the last sample, counted within the call
    bool ended_ = false;
    Samples samples_;
};

}  // namespace

const char* name_of(SampleEnd end) {
    constexpr std::array<const char*, 4> kNames{"count", "candidates", "gap", "stopped"};
    return kNames.at(static_cast<std::size_t>(end));
}

Samples draw_in_order(const SampleRequest& request, const Workers& workers, std::size_t num_stages,
                      std::size_t block_size, const TestBlock& test) {
    Run run(request, num_stages, block_size, test);
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
