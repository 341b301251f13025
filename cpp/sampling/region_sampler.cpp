#include "sampling/region_sampler.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <utility>

#include "kernels/kernels.hpp"
#include "model/count_failures.hpp"
#include "model/decision.hpp"
#include "support/costs.hpp"
#include "tables/stage_order.hpp"

namespace shac {

/// Buffers of one thread, kept from block to block.
struct RegionSampler::Scratch {
    BoxDraws draws;
    std::vector<std::uint32_t> rows;  // that are left: places among the candidates drawn
    std::vector<std::uint32_t> failures;
    std::vector<StageSet> undecided;                  // of the rows' boxes
    std::vector<std::uint8_t> fails;                  // by row
    std::vector<std::uint32_t> asked;                 // rows that a stage is asked about
    std::vector<std::uint32_t> open;                  // those of them that its tables say nothing of
    std::vector<std::vector<std::uint32_t>> open_at;  // by position of the stage
    std::array<std::uint16_t, kChunk> listed{};
    std::vector<float> values;
    std::vector<float> margins;
    std::array<std::uint64_t, kChunk / kLane> rejected{};
    std::array<std::uint64_t, kChunk / kLane> accepted{};
    QuantizedScratch quantized;
    BinnedForest::Scratch binned;
};

RegionSampler::RegionSampler(std::shared_ptr<const Region> region)
    : region_(std::move(region)), drawer_(region_), kernels_(chosen_kernels()) {
    for (const auto& stage : region_->stages()) {
        std::vector<std::uint32_t> groups;
        for (const QuantizedStage::Segment& segment : stage->quantized.segments()) {
            for (const auto& column : segment.columns) {
                groups.push_back(BoxDrawer::group_of(column.column));
            }
        }
        std::sort(groups.begin(), groups.end());
        groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
        groups_.push_back(std::move(groups));
    }
    choose_order();
}

/// By the first candidates of a seed: what each stage's tables reject of them.
void RegionSampler::choose_order() {
    Scratch scratch;
    std::vector<std::uint32_t> accepted;
    drawer_.pick_boxes(kPilotSeed, 0, costs::kPilotRows, scratch.draws);
    take_accepted(scratch, 0, accepted);
    begin_testing(scratch);
    const std::size_t count = scratch.rows.size();
    std::vector<std::vector<std::uint64_t>> rejected;
    std::vector<double> stage_costs;
    for (std::size_t s = 0; s < region_->stages().size(); ++s) {
        prove(s, {scratch.rows.data(), count}, scratch);
        std::vector<std::uint64_t> bits(whole_lanes(count) / kLane);
        for (std::size_t k = 0; k < count; ++k) {
            bits[k / kLane] |= std::uint64_t{scratch.fails[k]} << (k % kLane);
        }
        rejected.push_back(std::move(bits));
        stage_costs.push_back(region_->stages()[s]->quantized.cost());
    }
    order_ = order_stages(rejected, stage_costs, count).stages;
}

void RegionSampler::take_accepted(Scratch& scratch, std::size_t begin,
                                  std::vector<std::uint32_t>& passed) const {
    std::vector<std::uint16_t>& offsets = scratch.draws.offsets;
    std::vector<std::uint32_t>& boxes = scratch.draws.boxes;
    std::size_t undecided = 0;
    for (std::size_t i = 0; i < offsets.size(); ++i) {
        if (region_->box(boxes[i]).undecided.none()) {
            passed.push_back(static_cast<std::uint32_t>(begin + offsets[i]));
        } else {
            boxes[undecided] = boxes[i];
            offsets[undecided++] = offsets[i];
        }
    }
    boxes.resize(undecided);
    offsets.resize(undecided);
}

void RegionSampler::begin_testing(Scratch& scratch) const {
    BoxDraws& draws = scratch.draws;
    drawer_.begin(draws);
    if (!region_->conditions().all().empty()) {  // whether a column exists hangs on others
        drawer_.draw_all(draws);
    }
    scratch.rows.assign(draws.all_rows().begin(), draws.all_rows().end());
    const std::size_t count = scratch.rows.size();
    scratch.fails.resize(kChunk);
    scratch.failures.resize(count);
    scratch.undecided.resize(count);
    for (std::size_t k = 0; k < count; ++k) {
        const BoxState& box = region_->box(draws.boxes[k]);
        scratch.failures[k] = box.failures;
        scratch.undecided[k] = box.undecided;
    }
}

void RegionSampler::prove(std::size_t s, ArrayView<const std::uint32_t> rows, Scratch& scratch) const {
    auto& [draws, own_rows, failures, undecided, fails, asked, open, open_at, listed, values, margins,
           rejected, accepted, quantized, binned] = scratch;
    const Stage& stage = *region_->stages()[s];
    open.clear();
    asked.resize(rows.size);
    std::size_t count = 0;
    for (const std::uint32_t row : rows) {  // whether a box decides a stage is a coin: no branch
        fails[row] = 0;
        asked[count] = row;
        count += undecided[row].test(s) ? 1U : 0U;
    }
    asked.resize(count);
    if (asked.empty()) {
        return;
    }
    for (const std::uint32_t group : groups_[s]) {
        if (draws.is_drawn[group] == 0) {
            drawer_.draw_group(group, rows, draws);
            draws.is_drawn[group] = 1;
        }
    }
    const auto find_bins = [&](std::size_t segment, std::uint8_t* bins, std::uint64_t* ambiguous) {
        const auto& columns = stage.quantized.segments()[segment].columns;
        for (std::size_t slot = 0; slot < columns.size(); ++slot) {
            const std::uint16_t* const column = scratch.draws.coarse.data() + columns[slot].column * kChunk;
            for (std::size_t k = 0; k < scratch.asked.size(); ++k) {
                scratch.listed[k] = column[scratch.asked[k]];
            }
            kernels_.find_bins(columns[slot].edges, scratch.listed.data(), whole_lanes(scratch.asked.size()),
                               bins + slot * kChunk, ambiguous);
        }
    };
    stage.quantized.decide(kernels_, asked.size(), find_bins, quantized, rejected.data(), accepted.data());
    for (std::size_t k = 0; k < asked.size(); ++k) {
        const std::uint64_t bit = std::uint64_t{1} << (k % kLane);
        fails[asked[k]] = (rejected[k / kLane] & bit) != 0 ? 1 : 0;
        if (((rejected[k / kLane] | accepted[k / kLane]) & bit) == 0) {
            open.push_back(asked[k]);
        }
    }
}

void RegionSampler::settle(std::size_t s, ArrayView<const std::uint32_t> rows, Scratch& scratch) const {
    const Stage& stage = *region_->stages()[s];
    const std::size_t width = region_->width();
    scratch.values.resize(width * rows.size);
    for (std::size_t c = 0; c < width; ++c) {
        for (std::size_t k = 0; k < rows.size; ++k) {
            scratch.values[c * rows.size + k] =
                stage.bins.columns()[c].representative(scratch.draws.uniforms[c * kChunk + rows[k]]);
        }
    }
    scratch.margins.resize(rows.size);
    stage.forest->margins(kernels_, {scratch.values.data(), rows.size, rows.size},
                          {scratch.draws.numbers.data(), rows.size}, scratch.binned, scratch.margins.data());
    for (std::size_t k = 0; k < rows.size; ++k) {
        scratch.fails[rows[k]] = accepts_margin(scratch.margins[k], decision_threshold()) ? 0 : 1;
    }
}

void RegionSampler::test(Scratch& scratch, ArrayView<std::uint64_t> rejected_by_stage) const {
    begin_testing(scratch);
    std::vector<std::uint32_t>& rows = scratch.rows;
    const auto on_drop = [&](std::size_t position, std::uint32_t) { ++rejected_by_stage[order_[position]]; };
    scratch.open_at.resize(order_.size());
    for (auto& open : scratch.open_at) {
        open.clear();
    }
    const auto decide = [&](std::size_t position, ArrayView<const std::uint32_t> left) {
        prove(order_[position], left, scratch);
        scratch.open_at[position].swap(scratch.open);
        return [&scratch, left](std::size_t k) { return scratch.fails[left[k]] != 0; };
    };
    rows.resize(count_failures(order_.size(), region_->relax(), {rows.data(), rows.size()},
                               scratch.failures.data(), decide, on_drop));
    drawer_.draw_rest({rows.data(), rows.size()}, scratch.draws);
    const auto settle_at = [&](std::size_t position, ArrayView<const std::uint32_t> asked) {
        settle(order_[position], asked, scratch);
    };
    rows.resize(count_open_failures(scratch.open_at, region_->relax(), {rows.data(), rows.size()},
                                    scratch.failures.data(), scratch.fails, settle_at, on_drop));
}

Samples RegionSampler::draw(const SampleRequest& request, const Workers& workers) const {
    std::vector<Scratch> scratch(workers.threads);
    const auto test_block = [&](std::uint64_t first, std::size_t rows, std::size_t thread) {
        Scratch& own = scratch[thread];
        BlockResult result;
        result.rejected_by_stage.resize(region_->stages().size());
        for (std::size_t begin = 0; begin < rows; begin += kChunk) {
            drawer_.pick_boxes(request.seed, first + begin, std::min(kChunk, rows - begin), own.draws);
            take_accepted(own, begin, result.passed);
            if (own.draws.offsets.empty()) {
                continue;
            }
            test(own, {result.rejected_by_stage.data(), result.rejected_by_stage.size()});
            for (const std::uint32_t row : own.rows) {
                result.passed.push_back(static_cast<std::uint32_t>(begin + own.draws.offsets[row]));
            }
        }
        std::sort(result.passed.begin(), result.passed.end());
        return result;
    };
    return draw_in_order(request, workers, region_->stages().size(),
                         request.block_size == 0 ? costs::kDrawsPerBlock : request.block_size, test_block);
}

std::vector<double> RegionSampler::rejected_share(std::uint64_t seed, std::uint64_t first,
                                                  std::uint64_t num_drawn,
                                                  ArrayView<const std::uint64_t> passed) const {
    std::vector<double> drawn(region_->num_boxes());
    std::vector<double> rejected(drawn.size());
    const std::uint64_t* next = passed.begin();
    BoxDraws draws;
    for (std::uint64_t begin = 0; begin < num_drawn; begin += kChunk) {
        const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(kChunk, num_drawn - begin));
        drawer_.pick_boxes(seed, first + begin, count, draws);
        for (std::size_t i = 0; i < count; ++i) {
            drawn[draws.boxes[i]] += 1.0;
            if (next != passed.end() && *next == first + begin + i) {
                ++next;
            } else {
                rejected[draws.boxes[i]] += 1.0;
            }
        }
    }
    double all_drawn = 0.0;
    double all_rejected = 0.0;
    for (std::size_t box = 0; box < drawn.size(); ++box) {
        if (region_->box(box).undecided.any()) {
            all_drawn += drawn[box];
            all_rejected += rejected[box];
        }
    }
    const double rate = (all_rejected + 1.0) / (all_drawn + 1.0);
    std::vector<double> share(drawn.size());
    for (std::size_t box = 0; box < drawn.size(); ++box) {
        if (region_->box(box).undecided.any()) {
            share[box] = (rejected[box] + rate) / (drawn[box] + 1.0);
        }
    }
    return share;
}

std::size_t RegionSampler::write_first(std::uint64_t seed, ArrayView<const std::uint64_t> candidates,
                                       MatrixView<double> result, BoxDraws& draws) const {
    // As many as offsets of 16 bits reach.
    const std::uint64_t first = candidates[0];
    const std::size_t size = std::min(candidates.size, kChunk);
    draws.offsets.clear();
    for (std::size_t i = 0; i < size && candidates[i] - first <= std::numeric_limits<std::uint16_t>::max();
         ++i) {
        draws.offsets.push_back(static_cast<std::uint16_t>(candidates[i] - first));
    }
    drawer_.pick_boxes(seed, first, draws);
    drawer_.begin(draws);
    drawer_.draw_all(draws);
    for (std::size_t k = 0; k < draws.offsets.size(); ++k) {
        for (std::size_t c = 0; c < result.width; ++c) {
            result.row(k)[c] = value_or_missing(draws.uniforms[c * kChunk + k]);
        }
    }
    return draws.offsets.size();
}

bool RegionSampler::write_uniforms(std::uint64_t seed, ArrayView<const std::uint64_t> candidates,
                                   MatrixView<double> result, const Workers& workers) const {
    std::vector<BoxDraws> draws(workers.threads);
    const auto write = [&](std::size_t begin, std::size_t size, std::size_t thread) {
        for (const std::size_t end = begin + size; begin < end;) {
            const MatrixView<double> rest{result.row(begin), end - begin, result.width};
            begin += write_first(seed, {&candidates[begin], end - begin}, rest, draws[thread]);
        }
    };
    return for_row_blocks(candidates.size, costs::kRowsBetweenStops, workers, write);
}

}  // namespace shac
