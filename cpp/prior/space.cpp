#include "prior/space.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "support/costs.hpp"

namespace shac {

Space::Space(std::vector<Column> columns) : columns_(std::move(columns)) {
    for (std::size_t c = 0; c < columns_.size(); ++c) {
        const auto& [edges, representatives, is_conditional] = columns_[c];
        const std::string where = "space: column " + std::to_string(c) + ": ";
        if (representatives.size() != edges.size() + 1) {
            throw std::invalid_argument(where + "expected " + std::to_string(edges.size() + 1) +
                                        " representatives for " + std::to_string(edges.size()) +
                                        " edges, got " + std::to_string(representatives.size()));
        }
        for (std::size_t i = 0; i < edges.size(); ++i) {
            const std::uint64_t previous = i == 0 ? 0 : edges[i - 1];
            if (edges[i] <= previous || edges[i] >= kUniformRange) {
                throw std::invalid_argument(where + "edges must ascend strictly within (0, 2^" +
                                            std::to_string(kUniformBits) + "), got " +
                                            std::to_string(edges[i]) + " after " + std::to_string(previous));
            }
        }
    }
}

double value_or_missing(std::uint64_t uniform) {
    return uniform == kMissing ? std::numeric_limits<double>::quiet_NaN() : uniform_value(uniform);
}

bool write_uniforms(std::uint64_t seed, const BlockLayout& layout, const Conditions& conditions,
                    ArrayView<const std::uint64_t> candidates, MatrixView<double> result,
                    const Workers& workers) {
    const auto write = [&](std::size_t begin, std::size_t size, std::size_t /*thread*/) {
        std::vector<std::uint64_t> uniforms(result.width);
        for (std::size_t i = begin; i < begin + size; ++i) {
            write_uniforms_of(seed, candidates[i], layout, result.width, uniforms.data(), 1);
            conditions.apply(uniforms.data(), 1, 1);
            std::transform(uniforms.begin(), uniforms.end(), result.row(i), value_or_missing);
        }
    };
    return for_row_blocks(candidates.size, costs::kRowsBetweenStops, workers, write);
}

}  // namespace shac
