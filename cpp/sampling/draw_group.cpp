#include "sampling/draw_group.hpp"

#include <algorithm>
#include <cstddef>
#include <numeric>

namespace shac {
namespace {

using Columns = std::array<std::uint16_t*, kGroupColumns>;

constexpr std::array<std::uint16_t, BlockLayout::kRun> ascending() {
    std::array<std::uint16_t, BlockLayout::kRun> numbers{};
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        numbers[i] = static_cast<std::uint16_t>(i);
    }
    return numbers;
}

constexpr std::array<std::uint16_t, BlockLayout::kRun> kAscending = ascending();

/// Whether a whole run of candidates, from its first one on, stands at `row`.
bool is_run(const DrawRequest& request, std::size_t row) {
    const std::uint16_t* const offsets = request.offsets + row;
    if (request.rows - row < BlockLayout::kRun || (request.first + offsets[0]) % BlockLayout::kRun != 0) {
        return false;
    }
    std::uint32_t differences = 0;
    for (std::size_t i = 0; i < BlockLayout::kRun; ++i) {
        differences |= static_cast<std::uint32_t>(offsets[i]) ^ (offsets[0] + static_cast<std::uint32_t>(i));
    }
    return differences == 0;
}

void draw_run(const Kernels& kernels, const BlockLayout& layout, const DrawRequest& request, std::size_t row,
              const Columns& columns) {
    Columns targets{};
    for (std::size_t k = 0; k < layout.candidates(); ++k) {
        for (std::size_t c = 0; c < layout.columns(); ++c) {
            if (columns[c] != nullptr) {
                targets[k * layout.columns() + c] = columns[c] + row + k * layout.blocks_of_run();
            }
        }
    }
    const std::uint64_t block = layout.place_of(request.first + request.offsets[row]).block;
    kernels.draw({request.seed, block, kAscending.data(), layout.blocks_of_run(), request.group}, targets);
}

void draw_lane(const Kernels& kernels, const BlockLayout& layout, const DrawRequest& request, std::size_t row,
               const Columns& columns) {
    // Offsets are below 2^16, and there are no more blocks than candidates.
    const std::uint64_t first = layout.place_of(request.first / BlockLayout::kRun * BlockLayout::kRun).block;
    std::array<std::uint16_t, kLane> blocks;
    std::array<std::uint32_t, kLane> shifts;
    for (std::size_t i = 0; i < kLane; ++i) {
        const auto place = layout.place_of(request.first + request.offsets[row + i]);
        blocks[i] = static_cast<std::uint16_t>(place.block - first);
        shifts[i] = place.column;
    }
    std::array<std::array<std::uint16_t, kLane>, kGroupColumns> drawn;
    Columns targets{};
    std::transform(drawn.begin(), drawn.end(), targets.begin(), [](auto& column) { return column.data(); });
    kernels.draw({request.seed, first, blocks.data(), kLane, request.group}, targets);
    for (std::size_t c = 0; c < layout.columns(); ++c) {
        if (columns[c] != nullptr) {
            for (std::size_t i = 0; i < kLane; ++i) {
                columns[c][row + i] = drawn[shifts[i] + c][i];
            }
        }
    }
}

}  // namespace

void draw_group(const Kernels& kernels, const BlockLayout& layout, const DrawRequest& request,
                const Columns& columns) {
    if (layout.candidates() == 1) {
        kernels.draw(request, columns);
        return;
    }
    for (std::size_t row = 0; row < request.rows;) {
        if (is_run(request, row)) {
            draw_run(kernels, layout, request, row, columns);
            row += BlockLayout::kRun;
        } else {
            draw_lane(kernels, layout, request, row, columns);
            row += kLane;
        }
    }
}

}  // namespace shac
