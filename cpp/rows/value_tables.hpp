// A stage's lookup tables, for rows of values: which rows they prove to be rejected or accepted.
//
// Tables stand over bins of uniforms, drawn from the prior; a row that is given has values. Both are divided
// by the forest's thresholds: value bin i holds the values that reach the first i thresholds, ascending, and
// uniforms of bin b reach the thresholds up to the b-th edge. Bin i stands for a bin b iff they agree about
// every threshold. Where no b does (a value that the prior cannot give, or one between thresholds that share
// an edge), or where upper bits do not tell two edges apart that some tree divides at, the row is ambiguous,
// and nothing is said of it. So is NaN in a column that is never missing. Columns that no table asks are
// looked at, too: the prior may leave nothing of a column's splits, and a value may.
//
// Immutable; any number of threads may use it, each with its own scratch. Memory: 256 bytes for each column
// of each segment. Cost: a search for each column, and the stage's tables.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/kernels.hpp"
#include "model/forest.hpp"
#include "support/array_view.hpp"
#include "tables/stage.hpp"

namespace shac {

class ValueTables {
  public:
    struct Scratch {
        std::vector<float> values;                 // of a column, where rows are listed
        std::vector<std::uint8_t> bins;            // of values, by columns of the stage
        std::array<std::uint8_t, kChunk> unasked;  // bins that nothing reads
        QuantizedScratch quantized;
        std::array<std::uint64_t, kChunk / kLane> rejected;
        std::array<std::uint64_t, kChunk / kLane> accepted;
    };

    /// `stage` must outlive it.
    explicit ValueTables(const Stage& stage);

    /// Whether there are tables that can prove anything of values, for much less than the forest costs.
    bool decides() const { return decides_; }

    /// Sets the bits, in scratch.rejected and scratch.accepted, of what is proven of the listed rows
    /// (ascending, at most kChunk).
    void decide(const Kernels& kernels, const ColumnBlock& block, ArrayView<const std::uint32_t> rows,
                Scratch& scratch) const;

  private:
    struct BinMap {
        std::size_t column;                      // in columns_
        bool is_identity;                        // but for kMissingBin
        std::array<std::uint8_t, 256> bin_of;    // by value bin
        std::array<std::uint8_t, 256> is_known;  // 0 for those that are ambiguous
    };

    BinMap map_of(std::size_t place, ArrayView<const std::uint16_t> asked) const;

    const Stage& stage_;
    bool decides_;
    std::vector<std::uint32_t> columns_;     // that some tree asks, ascending
    std::vector<BinMap> unasked_;            // of the columns that no table asks
    std::vector<std::vector<BinMap>> maps_;  // by segment and slot
};

}  // namespace shac
