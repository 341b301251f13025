// From a forest to a quantized stage: the one function that compiles tables.
//
// Trees are cut into segments whose columns have few enough edges, grouped by their columns while that pays
// (see tables/table_groups.hpp), summed up in float64 over the bins, scaled, and rounded up to 16 bits.
// Forests of more than 8,000 trees compile to a stage that proves nothing: their roundings would leave no
// room in 16 bits.
//
// What the limit has to allow for: XGBoost adds n leaves to the base margin in float32, each addition
// rounding by at most u = 2^-24 of its result. By the standard bound (Higham, Accuracy and Stability of
// Numerical Algorithms, section 4.2) the float32 margin differs from the real sum by at most g * S, with
// g = n u / (1 - n u) and S = |base| + the sum over trees of the largest absolute leaf.
//
// A function of its arguments alone, which any number of threads may call. Cost: milliseconds for 200 trees;
// it grows with the entries of the tables and with the square of the groups, up to 400 of them.
#pragma once

#include <cstddef>

#include "model/forest.hpp"
#include "prior/space.hpp"
#include "tables/quantized_stage.hpp"

namespace shac {

constexpr std::size_t kMaxTableBytes = std::size_t{1}
                                       << 17;  // of one table: it shares the second-level cache

/// Compiles a forest over its columns' bins, each with the forest's thresholds of the column as
/// representatives (see prior/space.hpp). Throws std::invalid_argument when the widths differ.
QuantizedStage compile_tables(const Forest& forest, const Space& bins, std::size_t max_table_bytes);

}  // namespace shac
