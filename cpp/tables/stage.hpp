// A stage compiled for a space: the exact forest, the bins of its own thresholds, and its tables.
//
// Immutable, and a function of its model and the space alone: cascades share their stages, and a longer
// cascade compiles only the stages that are new.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "model/forest.hpp"
#include "prior/space.hpp"
#include "tables/tables.hpp"

namespace shac {

constexpr std::size_t kMaxTableBytes = std::size_t{1}
                                       << 17;  // of one table: it shares the second-level cache

struct Stage {
    /// `bins` holds, for each column, the edges of the forest's thresholds.
    Stage(std::shared_ptr<const Forest> model, Space own_bins, std::size_t max_table_bytes = kMaxTableBytes)
        : forest(std::move(model)), bins(std::move(own_bins)), tables(*forest, bins, max_table_bytes) {}

    /// Whether the forest accepts the candidate with these uniforms, one for each column; the last word where
    /// tables leave it open. `values` is a buffer.
    bool accepts(const std::uint64_t* uniforms, std::vector<float>& values) const;

    std::shared_ptr<const Forest> forest;
    Space bins;
    Tables tables;
};

}  // namespace shac
