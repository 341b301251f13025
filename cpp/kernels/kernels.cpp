#include "kernels/kernels.hpp"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <stdexcept>
#include <utility>

#include "kernels/levels.hpp"

namespace shac {

EdgeSearch::EdgeSearch(const std::vector<std::uint16_t>& edges) {
    if (edges.size() > kMaxEdges) {
        throw std::invalid_argument("edges: expected at most " + std::to_string(kMaxEdges) + ", got " +
                                    std::to_string(edges.size()));
    }
    while ((std::size_t{1} << levels) <= edges.size()) {
        ++levels;
    }
    sorted.fill(0xFFFF);
    by_level.fill(0xFFFF);
    std::copy(edges.begin(), edges.end(), sorted.begin());
    for (std::uint32_t level = 0; level < levels; ++level) {
        const std::size_t span = std::size_t{1} << (levels - level);
        for (std::size_t p = 0; p < (std::size_t{1} << level); ++p) {
            by_level[kLevelOffsets[level] + p] = sorted[p * span + span / 2 - 1];
        }
    }
}

ThresholdSearch::ThresholdSearch(std::vector<float> thresholds) : sorted(std::move(thresholds)) {
    if (sorted.size() > kMaxThresholds) {
        throw std::invalid_argument("thresholds: expected at most " + std::to_string(kMaxThresholds) +
                                    ", got " + std::to_string(sorted.size()));
    }
    while ((std::size_t{1} << levels) <= sorted.size()) {
        ++levels;
    }
    if (levels > 0) {
        by_level.assign(kLevelOffsets[levels - 1] + std::max(std::size_t{16}, std::size_t{1} << (levels - 1)),
                        std::numeric_limits<float>::quiet_NaN());
    }
    for (std::uint32_t level = 0; level < levels; ++level) {
        const std::size_t span = std::size_t{1} << (levels - level);
        for (std::size_t p = 0; p < (std::size_t{1} << level); ++p) {
            const std::size_t place = p * span + span / 2 - 1;
            if (place < sorted.size()) {
                by_level[kLevelOffsets[level] + p] = sorted[place];
            }
        }
    }
}

const std::vector<const Kernels*>& available_kernels() {
    static const std::vector<const Kernels*> levels = [] {
        std::vector<const Kernels*> found{&baseline_kernels()};
        for (const Kernels* const level : {avx2_kernels(), avx512_kernels(), neon_kernels()}) {
            if (level != nullptr) {
                found.push_back(level);
            }
        }
        return found;
    }();
    return levels;
}

std::vector<std::string> available_kernel_names() {
    std::vector<std::string> names;
    for (const Kernels* const level : available_kernels()) {
        names.emplace_back(level->name);
    }
    return names;
}

const Kernels& chosen_kernels() {
    const auto& levels = available_kernels();
    const char* const wanted = std::getenv("SHAC_SIMD");
    if (wanted == nullptr || *wanted == '\0') {
        return *levels.back();
    }
    std::string names;
    for (const Kernels* const level : levels) {
        if (std::string(level->name) == wanted) {
            return *level;
        }
        names += (names.empty() ? "" : ", ") + std::string(level->name);
    }
    throw std::invalid_argument("SHAC_SIMD: expected one of " + names + ", got " + wanted);
}

}  // namespace shac
