#include "sampling/region_sampler.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "kernels/kernels.hpp"
#include "model/count_failures.hpp"
#include "model/decision.hpp"
#include "prior/random.hpp"
#include "support/costs.hpp"
#include "support/multiply_high.hpp"

namespace shac {
namespace {

constexpr std::uint32_t kPickStream = 0x80000000U;
constexpr std::uint32_t kDrawStream = 0x80000001U;
constexpr std::size_t kWordsOfDraw = 2;  // columns that share a block of random bits

/// The upper bits of a uniform, as the rejection filter has them (see prior/conditions.hpp).
std::uint16_t coarse_of(std::uint64_t uniform, bool is_conditional) {
    if (uniform == kMissing) {
        return kCoarseMissing;
    }
    const auto coarse = static_cast<std::uint16_t>(uniform >> kFineBits);
    return is_conditional && coarse >= kCoarseUnknown ? kCoarseUnknown : coarse;
}

}  // namespace

/// Buffers of one thread, kept from block to block. Columns stand kChunk entries apart.
struct RegionSampler::Scratch {
    std::uint64_t seed;
    std::uint64_t begin;                 // number of the candidate of offset 0
    std::vector<std::uint32_t> boxes;    // of all candidates, then of those in `offsets`
    std::vector<std::uint16_t> offsets;  // of the candidates that are drawn
    std::array<std::uint64_t, kChunk> first;
    std::array<std::uint64_t, kChunk> second;
    std::vector<std::uint64_t> uniforms;
    std::vector<std::uint16_t> coarse;
    std::vector<const BinRange*> ranges;  // of the boxes
    std::vector<StageSet> undecided;      // of the boxes
    std::vector<std::uint8_t> is_drawn;   // by group of columns: for all rows that are left
    std::vector<std::uint32_t> rows;
    std::vector<std::uint32_t> failures;
    std::vector<std::uint8_t> fails;   // by row
    std::vector<std::uint32_t> asked;  // rows that a stage is asked about
    std::vector<std::uint32_t> open;   // those of them that its tables say nothing of
    std::array<std::uint16_t, kChunk> listed;
    std::vector<std::uint32_t> numbers;  // 0, 1, ...
    std::vector<float> values;
    std::vector<float> margins;
    std::array<std::uint64_t, kChunk / kLane> rejected;
    std::array<std::uint64_t, kChunk / kLane> accepted;
    QuantizedScratch quantized;
    BinnedForest::Scratch binned;
};

RegionSampler::RegionSampler(std::shared_ptr<const Region> region)
    : region_(std::move(region)), kernels_(chosen_kernels()) {
    const std::size_t count = region_->num_boxes();
    if (count == 0) {
        throw std::invalid_argument("region: expected one that is not empty");
    }
    std::vector<double> share(count);
    double total = 0.0;
    for (std::size_t box = 0; box < count; ++box) {
        share[box] = region_->box(box).mass;
        total += share[box];
    }
    alias_.resize(count);
    keep_.resize(count);
    std::vector<std::uint32_t> poor;
    std::vector<std::uint32_t> rich;
    for (std::uint32_t i = 0; i < count; ++i) {
        share[i] *= static_cast<double>(count) / total;
        (share[i] < 1.0 ? poor : rich).push_back(i);
        alias_[i] = i;
    }
    const auto as_word = [](double probability) {
        const double word = std::ldexp(probability, 64);
        return word >= std::ldexp(1.0, 64) ? ~std::uint64_t{0} : static_cast<std::uint64_t>(word);
    };
    while (!poor.empty() && !rich.empty()) {
        const std::uint32_t small = poor.back();
        const std::uint32_t large = rich.back();
        poor.pop_back();
        keep_[small] = as_word(share[small]);
        alias_[small] = large;
        share[large] -= 1.0 - share[small];
        if (share[large] < 1.0) {
            rich.pop_back();
            poor.push_back(large);
        }
    }
    for (const auto& left : {poor, rich}) {  // 1 but for rounding: their alias is themselves
        for (const std::uint32_t i : left) {
            keep_[i] = ~std::uint64_t{0};
        }
    }
    for (std::size_t c = 0; c < region_->width(); ++c) {
        std::vector<std::uint64_t> starts{0};
        starts.insert(starts.end(), region_->edges(c).begin(), region_->edges(c).end());
        starts.insert(starts.end(), 2, kUniformRange);
        starts_.push_back(std::move(starts));
    }
    for (const auto& stage : region_->stages()) {
        std::vector<std::uint32_t> groups;
        for (const QuantizedStage::Segment& segment : stage->quantized.segments()) {
            for (const auto& column : segment.columns) {
                groups.push_back(column.column / static_cast<std::uint32_t>(kWordsOfDraw));
            }
        }
        std::sort(groups.begin(), groups.end());
        groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
        groups_.push_back(std::move(groups));
    }
}

std::size_t RegionSampler::num_groups() const {
    return (region_->width() + kWordsOfDraw - 1) / kWordsOfDraw;
}

std::size_t RegionSampler::pick_box(std::uint64_t first, std::uint64_t second) const {
    const auto box = static_cast<std::size_t>(multiply_high(first, keep_.size()));
    return second < keep_[box] ? box : alias_[box];
}

void RegionSampler::pick_boxes(std::uint64_t seed, std::uint64_t first, Scratch& scratch) const {
    const std::size_t count = scratch.offsets.size();
    scratch.offsets.resize(whole_lanes(count));
    kernels_.draw_words({seed, first, scratch.offsets.data(), whole_lanes(count), 0}, kPickStream,
                        scratch.first.data(), scratch.second.data());
    scratch.offsets.resize(count);
    scratch.boxes.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
        scratch.boxes[i] = static_cast<std::uint32_t>(pick_box(scratch.first[i], scratch.second[i]));
    }
}

void RegionSampler::draw_group(std::uint32_t group, ArrayView<const std::uint32_t> rows,
                               Scratch& scratch) const {
    const std::size_t width = region_->width();
    for (std::size_t k = 0; k < rows.size; ++k) {
        scratch.listed[k] = scratch.offsets[rows[k]];
    }
    kernels_.draw_words({scratch.seed, scratch.begin, scratch.listed.data(), whole_lanes(rows.size), group},
                        kDrawStream, scratch.first.data(), scratch.second.data());
    const std::size_t first = std::size_t{group} * kWordsOfDraw;
    for (std::size_t c = first; c < std::min(first + kWordsOfDraw, width); ++c) {
        const std::uint64_t* const random = c == first ? scratch.first.data() : scratch.second.data();
        std::uint64_t* const uniforms = scratch.uniforms.data() + c * kChunk;
        std::uint16_t* const coarse = scratch.coarse.data() + c * kChunk;
        const std::uint64_t* const starts = starts_[c].data();
        const std::size_t last = starts_[c].size() - 3;
        for (std::size_t k = 0; k < rows.size; ++k) {
            const BinRange range = scratch.ranges[rows[k]][c];
            // What lacks the column draws from all of it.
            const std::uint64_t begin = range.begin > last ? 0 : starts[range.begin];
            const std::uint64_t uniform = begin + multiply_high(random[k], starts[range.end] - begin);
            uniforms[rows[k]] = uniform;
            coarse[rows[k]] = static_cast<std::uint16_t>(uniform >> kFineBits);
        }
    }
}

void RegionSampler::begin_drawing(std::uint64_t seed, std::uint64_t first, Scratch& scratch) const {
    const std::size_t width = region_->width();
    scratch.seed = seed;
    scratch.begin = first;
    scratch.uniforms.resize(width * kChunk);
    scratch.coarse.resize(width * kChunk);
    scratch.numbers.resize(kChunk);
    std::iota(scratch.numbers.begin(), scratch.numbers.end(), 0U);
    scratch.is_drawn.assign(num_groups(), 0);
    scratch.ranges.resize(kChunk);
    for (std::size_t k = 0; k < scratch.offsets.size(); ++k) {
        scratch.ranges[k] = region_->ranges(scratch.boxes[k]);
    }
}

void RegionSampler::draw_all(Scratch& scratch) const {
    const std::size_t count = scratch.offsets.size();
    for (std::uint32_t group = 0; group < num_groups(); ++group) {
        draw_group(group, {scratch.numbers.data(), count}, scratch);
        scratch.is_drawn[group] = 1;
    }
    region_->conditions().apply(scratch.uniforms.data(), kChunk, count);
}

void RegionSampler::test_stage(std::size_t s, ArrayView<const std::uint32_t> rows, Scratch& scratch) const {
    auto& [seed, begin, boxes, offsets, first, second, uniforms, coarse, ranges, undecided, is_drawn,
           own_rows, failures, fails, asked, open, listed, numbers, values, margins, rejected, accepted,
           quantized, binned] = scratch;
    const Stage& stage = *region_->stages()[s];
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
        if (is_drawn[group] == 0) {
            draw_group(group, rows, scratch);
            is_drawn[group] = 1;
        }
    }
    const auto find_bins = [&](std::size_t segment, std::uint8_t* bins, std::uint64_t* ambiguous) {
        const auto& columns = stage.quantized.segments()[segment].columns;
        for (std::size_t slot = 0; slot < columns.size(); ++slot) {
            const std::uint16_t* const column = scratch.coarse.data() + columns[slot].column * kChunk;
            for (std::size_t k = 0; k < scratch.asked.size(); ++k) {
                scratch.listed[k] = column[scratch.asked[k]];
            }
            kernels_.find_bins(columns[slot].edges, scratch.listed.data(), whole_lanes(scratch.asked.size()),
                               bins + slot * kChunk, ambiguous);
        }
    };
    stage.quantized.decide(kernels_, asked.size(), find_bins, quantized, rejected.data(), accepted.data());
    open.clear();
    for (std::size_t k = 0; k < asked.size(); ++k) {
        const std::uint64_t bit = std::uint64_t{1} << (k % kLane);
        fails[asked[k]] = (rejected[k / kLane] & bit) != 0 ? 1 : 0;
        if (((rejected[k / kLane] | accepted[k / kLane]) & bit) == 0) {
            open.push_back(asked[k]);
        }
    }
    if (open.empty()) {
        return;
    }
    for (std::uint32_t group = 0; group < num_groups(); ++group) {
        if (is_drawn[group] == 0) {
            draw_group(group, {open.data(), open.size()}, scratch);
        }
    }
    const std::size_t width = region_->width();
    values.resize(width * open.size());
    for (std::size_t c = 0; c < width; ++c) {
        for (std::size_t k = 0; k < open.size(); ++k) {
            values[c * open.size() + k] =
                stage.bins.columns()[c].representative(uniforms[c * kChunk + open[k]]);
        }
    }
    margins.resize(open.size());
    stage.forest->margins(kernels_, {values.data(), open.size(), open.size()}, {numbers.data(), open.size()},
                          binned, margins.data());
    for (std::size_t k = 0; k < open.size(); ++k) {
        fails[open[k]] = accepts_margin(margins[k], decision_threshold()) ? 0 : 1;
    }
}

void RegionSampler::test(Scratch& scratch, ArrayView<std::uint64_t> rejected_by_stage) const {
    const std::size_t count = scratch.offsets.size();
    if (!region_->conditions().all().empty()) {  // whether a column exists hangs on others
        draw_all(scratch);
        for (std::size_t c = 0; c < region_->width(); ++c) {
            const bool is_conditional = region_->conditions().is_conditional(c);
            for (std::size_t k = 0; k < count; ++k) {
                scratch.coarse[c * kChunk + k] = coarse_of(scratch.uniforms[c * kChunk + k], is_conditional);
            }
        }
    }
    scratch.rows.assign(scratch.numbers.begin(),
                        scratch.numbers.begin() + static_cast<std::ptrdiff_t>(count));
    scratch.fails.resize(kChunk);
    scratch.failures.resize(count);
    scratch.undecided.resize(count);
    for (std::size_t k = 0; k < count; ++k) {
        const BoxState& box = region_->box(scratch.boxes[k]);
        scratch.failures[k] = box.failures;
        scratch.undecided[k] = box.undecided;
    }
    const auto decide = [&](std::size_t s, ArrayView<const std::uint32_t> left) {
        test_stage(s, left, scratch);
        return [&scratch, left](std::size_t k) { return scratch.fails[left[k]] != 0; };
    };
    scratch.rows.resize(count_failures(region_->stages().size(), region_->relax(),
                                       {scratch.rows.data(), count}, scratch.failures.data(), decide,
                                       [&](std::size_t s, std::uint32_t) { ++rejected_by_stage[s]; }));
}

Samples RegionSampler::draw(const SampleRequest& request, const Workers& workers) const {
    std::vector<Scratch> scratch(workers.threads);
    const auto test_block = [&](std::uint64_t first, std::size_t rows, std::size_t thread) {
        Scratch& own = scratch[thread];
        BlockResult result;
        result.rejected_by_stage.resize(region_->stages().size());
        for (std::size_t begin = 0; begin < rows; begin += kChunk) {
            const std::size_t count = std::min(kChunk, rows - begin);
            own.offsets.resize(count);
            std::iota(own.offsets.begin(), own.offsets.end(), std::uint16_t{0});
            pick_boxes(request.seed, first + begin, own);
            const auto is_accepted = [&](std::uint32_t box) { return region_->box(box).undecided.none(); };
            std::size_t undecided = 0;
            for (std::size_t i = 0; i < count; ++i) {
                if (is_accepted(own.boxes[i])) {
                    result.passed.push_back(static_cast<std::uint32_t>(begin + i));
                } else {
                    own.boxes[undecided] = own.boxes[i];
                    own.offsets[undecided++] = static_cast<std::uint16_t>(i);
                }
            }
            own.offsets.resize(undecided);
            if (undecided == 0) {
                continue;
            }
            begin_drawing(request.seed, first + begin, own);
            test(own, {result.rejected_by_stage.data(), result.rejected_by_stage.size()});
            for (const std::uint32_t row : own.rows) {
                result.passed.push_back(static_cast<std::uint32_t>(begin + own.offsets[row]));
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
    Scratch scratch{};
    for (std::uint64_t begin = 0; begin < num_drawn; begin += kChunk) {
        const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(kChunk, num_drawn - begin));
        scratch.offsets.resize(count);
        std::iota(scratch.offsets.begin(), scratch.offsets.end(), std::uint16_t{0});
        pick_boxes(seed, first + begin, scratch);
        for (std::size_t i = 0; i < count; ++i) {
            drawn[scratch.boxes[i]] += 1.0;
            if (next != passed.end() && *next == first + begin + i) {
                ++next;
            } else {
                rejected[scratch.boxes[i]] += 1.0;
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

void RegionSampler::write_uniforms(std::uint64_t seed, ArrayView<const std::uint64_t> candidates,
                                   MatrixView<double> result) const {
    Scratch scratch{};
    for (std::size_t begin = 0; begin < candidates.size;) {
        // As many as offsets of 16 bits reach.
        const std::uint64_t first = candidates[begin];
        scratch.offsets.clear();
        for (std::size_t i = begin; i < candidates.size && scratch.offsets.size() < kChunk &&
                                    candidates[i] - first <= std::numeric_limits<std::uint16_t>::max();
             ++i) {
            scratch.offsets.push_back(static_cast<std::uint16_t>(candidates[i] - first));
        }
        pick_boxes(seed, first, scratch);
        begin_drawing(seed, first, scratch);
        draw_all(scratch);
        for (std::size_t k = 0; k < scratch.offsets.size(); ++k) {
            for (std::size_t c = 0; c < result.width; ++c) {
                result.row(begin + k)[c] = value_or_missing(scratch.uniforms[c * kChunk + k]);
            }
        }
        begin += scratch.offsets.size();
    }
}

}  // namespace shac
