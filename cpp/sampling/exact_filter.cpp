#include "sampling/exact_filter.hpp"

#include <algorithm>
#include <numeric>

#include "model/decision.hpp"
#include "prior/random.hpp"

namespace shac {
namespace {

void draw_uniforms(std::uint64_t seed, std::uint64_t first, const std::vector<std::uint32_t>& offsets,
                   std::size_t width, std::vector<std::uint64_t>& uniforms) {
    uniforms.resize(width * offsets.size());
    for (std::size_t begin = 0; begin < width; begin += kGroupColumns) {
        const auto group = static_cast<std::uint32_t>(begin / kGroupColumns);
        const std::size_t end = std::min(begin + kGroupColumns, width);
        for (std::size_t i = 0; i < offsets.size(); ++i) {
            const auto of_group = uniforms_of_group(seed, first + offsets[i], group);
            for (std::size_t c = begin; c < end; ++c) {
                uniforms[c * offsets.size() + i] = of_group[c - begin];
            }
        }
    }
}

}  // namespace

void filter_exactly(const std::vector<std::shared_ptr<const Stage>>& stages,
                    const std::vector<std::size_t>& order, std::size_t width, const Conditions& conditions,
                    std::uint64_t seed, std::uint64_t first, std::size_t relax,
                    std::vector<std::uint32_t>& offsets, ExactScratch& scratch,
                    std::uint64_t* rejected_by_stage) {
    const std::size_t count = offsets.size();
    if (count == 0) {
        return;
    }
    auto& [uniforms, values, margins, rows, failures] = scratch;
    draw_uniforms(seed, first, offsets, width, uniforms);
    conditions.apply(uniforms.data(), count, count);
    values.resize(width * count);
    margins.resize(count);
    rows.resize(count);
    std::iota(rows.begin(), rows.end(), 0U);
    failures.assign(count, 0);
    const float threshold = decision_threshold();
    for (const std::size_t s : order) {
        for (std::size_t c = 0; c < width; ++c) {
            const Column& column = stages[s]->bins.columns()[c];
            for (const std::uint32_t row : rows) {
                values[c * count + row] = column.representative(uniforms[c * count + row]);
            }
        }
        stages[s]->forest->margins({values.data(), count, count}, {rows.data(), rows.size()}, margins.data());
        std::size_t kept = 0;
        for (std::size_t k = 0; k < rows.size(); ++k) {
            const bool fails = !accepts_margin(margins[k], threshold);
            if (!fails || ++failures[rows[k]] <= relax) {
                rows[kept++] = rows[k];
            }
        }
        rejected_by_stage[s] += rows.size() - kept;
        rows.resize(kept);
        if (kept == 0) {
            break;
        }
    }
    for (std::size_t k = 0; k < rows.size(); ++k) {
        offsets[k] = offsets[rows[k]];
    }
    offsets.resize(rows.size());
}

}  // namespace shac
