#include "tables/quantized_stage.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "prior/conditions.hpp"
#include "prior/random.hpp"
#include "support/bits.hpp"
#include "support/costs.hpp"

namespace shac {
namespace {

/// Puts the trees that move a sum most first, so that rows are proven early. Returns the most that the
/// segment can add.
std::int32_t order_trees(QuantizedStage::Segment& segment) {
    const auto leaves = [](const TreeTable& tree) {
        return std::minmax_element(tree.leaves.begin(), tree.leaves.begin() + (1 << tree.depth));
    };
    const auto range = [&](const TreeTable& tree) {
        const auto [low, high] = leaves(tree);
        return *high - *low;
    };
    std::stable_sort(segment.trees.begin(), segment.trees.end(),
                     [&](const TreeTable& a, const TreeTable& b) { return range(a) > range(b); });
    segment.suffix_max.assign(segment.trees.size() + 1, 0);
    for (std::size_t t = segment.trees.size(); t-- > 0;) {
        segment.suffix_max[t] = segment.suffix_max[t + 1] + *leaves(segment.trees[t]).second;
    }
    std::int32_t most = segment.suffix_max[0];
    for (const SmallTable& table : segment.small_tables) {
        std::int32_t largest = std::numeric_limits<std::int16_t>::min();
        for (std::uint32_t i = 0; i < table.size; ++i) {
            largest = std::max<std::int32_t>(largest, table.entry(i));
        }
        most += largest;
    }
    for (const LargeTable& table : segment.large_tables) {
        most += *std::max_element(table.entries.begin(), table.entries.end());
    }
    return most;
}

}  // namespace

QuantizedStage::QuantizedStage(Parts parts) : parts_(std::move(parts)) {
    std::int32_t later = 0;
    for (auto segment = parts_.segments.rbegin(); segment != parts_.segments.rend(); ++segment) {
        segment->max_later_segments = later;
        later += order_trees(*segment);
        for (const BinnedColumn& column : segment->columns) {
            columns_.push_back(column.column);
        }
    }
    std::sort(columns_.begin(), columns_.end());
    columns_.erase(std::unique(columns_.begin(), columns_.end()), columns_.end());
}

std::size_t QuantizedStage::num_bytes() const {
    std::size_t bytes = sizeof(QuantizedStage);
    for (const Segment& segment : segments()) {
        bytes += segment.columns.size() * sizeof(BinnedColumn) +
                 segment.small_tables.size() * sizeof(SmallTable) + segment.trees.size() * sizeof(TreeTable);
        for (const LargeTable& table : segment.large_tables) {
            bytes += sizeof(LargeTable) + table.entries.size() * sizeof(std::int16_t);
        }
        for (const TreeTable& tree : segment.trees) {
            bytes += tree.nodes.size() * sizeof(TreeTable::Node);
        }
    }
    return bytes;
}

std::size_t QuantizedStage::num_tables() const {
    std::size_t tables = 0;
    for (const Segment& segment : segments()) {
        tables += segment.small_tables.size() + segment.large_tables.size();
    }
    return tables;
}

std::size_t QuantizedStage::num_trees() const {
    std::size_t trees = 0;
    for (const Segment& segment : segments()) {
        trees += segment.trees.size();
    }
    return trees;
}

Decision QuantizedStage::decide(const std::uint64_t* uniforms) const {
    std::int32_t sum = bias();
    std::array<std::uint8_t, 256> few_bins;
    std::vector<std::uint8_t> many_bins;
    for (const Segment& segment : segments()) {
        std::uint8_t* bins = few_bins.data();
        if (segment.columns.size() > few_bins.size()) {
            many_bins.resize(segment.columns.size());
            bins = many_bins.data();
        }
        for (std::size_t slot = 0; slot < segment.columns.size(); ++slot) {
            const BinnedColumn& column = segment.columns[slot];
            if (uniforms[column.column] == kMissing) {
                bins[slot] = static_cast<std::uint8_t>(column.num_edges);
                continue;
            }
            const auto u = static_cast<std::uint16_t>(uniforms[column.column] >> kFineBits);
            if (column.is_conditional && u >= kCoarseUnknown) {
                return Decision::kUndecided;
            }
            const auto* const edges = column.edges.sorted.data();
            const auto* const edge = std::lower_bound(edges, edges + column.num_edges, u);
            if (edge != edges + column.num_edges && *edge == u) {
                return Decision::kUndecided;
            }
            bins[slot] = static_cast<std::uint8_t>(edge - edges);
        }
        for (const SmallTable& table : segment.small_tables) {
            std::size_t index = 0;
            for (std::uint32_t d = 0; d < table.dims; ++d) {
                index += table.remap[d][bins[table.slots[d]]];
            }
            sum += table.entry(index);
        }
        for (const LargeTable& table : segment.large_tables) {
            std::size_t index = 0;
            for (std::uint32_t d = 0; d < table.dims; ++d) {
                index += std::size_t{table.strides[d]} * bins[table.slots[d]];
            }
            sum += table.entries[index];
        }
        for (const TreeTable& tree : segment.trees) {
            sum += tree.leaf_of(bins);
        }
    }
    if (sum < 0) {
        return Decision::kRejected;
    }
    return sum >= accept_limit() ? Decision::kAccepted : Decision::kUndecided;
}

void QuantizedStage::reject(const Kernels& kernels, const std::uint16_t* const* uniforms, std::size_t offset,
                            std::size_t rows, QuantizedScratch& scratch, std::uint64_t* rejected) const {
    const auto find_bins = [&](std::size_t segment, std::uint8_t* bins, std::uint64_t* ambiguous) {
        const auto& columns = segments()[segment].columns;
        for (std::size_t slot = 0; slot < columns.size(); ++slot) {
            kernels.find_bins(columns[slot].edges, uniforms[columns[slot].column] + offset, whole_lanes(rows),
                              bins + slot * kChunk, ambiguous);
        }
    };
    add_up(kernels, rows, find_bins, scratch, rejected);
}

void QuantizedStage::decide(const Kernels& kernels, std::size_t rows, const FindBins& find_bins,
                            QuantizedScratch& scratch, std::uint64_t* rejected,
                            std::uint64_t* accepted) const {
    add_up(kernels, rows, [&](auto... arguments) { find_bins(arguments...); }, scratch, rejected);
    const std::size_t words = whole_lanes(rows) / kLane;
    if (accept_limit() > std::numeric_limits<std::int16_t>::max()) {
        std::fill(accepted, accepted + words, 0);
        return;
    }
    kernels.find_below(scratch.sums.data(), static_cast<std::int16_t>(accept_limit()), words * kLane,
                       scratch.below.data());
    for (std::size_t word = 0; word < words; ++word) {
        accepted[word] = ~(scratch.below[word] | scratch.ambiguous[word] | rejected[word]);
    }
}

template <typename Find>
void QuantizedStage::add_up(const Kernels& kernels, std::size_t rows, Find find_bins,
                            QuantizedScratch& scratch, std::uint64_t* rejected) const {
    const std::size_t padded = whole_lanes(rows);
    scratch.sums.assign(kChunk, parts_.bias);
    scratch.ambiguous.fill(0);
    std::fill(rejected, rejected + padded / kLane, 0);
    for (std::size_t s = 0; s < segments().size(); ++s) {
        const Segment& segment = segments()[s];
        scratch.bins.resize(std::max(scratch.bins.size(), segment.columns.size() * kChunk));
        find_bins(s, scratch.bins.data(), scratch.ambiguous.data());
        kernels.add_small_tables(segment.small_tables.data(), segment.small_tables.size(),
                                 scratch.bins.data(), padded, scratch.sums.data());
        for (const LargeTable& table : segment.large_tables) {
            kernels.add_large_table(table, scratch.bins.data(), padded, scratch.sums.data());
        }
        if (!segment.trees.empty()) {
            add_trees(kernels, segment, padded, scratch, rejected);
        }
    }
    kernels.find_below(scratch.sums.data(), 0, padded, scratch.below.data());
    for (std::size_t word = 0; word < padded / kLane; ++word) {
        rejected[word] |= scratch.below[word] & ~scratch.ambiguous[word];
    }
}

void QuantizedStage::add_trees(const Kernels& kernels, const Segment& segment, std::size_t rows,
                               QuantizedScratch& scratch, std::uint64_t* rejected) const {
    // Rows that the trees to come cannot save leave early. Whether a row is rejected does not depend on the
    // others: all rows that are proven at a check are marked, but moved out of the way only when they are
    // many.
    std::array<std::uint64_t, kChunk / kLane> ambiguous = scratch.ambiguous;
    std::array<std::uint64_t, kChunk / kLane> keep{};
    bool moved = false;
    std::size_t left = rows;
    for (std::size_t begin = 0; begin < segment.trees.size() && left > 0;
         begin += costs::kTreesBetweenExits) {
        std::int16_t* const sums = moved ? scratch.moved_sums.data() : scratch.sums.data();
        const std::int32_t most = segment.suffix_max[begin] + segment.max_later_segments;
        kernels.find_below(sums, static_cast<std::int16_t>(-most), whole_lanes(left), scratch.below.data());
        std::size_t kept = left;
        for (std::size_t word = 0; word * kLane < left; ++word) {
            std::uint64_t proven = scratch.below[word] & ~ambiguous[word];
            if (left - word * kLane < kLane) {
                proven &= (std::uint64_t{1} << (left - word * kLane)) - 1;
            }
            keep[word] = ~proven;
            for (; proven != 0; proven &= proven - 1) {
                const std::size_t i = word * kLane + lowest_bit(proven);
                const std::size_t row = moved ? scratch.rows[i] : i;
                rejected[row / kLane] |= std::uint64_t{1} << (row % kLane);
                --kept;
            }
        }
        if (costs::pays_to_compact(kept, left)) {
            if (!moved) {
                scratch.moved_sums = scratch.sums;
                scratch.rows.resize(kChunk);
                std::iota(scratch.rows.begin(), scratch.rows.end(), std::uint16_t{0});
                moved = true;
            }
            move_together(kernels, segment, keep, whole_lanes(left), scratch);
            left = kept;
            ambiguous.fill(0);
            for (std::size_t i = 0; i < left; ++i) {
                const std::size_t row = scratch.rows[i];
                ambiguous[i / kLane] |= (scratch.ambiguous[row / kLane] >> (row % kLane) & 1U) << (i % kLane);
            }
        }
        const std::size_t count = std::min(costs::kTreesBetweenExits, segment.trees.size() - begin);
        kernels.add_trees(segment.trees.data() + begin, count, scratch.bins.data(), whole_lanes(left),
                          moved ? scratch.moved_sums.data() : scratch.sums.data());
    }
    if (moved) {
        for (std::size_t i = 0; i < left; ++i) {
            scratch.sums[scratch.rows[i]] = scratch.moved_sums[i];
        }
    }
}

void QuantizedStage::move_together(const Kernels& kernels, const Segment& segment,
                                   const std::array<std::uint64_t, kChunk / kLane>& keep, std::size_t rows,
                                   QuantizedScratch& scratch) const {
    for (std::size_t slot = 0; slot < segment.columns.size(); ++slot) {
        std::uint8_t* const column = scratch.bins.data() + slot * kChunk;
        kernels.compact_bytes(keep.data(), rows, column, column);
    }
    auto* const sums = reinterpret_cast<std::uint16_t*>(scratch.moved_sums.data());
    kernels.compact_words(keep.data(), rows, sums, sums);
    kernels.compact_words(keep.data(), rows, scratch.rows.data(), scratch.rows.data());
}

}  // namespace shac
