#include "sampling/region_sampler.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "model/count_failures.hpp"
#include "prior/random.hpp"
#include "support/costs.hpp"

namespace shac {
namespace {

constexpr std::uint32_t kPickStream = 0x80000000U;
constexpr std::uint32_t kDrawStream = 0x80000001U;

PhiloxCounter block_of(std::uint64_t seed, std::uint64_t candidate, std::uint32_t group,
                       std::uint32_t stream) {
    return philox4x32(
        {static_cast<std::uint32_t>(candidate), static_cast<std::uint32_t>(candidate >> 32), group, stream},
        {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
}

/// Upper 64 bits of a product.
std::uint64_t multiply_high(std::uint64_t a, std::uint64_t b) {
    const std::uint64_t a_low = a & 0xFFFFFFFFU;
    const std::uint64_t a_high = a >> 32;
    const std::uint64_t b_low = b & 0xFFFFFFFFU;
    const std::uint64_t b_high = b >> 32;
    const std::uint64_t middle = a_high * b_low + (a_low * b_low >> 32);
    return a_high * b_high + (middle >> 32) + ((a_low * b_high + (middle & 0xFFFFFFFFU)) >> 32);
}

}  // namespace

RegionSampler::RegionSampler(std::shared_ptr<const Region> region) : region_(std::move(region)) {
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
}

std::size_t RegionSampler::pick_box(std::uint64_t seed, std::uint64_t candidate) const {
    const PhiloxCounter words = block_of(seed, candidate, 0, kPickStream);
    const std::uint64_t first = std::uint64_t{words[0]} << 32 | words[1];
    const std::uint64_t second = std::uint64_t{words[2]} << 32 | words[3];
    const auto box = static_cast<std::size_t>(multiply_high(first, keep_.size()));
    return second < keep_[box] ? box : alias_[box];
}

void RegionSampler::draw_within(std::size_t box, std::uint64_t seed, std::uint64_t candidate,
                                std::vector<std::uint64_t>& uniforms) const {
    const std::size_t width = region_->width();
    uniforms.resize(width);
    for (std::size_t c = 0; c < width; c += 2) {
        const PhiloxCounter words = block_of(seed, candidate, static_cast<std::uint32_t>(c / 2), kDrawStream);
        for (std::size_t half = 0; half < 2 && c + half < width; ++half) {
            const auto [begin, end] = region_->uniforms(box, c + half);
            const std::uint64_t random = std::uint64_t{words[2 * half]} << 32 | words[2 * half + 1];
            uniforms[c + half] = begin + multiply_high(random, end - begin);
        }
    }
    region_->conditions().apply(uniforms.data(), 1, 1);
}

bool RegionSampler::passes(std::size_t box, Scratch& scratch,
                           ArrayView<std::uint64_t> rejected_by_stage) const {
    const BoxState& whole = region_->box(box);
    const auto& stages = region_->stages();
    const auto is_rejected = [&](const Stage& stage) {
        const Decision decision = stage.quantized.decide(scratch.uniforms.data());
        return decision == Decision::kUndecided ? !stage.accepts(scratch.uniforms.data(), scratch.values)
                                                : decision == Decision::kRejected;
    };
    const auto decide = [&](std::size_t s, ArrayView<const std::uint32_t>) {
        const bool fails = whole.undecided.test(s) && is_rejected(*stages[s]);
        return [fails](std::size_t) { return fails; };
    };
    std::uint32_t row = 0;
    std::uint32_t failures = whole.failures;
    return count_failures(stages.size(), region_->relax(), {&row, 1}, &failures, decide,
                          [&](std::size_t s, std::uint32_t) { ++rejected_by_stage[s]; }) == 1;
}

Samples RegionSampler::draw(const SampleRequest& request, const Workers& workers) const {
    std::vector<Scratch> scratch(workers.threads);
    const auto test = [&](std::uint64_t first, std::size_t rows, std::size_t thread) {
        Scratch& own = scratch[thread];
        BlockResult result;
        result.rejected_by_stage.resize(region_->stages().size());
        for (std::uint32_t i = 0; i < rows; ++i) {
            const std::size_t box = pick_box(request.seed, first + i);
            if (region_->box(box).undecided.any()) {
                draw_within(box, request.seed, first + i, own.uniforms);
                if (!passes(box, own, {result.rejected_by_stage.data(), result.rejected_by_stage.size()})) {
                    continue;
                }
            }
            result.passed.push_back(i);
        }
        return result;
    };
    return draw_in_order(request, workers, region_->stages().size(),
                         request.block_size == 0 ? costs::kDrawsPerBlock : request.block_size, test);
}

std::vector<double> RegionSampler::rejected_share(std::uint64_t seed, std::uint64_t first,
                                                  std::uint64_t num_drawn,
                                                  ArrayView<const std::uint64_t> passed) const {
    std::vector<double> drawn(region_->num_boxes());
    std::vector<double> rejected(drawn.size());
    const std::uint64_t* next = passed.begin();
    for (std::uint64_t candidate = first; candidate < first + num_drawn; ++candidate) {
        const std::size_t box = pick_box(seed, candidate);
        drawn[box] += 1.0;
        if (next != passed.end() && *next == candidate) {
            ++next;
        } else {
            rejected[box] += 1.0;
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
    std::vector<std::uint64_t> uniforms;
    for (std::size_t i = 0; i < candidates.size; ++i) {
        draw_within(pick_box(seed, candidates[i]), seed, candidates[i], uniforms);
        std::transform(uniforms.begin(), uniforms.end(), result.row(i), value_or_missing);
    }
}

}  // namespace shac
