#include "sampling/rejection_filter.hpp"

#include <algorithm>
#include <numeric>

#include "sampling/draw_group.hpp"
#include "support/bits.hpp"
#include "support/costs.hpp"
#include "tables/stage_order.hpp"

namespace shac {
RejectionFilter::RejectionFilter(const std::vector<std::shared_ptr<const Stage>>& stages, std::size_t width,
                                 BlockLayout layout, const Conditions& conditions, const Kernels& kernels,
                                 const RejectionFilter* shorter)
    : width_(width), layout_(layout), conditions_(conditions), kernels_(kernels) {
    for (const auto& stage : stages) {
        stages_.push_back(stage.get());
    }
    const std::size_t fits = costs::kBlockBytes / (sizeof(std::uint16_t) * std::max<std::size_t>(width, 1));
    block_size_ = std::clamp(fits / kChunk * kChunk, costs::kSmallestBlock, costs::kLargestBlock);
    run_pilot(shorter);
    choose_order();
    plan_steps();
}

/// Finds which of the same candidates each stage rejects.
void RejectionFilter::run_pilot(const RejectionFilter* shorter) {
    std::size_t known = 0;
    while (shorter != nullptr && known < std::min(stages_.size(), shorter->stages_.size()) &&
           stages_[known] == shorter->stages_[known]) {
        pilot_.push_back(shorter->pilot_[known++]);
    }
    pilot_.resize(stages_.size(), std::vector<std::uint64_t>(costs::kPilotCandidates / kLane));
    order_.resize(stages_.size());
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    plan_steps();
    Scratch scratch;
    scratch.columns.assign(width_, std::vector<std::uint16_t>(kChunk));
    scratch.offsets.resize(kChunk);
    std::iota(scratch.offsets.begin(), scratch.offsets.end(), std::uint16_t{0});
    for (std::size_t begin = 0; begin < costs::kPilotCandidates; begin += kChunk) {
        std::vector<const std::uint16_t*> uniforms;
        for (const auto& column : scratch.columns) {
            uniforms.push_back(column.data());
        }
        for (const Step& step : steps_) {
            draw(step, kPilotSeed, begin, 0, kChunk, scratch);
        }
        for (std::size_t s = known; s < stages_.size(); ++s) {
            stages_[s]->quantized.reject(kernels_, uniforms.data(), 0, kChunk, scratch.quantized,
                                         pilot_[s].data() + begin / kLane);
        }
    }
}

void RejectionFilter::choose_order() {
    std::vector<double> costs;
    for (const Stage* stage : stages_) {
        costs.push_back(stage->quantized.cost());
    }
    const StageOrder order = order_stages(pilot_, costs, costs::kPilotCandidates);
    order_ = order.stages;
    constexpr auto kAll = static_cast<double>(costs::kPilotCandidates);
    const std::size_t groups = (width_ + kGroupColumns - 1) / kGroupColumns;
    candidate_cost_ = costs::kDraw * static_cast<double>(groups) / static_cast<double>(layout_.candidates());
    for (std::size_t position = 0; position < order_.size(); ++position) {
        const double cost =
            costs[order_[position]] / static_cast<double>(kLane) + costs::kMove * static_cast<double>(width_);
        candidate_cost_ += static_cast<double>(order.reached[position]) / kAll * cost;
    }
    pass_rate_ = static_cast<double>(std::max<std::size_t>(order.num_left, 1)) / kAll;
}

void RejectionFilter::plan_steps() {
    constexpr std::size_t kNever = ~std::size_t{0};
    std::vector<std::size_t> first_use(width_, kNever);
    std::vector<std::size_t> last_use(width_, 0);
    std::vector<std::size_t> group_draw((width_ + kGroupColumns - 1) / kGroupColumns, kNever);
    for (std::size_t position = 0; position < order_.size(); ++position) {
        for (const std::uint32_t column : needed_columns(stages_[order_[position]]->quantized)) {
            first_use[column] = std::min(first_use[column], position);
            last_use[column] = position;
            auto& drawn = group_draw[column / kGroupColumns];
            drawn = std::min(drawn, position);
        }
    }
    steps_.clear();
    for (std::size_t position = 0; position < order_.size(); ++position) {
        Step step{&stages_[order_[position]]->quantized, order_[position], {}, {}, {}};
        for (std::size_t i = 0; i < conditions_.all().size(); ++i) {
            if (first_use[conditions_.all()[i].column] == position) {
                step.conditions.push_back(i);
            }
        }
        for (std::uint32_t group = 0; group < group_draw.size(); ++group) {
            if (group_draw[group] != position) {
                continue;
            }
            Draw columns{group, {}};
            const std::size_t begin = group * kGroupColumns;
            for (std::size_t c = begin; c < std::min(begin + kGroupColumns, width_); ++c) {
                if (first_use[c] != kNever) {
                    columns.columns.push_back(static_cast<std::uint32_t>(c));
                }
            }
            step.draws.push_back(std::move(columns));
        }
        for (std::uint32_t c = 0; c < width_; ++c) {
            if (first_use[c] != kNever && group_draw[c / kGroupColumns] <= position &&
                last_use[c] > position) {
                step.carried.push_back(c);
            }
        }
        steps_.push_back(std::move(step));
    }
}

/// Columns of the tables, and those that they depend on.
std::vector<std::uint32_t> RejectionFilter::needed_columns(const QuantizedStage& quantized) const {
    std::vector<bool> is_needed(width_, false);
    for (const std::uint32_t column : quantized.columns()) {
        is_needed[column] = true;
    }
    conditions_.add_parents(is_needed);
    std::vector<std::uint32_t> needed;
    for (std::uint32_t c = 0; c < width_; ++c) {
        if (is_needed[c]) {
            needed.push_back(c);
        }
    }
    return needed;
}

void RejectionFilter::draw(const Step& step, std::uint64_t seed, std::uint64_t first, std::size_t begin,
                           std::size_t rows, Scratch& scratch) const {
    for (const Draw& group : step.draws) {
        std::array<std::uint16_t*, kGroupColumns> columns{};
        for (const std::uint32_t c : group.columns) {
            columns[c % kGroupColumns] = scratch.columns[c].data() + begin;
        }
        draw_group(kernels_, layout_, {seed, first, scratch.offsets.data() + begin, rows, group.group},
                   columns);
    }
    for (const std::size_t i : step.conditions) {
        const Condition& condition = conditions_.all()[i];
        conditions_.apply_coarsely(i, scratch.columns[condition.parent].data() + begin,
                                   scratch.columns[condition.column].data() + begin, rows);
    }
}

void RejectionFilter::filter(std::uint64_t seed, std::uint64_t first, std::size_t count, std::size_t relax,
                             Scratch& scratch, ArrayView<std::uint64_t> rejected_by_stage) const {
    const std::size_t capacity = whole_lanes(std::max(count, kChunk)) + kLane;
    if (scratch.columns.size() != width_ || scratch.offsets.size() < capacity) {
        scratch.offsets.resize(capacity);
        scratch.columns.assign(width_, {});
        for (const Step& step : steps_) {
            for (const Draw& drawn : step.draws) {
                for (const std::uint32_t c : drawn.columns) {
                    scratch.columns[c].resize(capacity);
                }
            }
        }
        scratch.rejected.resize(kChunk / kLane);
    }
    std::iota(scratch.offsets.begin(), scratch.offsets.end(), std::uint16_t{0});
    if (relax > 0) {
        scratch.failures.assign(capacity, 0);
    }
    scratch.num_left = count;
    for (const Step& step : steps_) {
        if (scratch.num_left == 0) {
            break;
        }
        const std::size_t before = scratch.num_left;
        run(step, seed, first, relax, scratch);
        rejected_by_stage[step.stage] += before - scratch.num_left;
    }
}

void RejectionFilter::run(const Step& step, std::uint64_t seed, std::uint64_t first, std::size_t relax,
                          Scratch& scratch) const {
    std::vector<const std::uint16_t*>& uniforms = scratch.uniforms;
    uniforms.clear();
    for (const auto& column : scratch.columns) {
        uniforms.push_back(column.data());
    }
    std::uint64_t* const keep = scratch.rejected.data();
    std::size_t kept = 0;
    for (std::size_t begin = 0; begin < scratch.num_left; begin += kChunk) {
        const std::size_t rows = std::min(kChunk, scratch.num_left - begin);
        const std::size_t padded = whole_lanes(rows);
        draw(step, seed, first, begin, padded, scratch);
        step.quantized->reject(kernels_, uniforms.data(), begin, rows, scratch.quantized, keep);
        if (relax > 0) {
            forgive_failures(relax, begin, rows, scratch);
        }
        std::size_t passing = 0;
        for (std::size_t word = 0; word < padded / kLane; ++word) {
            keep[word] = ~keep[word];
            if (rows - word * kLane < kLane) {
                keep[word] &= (std::uint64_t{1} << (rows - word * kLane)) - 1;
            }
            passing += count_bits(keep[word]);
        }
        const auto move = [&](std::vector<std::uint16_t>& column) {
            kernels_.compact_words(keep, padded, column.data() + begin, column.data() + kept);
        };
        if (passing > 0 && (kept < begin || passing < rows)) {
            move(scratch.offsets);
            for (const std::uint32_t c : step.carried) {
                move(scratch.columns[c]);
            }
            if (relax > 0) {
                move(scratch.failures);
            }
        }
        kept += passing;
    }
    scratch.num_left = kept;
}

/// Takes back the rejections of candidates that may fail once more.
void RejectionFilter::forgive_failures(std::size_t relax, std::size_t begin, std::size_t rows,
                                       Scratch& scratch) {
    for (std::size_t word = 0; word * kLane < rows; ++word) {
        std::uint64_t& rejected = scratch.rejected[word];
        for (std::uint64_t bits = rejected; bits != 0; bits &= bits - 1) {
            const std::size_t i = lowest_bit(bits);
            if (++scratch.failures[begin + word * kLane + i] <= relax) {
                rejected &= ~(std::uint64_t{1} << i);
            }
        }
    }
}

}  // namespace shac
