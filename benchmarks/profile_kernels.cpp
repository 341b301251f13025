// Nanoseconds that each kernel takes for a candidate, on every level of vector instructions of this machine,
// beside the cost that cpp/support/costs.hpp gives it, and the nanoseconds of a unit of that cost on the
// fastest level: the costs are right as far as that column is the same in all rows.
//
// Built with -DSHAC_BUILD_BENCHMARKS=ON; the tests of the core check the kernels' answers. Each figure is the
// median of several runs over a chunk that stays in the first-level cache.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "kernels/kernels.hpp"
#include "support/costs.hpp"

namespace {

using shac::kChunk;
namespace costs = shac::costs;

double nanoseconds_a_row(const std::function<void()>& work) {
    constexpr int kCalls = 200;
    constexpr int kRuns = 15;
    std::vector<double> runs;
    for (int run = 0; run < kRuns; ++run) {
        const auto started = std::chrono::steady_clock::now();
        for (int call = 0; call < kCalls; ++call) {
            work();
        }
        const std::chrono::duration<double, std::nano> elapsed = std::chrono::steady_clock::now() - started;
        runs.push_back(elapsed.count() / kCalls / static_cast<double>(kChunk));
    }
    std::nth_element(runs.begin(), runs.begin() + kRuns / 2, runs.end());
    return runs[kRuns / 2];
}

}  // namespace

int main() {
    std::mt19937 generator(1);
    std::vector<std::uint16_t> offsets(kChunk);
    std::vector<std::uint16_t> uniforms(kChunk + shac::kLane);
    std::vector<std::uint8_t> bins(8 * kChunk);
    std::vector<std::int16_t> sums(kChunk);
    std::vector<std::uint64_t> bits(kChunk / shac::kLane);
    for (std::size_t i = 0; i < kChunk; ++i) {
        offsets[i] = static_cast<std::uint16_t>(i);
        uniforms[i] = static_cast<std::uint16_t>(generator());
    }
    for (auto& word : bits) {
        word = std::uint64_t{generator()} << 32 | generator();
    }
    std::vector<std::vector<std::uint16_t>> columns(8, std::vector<std::uint16_t>(kChunk));
    std::array<std::uint16_t*, 8> targets{};
    for (std::size_t c = 0; c < 8; ++c) {
        targets[c] = columns[c].data();
    }

    std::printf("%-34s", "nanoseconds a candidate");  // costs are of 64 candidates
    const auto& levels = shac::available_kernels();
    for (const auto* level : levels) {
        std::printf("%12s", level->name);
    }
    std::printf("%12s%12s\n", "cost", "ns a unit");
    const auto row = [&](const char* name, double cost,
                         const std::function<void(const shac::Kernels&)>& work) {
        std::printf("%-34s", name);
        double nanoseconds = 0.0;
        for (const auto* level : levels) {
            nanoseconds = nanoseconds_a_row([&] { work(*level); });
            std::printf("%12.3f", nanoseconds);
        }
        if (cost > 0.0) {
            std::printf("%12.1f%12.2f", cost, nanoseconds * shac::kLane / cost);
        }
        std::printf("\n");
    };

    row("draw eight columns", shac::kLane * costs::kDraw,
        [&](const shac::Kernels& kernels) { kernels.draw({1, 0, offsets.data(), kChunk, 0}, targets); });
    for (const std::size_t count : {7U, 12U, 60U, 250U}) {
        std::vector<std::uint16_t> edges;
        for (std::size_t i = 1; i <= count; ++i) {
            edges.push_back(static_cast<std::uint16_t>(i * 65'000 / (count + 1)));
        }
        const shac::EdgeSearch search(edges);
        const std::string name = "bins of a column, " + std::to_string(count) + " edges";
        row(name.c_str(), costs::edge_search(search.levels), [&](const shac::Kernels& kernels) {
            kernels.find_bins(search, uniforms.data(), kChunk, bins.data(), bits.data());
        });
    }
    for (auto& bin : bins) {
        bin = static_cast<std::uint8_t>(generator() % 12);
    }
    for (const std::uint32_t size : {60U, 120U, 250U}) {
        shac::SmallTable table;
        table.dims = 2;
        table.size = size;
        table.max_bins = 12;
        table.slots = {0, 1, 0};
        for (std::uint32_t b = 0; b < 12; ++b) {
            table.remap[0][b] = static_cast<std::uint8_t>(b % 7);
            table.remap[1][b] = static_cast<std::uint8_t>(7 * (b % (size / 7)));
        }
        const std::string name = "small table, 2 columns, " + std::to_string(size) + " entries";
        row(name.c_str(), costs::small_table(2, 12, size), [&](const shac::Kernels& kernels) {
            kernels.add_small_tables(&table, 1, bins.data(), kChunk, sums.data());
        });
    }
    for (const std::uint32_t side : {50U, 140U, 240U}) {
        shac::LargeTable large;
        large.dims = 2;
        large.slots = {0, 1};
        large.strides = {1, side};
        large.entries.assign(std::size_t{side} * side, 1);
        std::vector<std::uint8_t> of_large(2 * kChunk);
        for (auto& bin : of_large) {
            bin = static_cast<std::uint8_t>(generator() % side);
        }
        const std::string name = "large table, 2 columns, " + std::to_string(side * side);
        row(name.c_str(), costs::large_table(2, large.entries.size()), [&](const shac::Kernels& kernels) {
            kernels.add_large_table(large, of_large.data(), kChunk, sums.data());
        });
    }
    for (const std::uint32_t depth : {2U, 4U, 6U}) {
        shac::TreeTable tree;
        tree.depth = depth;
        for (std::uint32_t position = 1; position < (1U << depth); ++position) {
            tree.nodes.push_back({position % 8, static_cast<std::uint8_t>(position % 11),
                                  static_cast<std::uint8_t>(position)});
        }
        const std::string name = "tree of " + std::to_string(1U << depth) + " leaves";
        row(name.c_str(), costs::tree(std::size_t{1} << depth, depth), [&](const shac::Kernels& kernels) {
            kernels.add_trees(&tree, 1, bins.data(), kChunk, sums.data());
        });
    }
    row("find what is proven", 0.0,
        [&](const shac::Kernels& kernels) { kernels.find_below(sums.data(), 0, kChunk, bits.data()); });
    for (auto& word : bits) {
        word = std::uint64_t{generator()} << 32 | generator();
    }
    row("move half of a column together", shac::kLane * costs::kMove, [&](const shac::Kernels& kernels) {
        kernels.compact_words(bits.data(), kChunk, uniforms.data(), columns[0].data());
    });
    return 0;
}
