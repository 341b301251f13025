#include "region/stage_bounds.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "prior/random.hpp"
#include "support/costs.hpp"

namespace shac {
namespace {

constexpr std::int32_t kLowest = std::numeric_limits<std::int16_t>::min();
constexpr std::int32_t kHighest = std::numeric_limits<std::int16_t>::max();

constexpr std::uint8_t kNoNode = 255;

/// The place among a tree's nodes of each position in its heap.
std::array<std::uint8_t, 64> heap_of(const TreeTable& tree) {
    std::array<std::uint8_t, 64> heap{};
    heap.fill(kNoNode);
    for (std::size_t i = 0; i < tree.nodes.size(); ++i) {
        heap[tree.nodes[i].position] = static_cast<std::uint8_t>(i);
    }
    return heap;
}

/// Smallest and largest leaf that rows with local bins [first, last] may reach.
SumRange leaf_range(const TreeTable& tree, const std::array<std::uint8_t, 64>& heap,
                    const std::uint8_t* first, const std::uint8_t* last) {
    const std::uint32_t first_leaf = 1U << tree.depth;
    SumRange range{kHighest, kLowest};
    std::array<std::uint32_t, 64> open{1};
    std::size_t count = 1;
    while (count > 0) {
        const std::uint32_t position = open[--count];
        if (position >= first_leaf) {
            const std::int32_t leaf = tree.leaves[position - first_leaf];
            range = {std::min(range.smallest, leaf), std::max(range.largest, leaf)};
            continue;
        }
        if (heap[position] == kNoNode) {
            open[count++] = 2 * position;
            continue;
        }
        const TreeTable::Node& node = tree.nodes[heap[position]];
        if (first[node.slot] <= node.threshold) {
            open[count++] = 2 * position;
        }
        if (last[node.slot] > node.threshold) {
            open[count++] = 2 * position + 1;
        }
    }
    return range;
}

}  // namespace

StageBounds::StageBounds(const Stage& stage, const BinGrid& grid)
    : StageBounds(terms_of(stage), stage, grid) {}

StageBounds::StageBounds(const StageBounds& known, const Stage& stage, const BinGrid& grid)
    : StageBounds(known.terms_, stage, grid) {}

StageBounds::StageBounds(std::shared_ptr<const Terms> terms, const Stage& stage, const BinGrid& grid)
    : bias_(stage.quantized.bias()), accept_limit_(stage.quantized.accept_limit()), terms_(std::move(terms)) {
    for (const QuantizedStage::Segment& segment : stage.quantized.segments()) {
        add_slots(stage, segment, grid);
    }
}

std::shared_ptr<const StageBounds::Terms> StageBounds::terms_of(const Stage& stage) {
    auto terms = std::make_shared<Terms>();
    std::size_t first_slot = 0;
    for (const QuantizedStage::Segment& segment : stage.quantized.segments()) {
        add_tables(segment, first_slot, terms->tables);
        for (const TreeTable& tree : segment.trees) {
            terms->trees.push_back({&tree, heap_of(tree), first_slot});
        }
        first_slot += segment.columns.size();
    }
    return terms;
}

void StageBounds::add_slots(const Stage& stage, const QuantizedStage::Segment& segment, const BinGrid& grid) {
    for (const QuantizedStage::BinnedColumn& column : segment.columns) {
        Slot& slot = slots_.emplace_back();
        slot.column = column.column;
        const auto& fine = stage.bins.columns()[column.column].edges;
        const auto& merged = grid.edges(column.column);
        // A coarse edge stands for the fine edges with its upper bits: uniforms at or above the last of them
        // are right of it for certain, those below the first left.
        std::vector<std::uint64_t> firsts;
        std::vector<std::uint64_t> lasts;
        for (std::uint32_t i = 0; i < column.num_edges; ++i) {
            const std::uint64_t coarse = column.edges.sorted[i];
            if (column.is_conditional && coarse == kCoarseUnknown) {
                firsts.push_back(kMissing);
                lasts.push_back(kMissing);
                continue;
            }
            const auto begin = std::lower_bound(fine.begin(), fine.end(), coarse << kFineBits);
            const auto end = std::lower_bound(begin, fine.end(), (coarse + 1) << kFineBits);
            firsts.push_back(*begin);
            lasts.push_back(*std::prev(end));
            for (auto edge = begin; edge != end; ++edge) {
                const auto before = std::lower_bound(merged.begin(), merged.end(), *edge) - merged.begin();
                slot.divisions.push_back(static_cast<BinIndex>(before + 1));
            }
        }
        for (std::size_t bin = 0; bin <= merged.size(); ++bin) {
            const std::uint64_t begin = bin == 0 ? 0 : merged[bin - 1];
            const auto number = [begin](const std::vector<std::uint64_t>& of) {
                return static_cast<std::uint8_t>(std::upper_bound(of.begin(), of.end(), begin) - of.begin());
            };
            slot.first.push_back(number(lasts));
            slot.last.push_back(number(firsts));
        }
        if (column.is_conditional) {  // the last bin of the region: what is missing
            slot.first.push_back(static_cast<std::uint8_t>(column.num_edges));
            slot.last.push_back(static_cast<std::uint8_t>(column.num_edges));
        }
    }
}

void StageBounds::add_tables(const QuantizedStage::Segment& segment, std::size_t first_slot,
                             std::vector<Table>& tables) {
    for (const SmallTable& small : segment.small_tables) {
        Table& table = tables.emplace_back();
        table.dims = small.dims;
        std::size_t stride = 1;
        for (std::size_t d = 0; d < table.dims; ++d) {
            table.slots[d] = first_slot + small.slots[d];
            table.strides[d] = stride;
            for (std::uint32_t bin = 0; bin < small.num_bins[d]; ++bin) {
                table.positions[d].push_back(static_cast<std::uint16_t>(small.remap[d][bin] / stride));
            }
            stride *= std::size_t{table.positions[d].back()} + 1;
        }
        for (std::uint32_t i = 0; i < small.size; ++i) {
            table.entries.push_back(small.entry(i));
        }
    }
    for (const LargeTable& large : segment.large_tables) {
        Table& table = tables.emplace_back();
        table.dims = large.dims;
        table.entries = large.entries;
        for (std::size_t d = 0; d < table.dims; ++d) {
            table.slots[d] = first_slot + large.slots[d];
            table.strides[d] = large.strides[d];
            for (std::uint32_t bin = 0; bin <= segment.columns[large.slots[d]].num_edges; ++bin) {
                table.positions[d].push_back(static_cast<std::uint16_t>(bin));
            }
        }
    }
}

void StageBounds::scan(const Box& box, Scan& scan) const {
    scan.offsets.resize(slots_.size());
    scan.first.resize(slots_.size());
    scan.last.resize(slots_.size());
    std::size_t size = 0;
    for (std::size_t s = 0; s < slots_.size(); ++s) {
        const auto [begin, end] = box[slots_[s].column];
        scan.first[s] = slots_[s].first[begin];
        scan.last[s] = slots_[s].last[end - 1U];
        scan.offsets[s] = size;
        size += 4 * (std::size_t{scan.last[s]} - scan.first[s] + 1);
    }
    scan.changes.assign(size, 0);
    scan.range = {bias_, bias_};
    for (const Table& table : terms_->tables) {
        scan_table(table, scan);
    }
    scan.trees = tree_range(box);
    scan.range.smallest += scan.trees.smallest;
    scan.range.largest += scan.trees.largest;
    scan.cells += costs::kCellsPerTree * terms_->trees.size();
}

void StageBounds::scan_table(const Table& table, Scan& scan) const {
    std::array<std::size_t, kMaxDims> begin{};
    std::array<std::size_t, kMaxDims> count{};
    std::array<std::size_t, kMaxDims> at{};
    std::array<std::size_t, kMaxDims> slice{};  // where a dimension's slices begin
    std::size_t slices = 0;
    std::size_t cells = 1;
    for (std::size_t d = 0; d < table.dims; ++d) {
        begin[d] = table.positions[d][scan.first[table.slots[d]]];
        count[d] = table.positions[d][scan.last[table.slots[d]]] - begin[d] + 1;
        slice[d] = slices;
        slices += count[d];
        cells *= count[d];
    }
    scan.cells += cells;
    scan.smallest.assign(slices, kHighest);
    scan.largest.assign(slices, kLowest);
    std::int32_t* const smallest = scan.smallest.data();
    std::int32_t* const largest = scan.largest.data();
    for (bool more = true; more;) {
        std::size_t offset = begin[0];
        for (std::size_t d = 1; d < table.dims; ++d) {
            offset += (begin[d] + at[d]) * table.strides[d];
        }
        const std::int16_t* const row = table.entries.data() + offset;
        std::int32_t low = kHighest;
        std::int32_t high = kLowest;
        for (std::size_t i = 0; i < count[0]; ++i) {
            const std::int32_t entry = row[i];
            smallest[i] = std::min(smallest[i], entry);
            largest[i] = std::max(largest[i], entry);
            low = std::min(low, entry);
            high = std::max(high, entry);
        }
        more = false;
        for (std::size_t d = 1; d < table.dims; ++d) {
            smallest[slice[d] + at[d]] = std::min(smallest[slice[d] + at[d]], low);
            largest[slice[d] + at[d]] = std::max(largest[slice[d] + at[d]], high);
        }
        for (std::size_t d = 1; d < table.dims && !more; ++d) {
            more = ++at[d] < count[d];
            at[d] = more ? at[d] : 0;
        }
    }
    scan.range.smallest += *std::min_element(smallest, smallest + count[0]);
    scan.range.largest += *std::max_element(largest, largest + count[0]);
    for (std::size_t d = 0; d < table.dims; ++d) {
        if (count[d] > 1) {
            add_changes(table, d, begin[d], count[d], smallest + slice[d], largest + slice[d], scan);
        }
    }
}

void StageBounds::add_changes(const Table& table, std::size_t d, std::size_t begin, std::size_t count,
                              const std::int32_t* smallest, const std::int32_t* largest, Scan& scan) const {
    const std::int32_t low = *std::min_element(smallest, smallest + count);
    const std::int32_t high = *std::max_element(largest, largest + count);
    const std::size_t slot = table.slots[d];
    const std::size_t bins = std::size_t{scan.last[slot]} - scan.first[slot] + 1;
    const std::uint16_t* const positions = table.positions[d].data() + scan.first[slot];
    std::int32_t* const left = scan.changes.data() + scan.offsets[slot];
    std::int32_t* const right = left + 2 * bins;
    std::int32_t least = kHighest;
    std::int32_t most = kLowest;
    std::size_t next = 0;
    for (std::size_t b = 1; b < bins; ++b) {  // the left part holds the bins before b
        for (; next <= positions[b - 1] - begin; ++next) {
            least = std::min(least, smallest[next]);
            most = std::max(most, largest[next]);
        }
        left[b] += high - most;
        left[bins + b] += least - low;
    }
    least = kHighest;
    most = kLowest;
    next = count;
    for (std::size_t b = bins; b-- > 1;) {  // the right part those from b on
        while (next > positions[b] - begin) {
            --next;
            least = std::min(least, smallest[next]);
            most = std::max(most, largest[next]);
        }
        right[b] += high - most;
        right[bins + b] += least - low;
    }
}

SumRange StageBounds::tree_range(const Box& box) const {
    SumRange sum;
    if (terms_->trees.empty()) {
        return sum;
    }
    std::vector<std::uint8_t> first(slots_.size());
    std::vector<std::uint8_t> last(slots_.size());
    for (std::size_t s = 0; s < slots_.size(); ++s) {
        const auto [begin, end] = box[slots_[s].column];
        first[s] = slots_[s].first[begin];
        last[s] = slots_[s].last[end - 1U];
    }
    for (const Tree& tree : terms_->trees) {
        const SumRange range =
            leaf_range(*tree.tree, tree.heap, first.data() + tree.first_slot, last.data() + tree.first_slot);
        sum = {sum.smallest + range.smallest, sum.largest + range.largest};
    }
    return sum;
}

void StageBounds::choose(const Scan& scan, const Box& box, const BinGrid& grid, Division& best) const {
    const double to_reject = static_cast<double>(scan.range.largest) + 1.0;
    const double to_accept = static_cast<double>(accept_limit_) - static_cast<double>(scan.range.smallest);
    constexpr double kAcceptWeight = 0.5;
    constexpr double kEvenness = 1e-6;  // among divisions that prove the same
    for (std::size_t s = 0; s < slots_.size(); ++s) {
        const Slot& slot = slots_[s];
        const auto [begin, end] = box[slot.column];
        const std::size_t bins = std::size_t{scan.last[s]} - scan.first[s] + 1;
        const std::int32_t* const changes = scan.changes.data() + scan.offsets[s];
        const double whole = grid.mass(slot.column, {begin, end});
        const auto share = [](std::int32_t change, double missing) {
            const double part = static_cast<double>(change) / (missing > 1.0 ? missing : 1.0);
            return part < 1.0 ? part : 1.0;
        };
        for (const BinIndex bin : slot.divisions) {
            if (bin <= begin || bin >= end) {
                continue;
            }
            const double left = grid.mass(slot.column, {begin, bin}) / whole;
            const std::size_t in_left = std::size_t{slot.last[bin - 1U]} + 1 - scan.first[s];
            const std::size_t right_of = std::size_t{slot.first[bin]} - scan.first[s];
            double score = kEvenness * (left < 0.5 ? left : 1.0 - left);
            if (in_left < bins) {
                score += left * (share(changes[in_left], to_reject) +
                                 kAcceptWeight * share(changes[bins + in_left], to_accept));
            }
            if (right_of > 0) {
                score += (1.0 - left) * (share(changes[2 * bins + right_of], to_reject) +
                                         kAcceptWeight * share(changes[3 * bins + right_of], to_accept));
            }
            if (score > best.score) {
                best = {score, slot.column, bin};
            }
        }
    }
}

SumRange StageBounds::range_of_part(const Scan& scan, const Box& part, const Division& division,
                                    bool left) const {
    SumRange range{scan.range.smallest - scan.trees.smallest, scan.range.largest - scan.trees.largest};
    for (std::size_t s = 0; s < slots_.size(); ++s) {
        if (slots_[s].column != division.column) {
            continue;
        }
        const std::size_t bins = std::size_t{scan.last[s]} - scan.first[s] + 1;
        const std::size_t edge = left ? std::size_t{slots_[s].last[division.bin - 1U]} + 1 - scan.first[s]
                                      : std::size_t{slots_[s].first[division.bin]} - scan.first[s];
        if (edge > 0 && edge < bins) {
            const std::int32_t* const changes = scan.changes.data() + scan.offsets[s] + (left ? 0 : 2 * bins);
            range.largest -= changes[edge];
            range.smallest += changes[bins + edge];
        }
    }
    const SumRange trees = tree_range(part);
    return {range.smallest + trees.smallest, range.largest + trees.largest};
}

}  // namespace shac
