// The search space as the core sees it: columns of threshold bins under their prior.
//
// The encoded value of a column is a non-decreasing function of its uniform u (the prior's quantile function,
// then the encoding). Trees only ask whether a value is below a threshold, so all that matters is the
// smallest integer uniform whose value reaches each threshold: the edges. Bin b holds the uniforms with
// exactly b edges at or below them, and any one value of a bin, its representative, takes the same path
// through every tree as all the others. The core therefore needs no distribution at all, and a prior written
// in Python runs at full speed.
//
// Candidate j of a call is the vector of its uniforms, a function of (seed, j) alone (see prior/random.hpp).
//
// Immutable; any number of threads may read.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "prior/conditions.hpp"
#include "prior/random.hpp"
#include "support/array_view.hpp"
#include "support/parallel.hpp"

namespace shac {

struct Column {
    std::vector<std::uint64_t> edges;    // ascending, in (0, kUniformRange)
    std::vector<float> representatives;  // one for each bin: edges.size() + 1
    bool is_conditional = false;         // may be missing (see prior/conditions.hpp)

    /// A value of the bin that a uniform falls in; NaN for one that is missing.
    float representative(std::uint64_t uniform) const {
        if (uniform == kMissing) {
            return std::numeric_limits<float>::quiet_NaN();
        }
        const auto bin = std::upper_bound(edges.begin(), edges.end(), uniform) - edges.begin();
        return representatives[static_cast<std::size_t>(bin)];
    }
};

class Space {
  public:
    /// Throws std::invalid_argument when edges are not ascending within (0, kUniformRange), or the number of
    /// representatives is not the number of bins.
    explicit Space(std::vector<Column> columns);

    std::size_t width() const { return columns_.size(); }
    const std::vector<Column>& columns() const { return columns_; }

  private:
    std::vector<Column> columns_;
};

/// Writes the uniforms in (0, 1) of the listed candidates, candidates by columns; NaN for what is missing.
/// False when `workers.stop` ended it.
bool write_uniforms(std::uint64_t seed, const BlockLayout& layout, const Conditions& conditions,
                    ArrayView<const std::uint64_t> candidates, MatrixView<double> result,
                    const Workers& workers);

/// The real number in (0, 1) of a uniform; NaN for one that is missing.
double value_or_missing(std::uint64_t uniform);

}  // namespace shac
