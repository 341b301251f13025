// Bounds of a stage's integer sum over boxes of a region's bins, and what they become when a box is divided.
//
// A scan of a box visits every cell of every table within the box once. It gives the range of the sum, and
// for every division of a column at an edge of the stage the ranges of both parts: what a table's largest
// entry loses along one dimension is known from the largest entries of its slices.
//
// Immutable; any number of threads may scan, each into its own scan. Cost: the cells of the tables within the
// box.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "tables/stage.hpp"

namespace shac {

/// A box of a region: for each column its first bin and the one behind its last.
using Corners = std::uint16_t;

struct SumRange {
    std::int32_t smallest = 0;
    std::int32_t largest = 0;
};

/// A division of a box: at the beginning of a bin of a column.
struct Division {
    double score = -1.0;
    std::size_t column = 0;
    std::uint16_t bin = 0;
};

class StageBounds {
  public:
    /// What one scan found; kept from scan to scan.
    struct Scan {
        SumRange range;
        SumRange trees;  // the part of it that comes from trees
        std::vector<std::int32_t>
            changes;  // by slot: left largest, left smallest, right largest, right smallest
        std::vector<std::size_t> offsets;  // of each slot's changes
        std::vector<std::uint8_t> first;   // local bins of the box, by slot
        std::vector<std::uint8_t> last;
        std::vector<std::int32_t> smallest;  // of a table's slices
        std::vector<std::int32_t> largest;
        std::uint64_t cells = 0;
    };

    /// `edges[c]` holds the edges of the region's bins of column c, among them all of the stage's.
    StageBounds(const Stage& stage, const std::vector<std::vector<std::uint64_t>>& edges);

    void scan(const Corners* corners, Scan& scan) const;

    /// The range within one part of the box that was scanned; `corners` are the part's.
    SumRange range_of_part(const Scan& scan, const Corners* corners, std::size_t column, std::uint16_t bin,
                           bool left) const;

    /// Replaces `best` by the division at an edge of the stage that brings the parts, weighed by their mass,
    /// nearest to being rejected or accepted. `mass(column, begin, end)` is the prior's.
    template <typename Mass>
    void choose(const Scan& scan, const Corners* corners, const Mass& mass, Division& best) const;

    std::int32_t accept_limit() const { return accept_limit_; }

  private:
    /// What a bin of the region is to a column of one of the stage's segments.
    struct Slot {
        std::size_t column;
        std::vector<std::uint8_t> first;       // lowest local bin that a uniform of the bin may have
        std::vector<std::uint8_t> last;        // highest
        std::vector<std::uint16_t> divisions;  // bins of the region that begin at an edge of the stage
    };
    struct Table {
        std::size_t dims = 0;
        std::array<std::size_t, kMaxDims> slots{};
        std::array<std::size_t, kMaxDims> strides{};
        std::array<std::vector<std::uint16_t>, kMaxDims> places;  // by local bin
        std::vector<std::int16_t> entries;
    };
    struct Tree {
        const TreeTable* tree;
        std::size_t first_slot;  // of its segment
    };

    void add_slots(const Stage& stage, const Tables::Segment& segment,
                   const std::vector<std::vector<std::uint64_t>>& edges);
    void add_tables(const Tables::Segment& segment, std::size_t first_slot);
    void scan_table(const Table& table, Scan& scan) const;
    void add_changes(const Table& table, std::size_t d, std::size_t begin, std::size_t count,
                     const std::int32_t* smallest, const std::int32_t* largest, Scan& scan) const;
    SumRange tree_range(const Corners* corners) const;

    std::int32_t first_sum_;
    std::int32_t accept_limit_;
    std::vector<Slot> slots_;  // of all segments
    std::vector<Table> tables_;
    std::vector<Tree> trees_;
};

template <typename Mass>
void StageBounds::choose(const Scan& scan, const Corners* corners, const Mass& mass, Division& best) const {
    const double to_reject = static_cast<double>(scan.range.largest) + 1.0;
    const double to_accept = static_cast<double>(accept_limit_) - static_cast<double>(scan.range.smallest);
    constexpr double kAcceptWeight = 0.5;
    constexpr double kEvenness = 1e-6;  // among divisions that prove the same
    for (std::size_t s = 0; s < slots_.size(); ++s) {
        const Slot& slot = slots_[s];
        const Corners begin = corners[2 * slot.column];
        const Corners end = corners[2 * slot.column + 1];
        const std::size_t bins = std::size_t{scan.last[s]} - scan.first[s] + 1;
        const std::int32_t* const changes = scan.changes.data() + scan.offsets[s];
        const double whole = mass(slot.column, begin, end);
        const auto share = [](std::int32_t change, double missing) {
            const double part = static_cast<double>(change) / (missing > 1.0 ? missing : 1.0);
            return part < 1.0 ? part : 1.0;
        };
        for (const std::uint16_t bin : slot.divisions) {
            if (bin <= begin || bin >= end) {
                continue;
            }
            const double left = mass(slot.column, begin, bin) / whole;
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

}  // namespace shac
