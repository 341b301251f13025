#include "rows/cascade.hpp"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>

#include "model/count_failures.hpp"
#include "model/decision.hpp"
#include "rows/row_block.hpp"
#include "support/costs.hpp"

namespace shac {

Cascade::Cascade(std::vector<std::shared_ptr<const BinnedForest>> stages, std::size_t num_features)
    : num_features_(num_features), stages_(std::move(stages)) {
    for (std::size_t s = 0; s < stages_.size(); ++s) {
        if (stages_[s] == nullptr || stages_[s]->forest().num_features() != num_features_) {
            throw std::invalid_argument(
                "stages: expected forests of " + std::to_string(num_features_) + " features, got " +
                (stages_[s] ? std::to_string(stages_[s]->forest().num_features()) : "none") + " at stage " +
                std::to_string(s));
        }
    }
}

std::size_t Cascade::block_size() const {
    std::size_t longest_walk = 1;
    for (const auto& stage : stages_) {
        longest_walk += stage->forest().longest_walk();
    }
    return std::clamp(costs::kVisitsPerBlock / longest_walk / kLane * kLane, kLane, kChunk);
}

void Cascade::filter(const ColumnBlock& block, std::size_t relax, Scratch& scratch,
                     ArrayView<std::uint64_t> rejected_by_stage, std::int32_t* dropped_at) const {
    auto& [rows, failures, margins, binned] = scratch;
    rows.resize(block.size);
    std::iota(rows.begin(), rows.end(), 0U);
    failures.assign(block.size, 0);
    margins.resize(block.size);
    if (dropped_at != nullptr) {
        std::fill(dropped_at, dropped_at + block.size, kPassed);
    }
    const float threshold = decision_threshold();
    const Kernels& kernels = chosen_kernels();
    const auto decide = [&, &all_margins = margins, &own = binned](std::size_t s,
                                                                   ArrayView<const std::uint32_t> left) {
        stages_[s]->margins(kernels, block, left, own, all_margins.data());
        return
            [&all_margins, threshold](std::size_t k) { return !accepts_margin(all_margins[k], threshold); };
    };
    const auto on_drop = [&](std::size_t s, std::uint32_t row) {
        ++rejected_by_stage[s];
        if (dropped_at != nullptr) {
            dropped_at[row] = static_cast<std::int32_t>(s);
        }
    };
    rows.resize(
        count_failures(stages_.size(), relax, {rows.data(), rows.size()}, failures.data(), decide, on_drop));
}

bool compute_margins(const Cascade& cascade, const RowsView& x, MatrixView<float> margins,
                     const Workers& workers) {
    check_width(x, cascade.num_features());
    struct Buffers {
        RowBlock block;
        std::vector<std::uint32_t> rows;
        std::vector<float> margins;
        BinnedForest::Scratch binned;
    };
    const Kernels& kernels = chosen_kernels();
    std::vector<Buffers> buffers(workers.threads);
    return for_row_blocks(x.rows, cascade.block_size(), workers,
                          [&](std::size_t begin, std::size_t size, std::size_t thread) {
                              Buffers& own = buffers[thread];
                              const ColumnBlock block = own.block.load(x, begin, size);
                              own.rows.resize(size);
                              std::iota(own.rows.begin(), own.rows.end(), 0U);
                              own.margins.resize(size);
                              for (std::size_t s = 0; s < cascade.num_stages(); ++s) {
                                  cascade.stages()[s]->margins(kernels, block, {own.rows.data(), size},
                                                               own.binned, own.margins.data());
                                  for (std::size_t i = 0; i < size; ++i) {
                                      margins.row(begin + i)[s] = own.margins[i];
                                  }
                              }
                          });
}

bool compute_drops(const Cascade& cascade, const RowsView& x, std::size_t relax,
                   ArrayView<std::int32_t> dropped_at, const Workers& workers) {
    check_width(x, cascade.num_features());
    struct Buffers {
        RowBlock block;
        Cascade::Scratch scratch;
        std::vector<std::uint64_t> rejected;
    };
    std::vector<Buffers> buffers(workers.threads);
    return for_row_blocks(
        x.rows, cascade.block_size(), workers, [&](std::size_t begin, std::size_t size, std::size_t thread) {
            Buffers& own = buffers[thread];
            own.rejected.resize(cascade.num_stages());
            cascade.filter(own.block.load(x, begin, size), relax, own.scratch,
                           {own.rejected.data(), own.rejected.size()}, dropped_at.data + begin);
        });
}

}  // namespace shac
