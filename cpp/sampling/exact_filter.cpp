#include "sampling/exact_filter.hpp"

#include <algorithm>
#include <numeric>

#include "model/count_failures.hpp"
#include "model/decision.hpp"

namespace shac {
void ExactFilter::filter(std::uint64_t seed, std::uint64_t first, std::size_t relax,
                         std::vector<std::uint32_t>& offsets, Scratch& scratch,
                         ArrayView<std::uint64_t> rejected_by_stage) const {
    const std::size_t count = offsets.size();
    if (count == 0) {
        return;
    }
    auto& [uniforms, values, margins, rows, failures, binned] = scratch;
    uniforms.resize(width_ * count);
    for (std::size_t i = 0; i < count; ++i) {
        write_uniforms_of(seed, first + offsets[i], layout_, width_, uniforms.data() + i, count);
    }
    conditions_.apply(uniforms.data(), count, count);
    values.resize(width_ * count);
    margins.resize(count);
    rows.resize(count);
    std::iota(rows.begin(), rows.end(), 0U);
    failures.assign(count, 0);
    const float threshold = decision_threshold();
    const auto decide = [&](std::size_t position, ArrayView<const std::uint32_t> left) {
        const Stage& stage = *stages_[order_[position]];
        for (std::size_t c = 0; c < width_; ++c) {
            const Column& column = stage.bins.columns()[c];
            for (const std::uint32_t row : left) {
                scratch.values[c * count + row] = column.representative(scratch.uniforms[c * count + row]);
            }
        }
        stage.forest->margins(kernels_, {scratch.values.data(), count, count}, left, scratch.binned,
                              scratch.margins.data());
        return
            [&scratch, threshold](std::size_t k) { return !accepts_margin(scratch.margins[k], threshold); };
    };
    const std::size_t left =
        count_failures(order_.size(), relax, {rows.data(), rows.size()}, failures.data(), decide,
                       [&](std::size_t position, std::uint32_t) { ++rejected_by_stage[order_[position]]; });
    for (std::size_t k = 0; k < left; ++k) {
        offsets[k] = offsets[rows[k]];
    }
    offsets.resize(left);
}

}  // namespace shac
