// Bounds of a stage's integer sum over boxes of a region's bins, and what they become when a box is divided.
//
// A scan of a box visits every cell of every table within the box once. It gives the range of the sum, and
// for every division of a column at an edge of the stage the ranges of both parts: what a table's largest
// entry loses along one dimension is known from the largest entries of its slices.
//
// Immutable; any number of threads may scan, each into its own scan. The stage must outlive it. Cost: the
// cells of the tables within the box. Memory: 2 bytes for each entry of the stage's tables, which the bounds
// of one stage on several grids share, and a few bytes for each bin of the columns that it tests.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "region/bin_grid.hpp"
#include "region/box.hpp"
#include "tables/stage.hpp"

namespace shac {

struct SumRange {
    std::int32_t smallest = 0;
    std::int32_t largest = 0;
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

    /// The edges of the grid hold all of the stage's.
    StageBounds(const Stage& stage, const BinGrid& grid);

    /// The bounds of the same stage on another grid; its tables are shared.
    StageBounds(const StageBounds& known, const Stage& stage, const BinGrid& grid);

    void scan(const Box& box, Scan& scan) const;

    /// The range within one part of the box that was scanned.
    SumRange range_of_part(const Scan& scan, const Box& part, const Division& division, bool left) const;

    /// Replaces `best` by the division at an edge of the stage that brings the parts, weighed by their mass,
    /// nearest to being rejected or accepted. `grid` is the one it was made for, `box` the one that was
    /// scanned.
    void choose(const Scan& scan, const Box& box, const BinGrid& grid, Division& best) const;

    std::int32_t accept_limit() const { return accept_limit_; }

  private:
    /// What a bin of the region is to a column of one of the stage's segments.
    struct Slot {
        std::size_t column;
        std::vector<std::uint8_t> first;  // lowest local bin that a uniform of the bin may have
        std::vector<std::uint8_t> last;   // highest
        std::vector<BinIndex> divisions;  // bins of the region that begin at an edge of the stage
    };
    struct Table {
        std::size_t dims = 0;
        std::array<std::size_t, kMaxDims> slots{};
        std::array<std::size_t, kMaxDims> strides{};
        std::array<std::vector<std::uint16_t>, kMaxDims> positions;  // along the dimension, by local bin
        std::vector<std::int16_t> entries;
    };
    struct Tree {
        const TreeTable* tree;
        std::array<std::uint8_t, 64> heap;  // places of its nodes, by their positions
        std::size_t first_slot;             // of its segment
    };

    /// What the sum is made of; the same on every grid.
    struct Terms {
        std::vector<Table> tables;
        std::vector<Tree> trees;
    };

    static std::shared_ptr<const Terms> terms_of(const Stage& stage);
    static void add_tables(const QuantizedStage::Segment& segment, std::size_t first_slot,
                           std::vector<Table>& tables);
    StageBounds(std::shared_ptr<const Terms> terms, const Stage& stage, const BinGrid& grid);
    void add_slots(const Stage& stage, const QuantizedStage::Segment& segment, const BinGrid& grid);
    void scan_table(const Table& table, Scan& scan) const;
    void add_changes(const Table& table, std::size_t d, std::size_t begin, std::size_t count,
                     const std::int32_t* smallest, const std::int32_t* largest, Scan& scan) const;
    SumRange tree_range(const Box& box) const;

    std::int32_t bias_;
    std::int32_t accept_limit_;
    std::vector<Slot> slots_;  // of all segments
    std::shared_ptr<const Terms> terms_;
};

}  // namespace shac
