#include "sampling/box_drawer.hpp"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "prior/random.hpp"
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

std::shared_ptr<const Region> checked(std::shared_ptr<const Region> region) {
    if (region->num_boxes() == 0) {
        throw std::invalid_argument("region: expected one that is not empty");
    }
    return region;
}

std::vector<double> masses_of(const Region& region) {
    std::vector<double> masses;
    for (std::size_t box = 0; box < region.num_boxes(); ++box) {
        masses.push_back(region.box(box).mass);
    }
    return masses;
}

}  // namespace

BoxDrawer::BoxDrawer(std::shared_ptr<const Region> region)
    : region_(checked(std::move(region))), picker_(masses_of(*region_)), kernels_(chosen_kernels()) {
    for (std::size_t c = 0; c < region_->width(); ++c) {
        std::vector<std::uint64_t> starts{0};
        starts.insert(starts.end(), region_->edges(c).begin(), region_->edges(c).end());
        starts.insert(starts.end(), 2, kUniformRange);
        starts_.push_back(std::move(starts));
    }
}

std::size_t BoxDrawer::num_groups() const {
    return (region_->width() + kWordsOfDraw - 1) / kWordsOfDraw;
}

std::uint32_t BoxDrawer::group_of(std::size_t column) {
    return static_cast<std::uint32_t>(column / kWordsOfDraw);
}

void BoxDrawer::pick_boxes(std::uint64_t seed, std::uint64_t first, std::size_t count,
                           BoxDraws& draws) const {
    draws.offsets.resize(count);
    std::iota(draws.offsets.begin(), draws.offsets.end(), std::uint16_t{0});
    pick_boxes(seed, first, draws);
}

void BoxDrawer::pick_boxes(std::uint64_t seed, std::uint64_t first, BoxDraws& draws) const {
    const std::size_t count = draws.offsets.size();
    draws.seed = seed;
    draws.first = first;
    draws.offsets.resize(whole_lanes(count));
    kernels_.draw_words({seed, first, draws.offsets.data(), whole_lanes(count), 0}, kPickStream,
                        draws.words.data(), draws.more_words.data());
    draws.offsets.resize(count);
    draws.boxes.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
        draws.boxes[i] = static_cast<std::uint32_t>(picker_.pick(draws.words[i], draws.more_words[i]));
    }
}

void BoxDrawer::begin(BoxDraws& draws) const {
    const std::size_t width = region_->width();
    draws.uniforms.resize(width * kChunk);
    draws.coarse.resize(width * kChunk);
    draws.numbers.resize(kChunk);
    std::iota(draws.numbers.begin(), draws.numbers.end(), 0U);
    draws.is_drawn.assign(num_groups(), 0);
    draws.ranges.resize(kChunk);
    for (std::size_t k = 0; k < draws.offsets.size(); ++k) {
        draws.ranges[k] = region_->ranges(draws.boxes[k]);
    }
}

void BoxDrawer::draw_group(std::uint32_t group, ArrayView<const std::uint32_t> rows, BoxDraws& draws) const {
    for (std::size_t k = 0; k < rows.size; ++k) {
        draws.listed[k] = draws.offsets[rows[k]];
    }
    kernels_.draw_words({draws.seed, draws.first, draws.listed.data(), whole_lanes(rows.size), group},
                        kDrawStream, draws.words.data(), draws.more_words.data());
    const std::size_t first = std::size_t{group} * kWordsOfDraw;
    for (std::size_t c = first; c < std::min(first + kWordsOfDraw, region_->width()); ++c) {
        const std::uint64_t* const random = c == first ? draws.words.data() : draws.more_words.data();
        std::uint64_t* const uniforms = draws.uniforms.data() + c * kChunk;
        std::uint16_t* const coarse = draws.coarse.data() + c * kChunk;
        const std::uint64_t* const starts = starts_[c].data();
        const std::size_t last = starts_[c].size() - 3;
        for (std::size_t k = 0; k < rows.size; ++k) {
            const BinRange range = draws.ranges[rows[k]][c];
            // What lacks the column draws from all of it.
            const std::uint64_t begin = range.begin > last ? 0 : starts[range.begin];
            const std::uint64_t uniform = begin + multiply_high(random[k], starts[range.end] - begin);
            uniforms[rows[k]] = uniform;
            coarse[rows[k]] = static_cast<std::uint16_t>(uniform >> kFineBits);
        }
    }
}

void BoxDrawer::draw_rest(ArrayView<const std::uint32_t> rows, BoxDraws& draws) const {
    for (std::uint32_t group = 0; group < num_groups(); ++group) {
        if (draws.is_drawn[group] == 0) {
            draw_group(group, rows, draws);
            draws.is_drawn[group] = 1;
        }
    }
}

void BoxDrawer::draw_all(BoxDraws& draws) const {
    const std::size_t count = draws.offsets.size();
    draw_rest(draws.all_rows(), draws);
    const Conditions& conditions = region_->conditions();
    if (conditions.all().empty()) {
        return;
    }
    conditions.apply(draws.uniforms.data(), kChunk, count);
    for (std::size_t c = 0; c < region_->width(); ++c) {
        const bool is_conditional = conditions.is_conditional(c);
        for (std::size_t place = c * kChunk; place < c * kChunk + count; ++place) {
            draws.coarse[place] = coarse_of(draws.uniforms[place], is_conditional);
        }
    }
}

}  // namespace shac
