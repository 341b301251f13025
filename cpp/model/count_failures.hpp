// The cascade's rule, written once: rows meet the stages one after the other, and a row is dropped at its
// (relax + 1)-th failure.
//
// Exact filters call it with blocks of rows, the region with single rows, and each says for itself how a
// stage decides (by the forest's margins, or by what the tables prove). Since the stages are a conjunction,
// their order changes which stage drops a row, never whether it is dropped.
//
// Layout: `rows` lists row numbers; those left are moved to its front in their order. `failures` has a
// counter for each row number, which may begin above 0. Nothing is allocated, so any number of threads may
// run it on rows of their own. Cost: one call of `decide` a stage, and a comparison for each row that reaches
// it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "support/array_view.hpp"

namespace shac {

/// Returns how many of `rows` are left after `num_stages` stages.
///
/// `decide(stage, rows_left)` returns a function of k that says whether row rows_left[k] fails the stage; it
/// is asked once for each k, ascending. `on_drop(stage, row)` is told of each row that is dropped.
template <typename Decide, typename OnDrop>
std::size_t count_failures(std::size_t num_stages, std::size_t relax, ArrayView<std::uint32_t> rows,
                           std::uint32_t* failures, Decide decide, OnDrop on_drop) {
    std::size_t left = rows.size;
    for (std::size_t stage = 0; stage < num_stages && left > 0; ++stage) {
        const auto fails = decide(stage, ArrayView<const std::uint32_t>{rows.data, left});
        std::size_t kept = 0;
        for (std::size_t k = 0; k < left; ++k) {
            const std::uint32_t row = rows[k];
            if (fails(k) && ++failures[row] > relax) {
                on_drop(stage, row);
            } else {
                rows[kept++] = row;
            }
        }
        left = kept;
    }
    return left;
}

/// The second half of a test whose first half, `count_failures` with what is proven, has left rows open by
/// position of the stage: counts their failures. Nearly all rows that one stage leaves open another rejects,
/// so that few are asked about.
///
/// `rows` are ascending. `settle(position, asked)` says of each row asked, in `fails` by row, whether it
/// fails. Otherwise as `count_failures`.
template <typename Settle, typename OnDrop>
std::size_t count_open_failures(std::vector<std::vector<std::uint32_t>>& open, std::size_t relax,
                                ArrayView<std::uint32_t> rows, std::uint32_t* failures,
                                std::vector<std::uint8_t>& fails, Settle settle, OnDrop on_drop) {
    const auto decide = [&](std::size_t position, ArrayView<const std::uint32_t> left) {
        std::vector<std::uint32_t>& asked = open[position];
        const auto is_gone = [&](std::uint32_t row) {
            return !std::binary_search(left.begin(), left.end(), row);
        };
        asked.erase(std::remove_if(asked.begin(), asked.end(), is_gone), asked.end());
        for (const std::uint32_t row : left) {
            fails[row] = 0;
        }
        if (!asked.empty()) {
            settle(position, ArrayView<const std::uint32_t>{asked.data(), asked.size()});
        }
        return [&fails, left](std::size_t k) { return fails[left[k]] != 0; };
    };
    return count_failures(open.size(), relax, rows, failures, decide, on_drop);
}

}  // namespace shac
