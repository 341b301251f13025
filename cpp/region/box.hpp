// A box of a region: a range of threshold bins for each column of the space, and what is proven of it.
//
// Bins of a column count from 0 in the order of its uniforms (see region/bin_grid.hpp). A column holds fewer
// than 65,535 of them, so that an index takes 2 bytes and a box 4 bytes a column, without gaps.
//
// Plain values: copy them, share them between threads that only read.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace shac {

using BinIndex = std::uint16_t;

/// The bins [begin, end) of a column.
struct BinRange {
    BinIndex begin = 0;
    BinIndex end = 0;
};

/// One range for each column.
using Box = std::vector<BinRange>;

constexpr std::size_t kMostRegionStages = 128;
using StageSet = std::bitset<kMostRegionStages>;

struct BoxState {
    double mass = 0.0;           // of the prior
    StageSet undecided;          // none: the box is accepted
    std::uint32_t failures = 0;  // stages proven to reject all of it
    double rejected = 0.0;       // share of it that is taken to be rejected, to order by
};

/// A division of a box: at the beginning of a bin of a column.
struct Division {
    double score = -1.0;
    std::size_t column = 0;
    BinIndex bin = 0;
};

}  // namespace shac
