// What the work of the core costs: all constants by which it chooses among ways that have the same result.
//
// Unit: a vector instruction of 64 bytes, for 64 rows where nothing else is said. Only ratios matter. They
// are the same on every machine, so that choices are functions of the stages alone: which trees share a
// table, in which order stages are tried (and so which of them drops a candidate), and how large blocks are.
// No choice changes what is accepted.
//
// `profile_kernels` (built with -DSHAC_BUILD_BENCHMARKS=ON) measures the kernels and prints beside each the
// cost that stands here. On a Xeon with AVX-512 a unit took 0.26 to 0.53 ns, and 0.19 ns for large tables
// that leave the first-level cache; the ratios of narrower vectors differ by more, and are not asked. What no
// command measures is called chosen. The seconds by which Python chooses a method stand in
// shac/sampling/costs.py.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

namespace shac::costs {

// Kernels: `profile_kernels`, the row named behind each.

/// Of drawing eight columns of one candidate: "draw eight columns".
constexpr double kDraw = 6.0;

/// Of moving one column of one candidate: "move half of a column together".
constexpr double kMove = 0.1;

/// Of finding the bins of a column whose edges are searched in so many levels: "bins of a column".
inline double edge_search(std::uint32_t levels) {
    return 8.0 * levels + (levels > 6 ? 16.0 : 6.0);
}

/// Vectors of 64 bytes that a lookup among so many bytes reads, and what joining them costs.
inline double lookup(std::size_t size) {
    return size <= 64 ? 1.0 : (size <= 128 ? 2.0 : 5.0);
}

/// Of a table of `size` entries over so many columns, the one with the most bins having `max_bins`: "small
/// table".
inline double small_table(std::size_t dims, std::size_t max_bins, std::size_t size) {
    const double indices = dims > 1 ? static_cast<double>(dims) * (lookup(max_bins) + 2.0) : 0.0;
    return 2.0 * lookup(size) + 6.0 + indices;
}

/// Of a table that no register holds: "large table", of sizes that leave the first-level cache, too.
inline double large_table(std::size_t dims, std::size_t size) {
    const double misses = size <= 8192 ? 1.0 : (size <= 32'768 ? 1.4 : 2.0);
    return 64.0 * 2.2 * misses + 12.0 * static_cast<double>(dims);
}

/// Of a tree by itself: "tree of".
inline double tree(std::size_t leaves, std::uint32_t depth) {
    return 2.8 * static_cast<double>(leaves) + std::ldexp(0.15, static_cast<int>(depth)) + 3.0 * depth + 10.0;
}

// Compiling

/// Groups of trees that are tried in pairs: the pairs grow with their square. Chosen.
constexpr std::size_t kMaxTableGroups = 400;

// The rejection filter

/// Candidates that choose the order of the stages. Chosen: a stage that passes one in a thousand passes 16.
constexpr std::size_t kPilotCandidates = 16'384;

/// Bytes that the columns of a block may take. Chosen: half of a second-level cache of 1 MB.
constexpr std::size_t kBlockBytes = std::size_t{1} << 19;
constexpr std::size_t kSmallestBlock = 2048;
constexpr std::size_t kLargestBlock = 16'384;

/// Trees that are added between two looks for rows that are proven. Chosen: a look ("find what is proven")
/// costs much less than so many trees.
constexpr std::size_t kTreesBetweenExits = 16;

/// Whether so few rows are left that moving them together pays. Chosen.
constexpr bool pays_to_compact(std::size_t kept, std::size_t rows) {
    return kept * 4 <= rows * 3;
}

// The exact forests

/// Nodes that a thread may have to look at between two looks at the stop request. Chosen: a few milliseconds
/// on trees over bins, a tenth of a second where all trees are walked.
constexpr std::size_t kVisitsPerBlock = 32'000'000;

/// Tables of a stage prove nothing of some rows, which then cost the forest, too: they are asked about given
/// rows where they cost less than this share of it. Chosen.
constexpr double kTablesPay = 0.7;

/// Rows that choose the order of the stages for others, and how many others there must be for each. Chosen:
/// a tenth of the work on the rest, at most.
constexpr std::size_t kPilotRows = 256;
constexpr std::size_t kRowsForPilotRow = 64;

/// Rows for which walking through a forest is no slower than deciding its trees for a lane of them. Chosen.
constexpr std::size_t kFewRows = 4;

/// Candidates of a block without tables, and the step of blocks with them. Chosen: a few milliseconds of tree
/// walking.
constexpr std::size_t kExactBlock = 256;

/// Blocks for each thread, at least, that a call is cut into where few candidates give all that is wanted.
/// Chosen: what passes the filter costs most, and is to be spread over the threads.
constexpr double kBlocksPerThread = 4.0;

// What passed

/// Rows whose uniforms are written, or encoded, between two looks at the stop request. Chosen: a tenth of a
/// millisecond, so that a few thousand rows are worth a second thread.
constexpr std::size_t kRowsBetweenStops = 2048;

// The region

/// Entries of tables that finding the range of a tree within a box counts for. Chosen.
constexpr std::uint64_t kCellsPerTree = 20;

/// Boxes divided between two looks at the stop request, and candidates in a block of draws from boxes.
/// Chosen: a tenth of a millisecond to some milliseconds each, by the seconds in shac/sampling/costs.py.
constexpr std::size_t kDivisionsBetweenStops = 64;
constexpr std::size_t kDrawsPerBlock = 1024;

}  // namespace shac::costs
