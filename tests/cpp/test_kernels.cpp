#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <vector>

#include "kernels/levels.hpp"
#include "prior/random.hpp"

using shac::available_kernels;
using shac::baseline_kernels;
using shac::EdgeSearch;
using shac::kChunk;
using shac::Kernels;
using shac::kLane;
using shac::LargeTable;
using shac::SmallTable;
using shac::TreeTable;

namespace {

std::mt19937 generator(7);

std::uint32_t below(std::uint32_t limit) {
    return static_cast<std::uint32_t>(generator() % limit);
}

std::vector<std::uint16_t> ascending_edges(std::size_t count) {
    std::vector<std::uint16_t> edges;
    while (edges.size() < count) {
        edges.push_back(static_cast<std::uint16_t>(below(65'535)));
        std::sort(edges.begin(), edges.end());
        edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
    }
    return edges;
}

std::vector<std::uint8_t> random_bins(std::size_t columns, std::uint32_t limit) {
    std::vector<std::uint8_t> bins(columns * kChunk);
    for (auto& bin : bins) {
        bin = static_cast<std::uint8_t>(below(limit));
    }
    return bins;
}

std::vector<std::int16_t> random_sums() {
    std::vector<std::int16_t> sums(kChunk);
    for (auto& sum : sums) {
        sum = static_cast<std::int16_t>(generator());
    }
    return sums;
}

/// Runs `work(kernels)` on every level, and checks that all give what the baseline gives.
template <typename Work>
void check_levels(Work work) {
    const auto expected = work(baseline_kernels());
    for (const Kernels* const level : available_kernels()) {
        INFO(level->name);
        CHECK(work(*level) == expected);
    }
}

}  // namespace

TEST_CASE("the baseline draws the coarse bits of the uniforms") {
    std::vector<std::uint16_t> offsets(kLane);
    for (auto& offset : offsets) {
        offset = static_cast<std::uint16_t>(generator());
    }
    const std::uint64_t seed = 0x0123456789abcdef;
    const std::uint64_t first = (std::uint64_t{1} << 32) - 30'000;  // the lower word overflows on the way
    std::vector<std::vector<std::uint16_t>> columns(8, std::vector<std::uint16_t>(kLane));
    std::array<std::uint16_t*, 8> targets{};
    for (std::size_t c = 0; c < 8; ++c) {
        targets[c] = c == 3 ? nullptr : columns[c].data();
    }
    baseline_kernels().draw({seed, first, offsets.data(), kLane, 2}, targets);
    for (std::size_t i = 0; i < kLane; ++i) {
        const auto uniforms = shac::uniforms_of_group(seed, first + offsets[i], 2);
        for (std::size_t c = 0; c < 8; ++c) {
            const std::uint64_t expected = c == 3 ? 0 : uniforms[c] >> shac::kFineBits;
            CHECK(columns[c][i] == expected);
        }
    }
    check_levels([&](const Kernels& kernels) {
        auto drawn = columns;
        for (std::size_t c = 0; c < 8; ++c) {
            targets[c] = drawn[c].data();
        }
        kernels.draw({seed, first, offsets.data(), kLane, 2}, targets);
        return drawn;
    });
}

TEST_CASE("words of a stream are those of Philox, on every level") {
    std::vector<std::uint16_t> offsets(kLane);
    for (auto& offset : offsets) {
        offset = static_cast<std::uint16_t>(generator());
    }
    const std::uint64_t seed = 0x0123456789abcdef;
    const std::uint64_t first = (std::uint64_t{1} << 32) - 30'000;  // the lower word overflows on the way
    const std::uint32_t stream = 0x80000001U;
    const auto draw = [&](const Kernels& kernels) {
        std::vector<std::uint64_t> drawn(2 * kLane);
        kernels.draw_words({seed, first, offsets.data(), kLane, 3}, stream, drawn.data(),
                           drawn.data() + kLane);
        return drawn;
    };
    const auto drawn = draw(baseline_kernels());
    for (std::size_t i = 0; i < kLane; ++i) {
        const std::uint64_t candidate = first + offsets[i];
        const auto words = shac::philox4x32(
            {static_cast<std::uint32_t>(candidate), static_cast<std::uint32_t>(candidate >> 32), 3, stream},
            {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
        CHECK(drawn[i] == (std::uint64_t{words[0]} << 32 | words[1]));
        CHECK(drawn[kLane + i] == (std::uint64_t{words[2]} << 32 | words[3]));
    }
    check_levels(draw);
}

TEST_CASE("bins count the edges below a uniform, and equal ones are ambiguous") {
    for (const std::size_t count :
         {0U, 1U, 2U, 3U, 4U, 7U, 8U, 15U, 16U, 31U, 32U, 63U, 64U, 127U, 128U, 255U}) {
        const auto edges = ascending_edges(count);
        const EdgeSearch search(edges);
        std::vector<std::uint16_t> uniforms(kChunk);
        for (std::size_t i = 0; i < kChunk; ++i) {
            const bool near_edge = !edges.empty() && i % 2 == 0;
            uniforms[i] = static_cast<std::uint16_t>(
                near_edge ? edges[below(static_cast<std::uint32_t>(count))] + below(3) - 1 : generator());
        }
        uniforms[0] = 0xFFFF;
        const auto find = [&](const Kernels& kernels) {
            std::vector<std::uint8_t> bins(kChunk);
            std::vector<std::uint64_t> ambiguous(kChunk / kLane);
            kernels.find_bins(search, uniforms.data(), kChunk, bins.data(), ambiguous.data());
            return std::make_pair(bins, ambiguous);
        };
        const auto [bins, ambiguous] = find(baseline_kernels());
        for (std::size_t i = 0; i < kChunk; ++i) {
            const auto place = std::lower_bound(edges.begin(), edges.end(), uniforms[i]);
            CHECK(bins[i] == place - edges.begin());
            const bool equal = uniforms[i] == 0xFFFF || (place != edges.end() && *place == uniforms[i]);
            const bool found = (ambiguous[i / kLane] >> (i % kLane) & 1U) != 0;
            CHECK(found == equal);
        }
        check_levels(find);
    }
    CHECK_THROWS_AS(EdgeSearch(ascending_edges(256)), std::invalid_argument);
}

TEST_CASE("small tables of every shape add the same on every level") {
    for (const std::uint32_t dims : {1U, 2U, 3U}) {
        for (const std::uint32_t max_bins : {5U, 64U, 100U, 128U, 200U, 256U}) {
            for (const std::uint32_t size : {7U, 64U, 65U, 128U, 129U, 256U}) {
                SmallTable table;
                table.dims = dims;
                table.size = size;
                table.max_bins = max_bins;
                table.slots = {2, 0, 1};
                const std::uint32_t share = (size - 1) / dims;
                for (std::size_t d = 0; d < dims; ++d) {
                    for (std::uint32_t b = 0; b < max_bins; ++b) {
                        const std::uint32_t entry = dims == 1 ? std::min(b, size - 1) : below(share + 1);
                        table.remap[d][b] = static_cast<std::uint8_t>(entry);
                    }
                }
                for (std::uint32_t i = 0; i < size; ++i) {
                    table.low[i] = static_cast<std::uint8_t>(generator());
                    table.high[i] = static_cast<std::uint8_t>(generator());
                }
                const auto bins = random_bins(3, dims == 1 ? std::min(max_bins, size) : max_bins);
                const auto sums = random_sums();
                const std::vector<SmallTable> tables{table, table};
                check_levels([&](const Kernels& kernels) {
                    auto result = sums;
                    kernels.add_small_tables(tables.data(), 2, bins.data(), kChunk, result.data());
                    return result;
                });
            }
        }
    }
}

TEST_CASE("large tables add the same on every level") {
    LargeTable table;
    table.dims = 3;
    table.slots = {0, 2, 1};
    table.strides = {1, 40, 1600};
    for (std::size_t i = 0; i < 40 * 40 * 40; ++i) {
        table.entries.push_back(static_cast<std::int16_t>(generator()));
    }
    const auto bins = random_bins(3, 40);
    const auto sums = random_sums();
    check_levels([&](const Kernels& kernels) {
        auto result = sums;
        kernels.add_large_table(table, bins.data(), kChunk, result.data());
        return result;
    });
}

TEST_CASE("trees of every depth, complete or not, add the same on every level") {
    for (std::uint32_t depth = 1; depth <= shac::kMaxTreeDepth; ++depth) {
        for (const bool complete : {true, false}) {
            TreeTable tree;
            tree.depth = depth;
            for (std::uint32_t position = 1; position < (1U << depth); ++position) {
                if (complete || position < 3 || position % 5 != 0) {
                    tree.nodes.push_back({below(4), static_cast<std::uint8_t>(below(255)),
                                          static_cast<std::uint8_t>(position)});
                }
            }
            for (auto& leaf : tree.leaves) {
                leaf = static_cast<std::int16_t>(generator());
            }
            if (!complete) {  // where a node is missing, all leaves below it are the same
                for (std::uint32_t position = 1; position < (1U << depth); ++position) {
                    const bool missing = position >= 3 && position % 5 == 0;
                    std::uint32_t low = position;
                    std::uint32_t high = position;
                    while (missing && high < (1U << depth)) {
                        low = 2 * low;
                        high = 2 * high + 1;
                    }
                    for (std::uint32_t leaf = low; missing && leaf <= high; ++leaf) {
                        tree.leaves[leaf - (1U << depth)] = tree.leaves[low - (1U << depth)];
                    }
                }
            }
            const std::vector<TreeTable> trees{tree, tree};
            const auto bins = random_bins(4, 256);
            const auto sums = random_sums();
            for (const std::size_t rows : {kLane, 3 * kLane, 512 + kLane, kChunk}) {
                check_levels([&](const Kernels& kernels) {
                    auto result = sums;
                    kernels.add_trees(trees.data(), 2, bins.data(), rows, result.data());
                    return result;
                });
            }
        }
    }
}

TEST_CASE("rows below a limit are found, and the others moved together in place") {
    const auto sums = random_sums();
    const auto find = [&](const Kernels& kernels) {
        std::vector<std::uint64_t> bits(kChunk / kLane);
        kernels.find_below(sums.data(), -77, kChunk, bits.data());
        return bits;
    };
    const auto bits = find(baseline_kernels());
    std::vector<std::uint16_t> words(kChunk + kLane);
    std::vector<std::uint8_t> bytes(kChunk + kLane);
    std::vector<std::uint16_t> expected_words;
    std::vector<std::uint8_t> expected_bytes;
    for (std::size_t i = 0; i < kChunk; ++i) {
        words[i] = static_cast<std::uint16_t>(generator());
        bytes[i] = static_cast<std::uint8_t>(generator());
        const bool is_below = (bits[i / kLane] >> (i % kLane) & 1U) != 0;
        const bool expected = sums[i] < -77;
        CHECK(is_below == expected);
        if (is_below) {
            expected_words.push_back(words[i]);
            expected_bytes.push_back(bytes[i]);
        }
    }
    check_levels(find);
    for (const Kernels* const level : available_kernels()) {
        INFO(level->name);
        auto own_words = words;
        auto own_bytes = bytes;
        level->compact_words(bits.data(), kChunk, own_words.data(), own_words.data());
        level->compact_bytes(bits.data(), kChunk, own_bytes.data(), own_bytes.data());
        CHECK(std::equal(expected_words.begin(), expected_words.end(), own_words.begin()));
        CHECK(std::equal(expected_bytes.begin(), expected_bytes.end(), own_bytes.begin()));
    }
}
