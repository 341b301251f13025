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

#include <cstddef>
#include <cstdint>

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

}  // namespace shac
