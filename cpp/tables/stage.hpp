// A stage compiled for a space: the exact forest, the bins of its own thresholds, and its quantized form.
//
// The quantized form decides nearly all candidates, the forest those that it leaves undecided. Immutable, and
// a function of its model and the space alone: cascades share their stages, and a longer cascade compiles
// only the stages that are new. Any number of threads may read.
//
// Memory: the forest's 12 bytes a node, 12 bytes a threshold, and quantized.num_bytes().
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "model/forest.hpp"
#include "prior/encoding.hpp"
#include "prior/space.hpp"
#include "tables/binned_forest.hpp"
#include "tables/quantized_stage.hpp"
#include "tables/table_compiler.hpp"

namespace shac {

/// The bins of a forest's thresholds. Throws std::invalid_argument where it has another number of features.
Space bins_of(const SpaceEncoding& encoding, const Forest& forest);

struct Stage {
    /// `bins` holds, for each column, the edges of the forest's thresholds.
    Stage(std::shared_ptr<const BinnedForest> model, Space own_bins,
          std::size_t max_table_bytes = kMaxTableBytes)
        : forest(std::move(model)),
          bins(std::move(own_bins)),
          quantized(compile_tables(forest->forest(), bins, max_table_bytes)) {}
    Stage(std::shared_ptr<const Forest> model, Space own_bins, std::size_t max_table_bytes = kMaxTableBytes)
        : Stage(std::make_shared<const BinnedForest>(std::move(model)), std::move(own_bins),
                max_table_bytes) {}

    /// The bins are those of a space whose columns the core can encode.
    Stage(const std::shared_ptr<const BinnedForest>& model, const SpaceEncoding& encoding,
          std::size_t max_table_bytes = kMaxTableBytes)
        : Stage(model, bins_of(encoding, model->forest()), max_table_bytes) {}

    /// Whether the forest accepts the candidate with these uniforms, one for each column; the last word where
    /// tables leave it open. `values` is a buffer.
    bool accepts(const std::uint64_t* uniforms, std::vector<float>& values) const;

    std::shared_ptr<const BinnedForest> forest;
    Space bins;
    QuantizedStage quantized;
};

}  // namespace shac
