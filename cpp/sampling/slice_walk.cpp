#include "sampling/slice_walk.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

namespace shac {
namespace {

constexpr std::size_t kChainsOfBlock = 4096;

struct Scratch {
    std::vector<double> begin, end, along, candidates;
    std::vector<float> encoded;
    std::vector<std::int32_t> dropped;
    std::vector<std::size_t> active;
};

double clip_uniform(double uniform) {
    return std::min(std::max(uniform, kUniformEdge), 1.0 - kUniformEdge);
}

/// Finds where the line leaves the unit cube to either side, in units of the direction.
void find_ends(const double* point, const double* direction, std::size_t width, double& begin, double& end) {
    begin = -std::numeric_limits<double>::infinity();
    end = std::numeric_limits<double>::infinity();
    for (std::size_t c = 0; c < width; ++c) {
        if (direction[c] != 0.0) {
            const double to_low = (kUniformEdge - point[c]) / direction[c];
            const double to_high = (1.0 - kUniformEdge - point[c]) / direction[c];
            begin = std::max(begin, std::min(to_low, to_high));
            end = std::min(end, std::max(to_low, to_high));
        }
    }
}

void find_drops(const Cascade& cascade, const RowsView& x, ArrayView<std::int32_t> dropped) {
    compute_drops(cascade, x, 0, dropped, {1, nullptr});
}

void find_drops(const RowFilter& filter, const RowsView& x, ArrayView<std::int32_t> dropped) {
    filter.compute_drops(x, 0, dropped, {1, nullptr});
}

template <typename Decisions>
class Block {
  public:
    Block(const SpaceEncoding& encoding, const Decisions& decisions, const SliceWalk& chains,
          std::size_t first)
        : encoding_(encoding),
          decisions_(decisions),
          chains_(chains),
          first_(first),
          count_(std::min(kChainsOfBlock, chains.points.rows - first)),
          width_(chains.points.width) {}

    void take_step(std::size_t step, Scratch& scratch) const {
        const std::size_t row = step * chains_.points.rows + first_;
        const double* const directions = chains_.directions.data + row * width_;
        const double* const fractions = chains_.fractions.data + row * chains_.num_shrinkages;
        scratch.begin.resize(count_);
        scratch.end.resize(count_);
        scratch.active.resize(count_);
        for (std::size_t i = 0; i < count_; ++i) {
            find_ends(chains_.points.row(first_ + i), directions + i * width_, width_, scratch.begin[i],
                      scratch.end[i]);
            scratch.active[i] = i;
        }
        for (std::size_t s = 0; s < chains_.num_shrinkages && !scratch.active.empty(); ++s) {
            propose(directions, fractions + s, scratch);
            const std::size_t tested = scratch.active.size();
            scratch.dropped.resize(tested);
            find_drops(decisions_, RowsView::row_major(scratch.encoded.data(), tested, width_),
                       {scratch.dropped.data(), tested});
            shrink(scratch);
        }
    }

  private:
    void propose(const double* directions, const double* fractions, Scratch& scratch) const {
        const std::size_t tested = scratch.active.size();
        scratch.along.resize(tested);
        scratch.candidates.resize(tested * width_);
        scratch.encoded.resize(tested * width_);
        for (std::size_t a = 0; a < tested; ++a) {
            const std::size_t i = scratch.active[a];
            const double fraction = fractions[i * chains_.num_shrinkages];
            const double along = scratch.begin[i] + (scratch.end[i] - scratch.begin[i]) * fraction;
            const double* const point = chains_.points.row(first_ + i);
            double* const candidate = scratch.candidates.data() + a * width_;
            for (std::size_t c = 0; c < width_; ++c) {
                candidate[c] = clip_uniform(point[c] + along * directions[i * width_ + c]);
            }
            scratch.along[a] = along;
            encoding_.encode(candidate, scratch.encoded.data() + a * width_);
        }
    }

    /// Moves the chains whose candidates pass, and shrinks the lines of the others.
    void shrink(Scratch& scratch) const {
        std::size_t left = 0;
        for (std::size_t a = 0; a < scratch.active.size(); ++a) {
            const std::size_t i = scratch.active[a];
            if (scratch.dropped[a] == kPassed) {
                const double* const candidate = scratch.candidates.data() + a * width_;
                std::copy(candidate, candidate + width_, chains_.points.row(first_ + i));
                continue;
            }
            (scratch.along[a] < 0.0 ? scratch.begin : scratch.end)[i] = scratch.along[a];
            scratch.active[left++] = i;
        }
        scratch.active.resize(left);
    }

    const SpaceEncoding& encoding_;
    const Decisions& decisions_;
    const SliceWalk& chains_;
    std::size_t first_;
    std::size_t count_;
    std::size_t width_;
};

template <typename Decisions>
bool walk_by(const SpaceEncoding& encoding, const Decisions& decisions, std::size_t width,
             const SliceWalk& chains, const Workers& workers) {
    const std::size_t numbers = chains.num_steps * chains.points.rows;
    if (encoding.width() != chains.points.width || width != chains.points.width ||
        chains.directions.size != numbers * chains.points.width ||
        chains.fractions.size != numbers * chains.num_shrinkages) {
        throw std::invalid_argument("walk: expected directions and fractions for each step of each chain");
    }
    std::vector<Scratch> scratches(workers.threads);
    const std::size_t blocks = (chains.points.rows + kChainsOfBlock - 1) / kChainsOfBlock;
    return run_blocks(blocks, workers, [&](std::uint64_t block, std::size_t thread) {
        const Block own(encoding, decisions, chains, static_cast<std::size_t>(block) * kChainsOfBlock);
        for (std::size_t step = 0; step < chains.num_steps; ++step) {
            own.take_step(step, scratches[thread]);
        }
        return true;
    });
}

}  // namespace

bool walk(const SpaceEncoding& encoding, const Cascade& cascade, const SliceWalk& chains,
          const Workers& workers) {
    return walk_by(encoding, cascade, cascade.num_features(), chains, workers);
}

bool walk(const SpaceEncoding& encoding, const RowFilter& filter, const SliceWalk& chains,
          const Workers& workers) {
    return walk_by(encoding, filter, filter.width(), chains, workers);
}

}  // namespace shac
