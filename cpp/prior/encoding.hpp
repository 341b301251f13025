// The encoding of a search space: uniforms to the float32 numbers that classifiers see, and back, whole
// arrays at a time.
//
// The same numbers as the parameters' own functions in Python give, to the bit, by the same float64
// operations in the same order. Only logarithms are left out where they cannot matter: log(exp(t)) is t but
// for a few roundings, so a log-uniform column is encoded as float32(t) unless a float32 boundary lies within
// those; the boundary asks the C library, whose functions may round otherwise than NumPy's.
//
// A conditional column is NaN where the encoded value of a parent is none of its values, or the parent is
// missing; it stands behind its parents in `order`.
//
// Immutable; any number of threads may use it. Cost: a few nanoseconds a number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "prior/space.hpp"
#include "support/array_view.hpp"
#include "support/parallel.hpp"

namespace shac {

enum class EncodingKind { kUniform, kLogUniform, kInteger, kDiscrete, kListed };

struct ColumnEncoding {
    EncodingKind kind;
    double low;          // smallest value; of a log-uniform column and a listed one, its logarithm
    double high;         // largest value, or its logarithm; of integers and choices, how many there are
    double least = 0.0;  // of log-uniform values
    double most = 0.0;   // and their largest
    std::vector<float> encoded = {};  // of a listed column: what each integer from `least` on is encoded as
    std::vector<double> mass = {};    // and the prior mass below each, then 1

    /// Throws std::invalid_argument where the numbers are none of such a column.
    void check() const;

    float encode(double uniform) const;
    double cdf(float encoded_value) const;

    /// The smallest integer uniform u, of kUniformRange, whose (u + 1/2) / kUniformRange is encoded as a
    /// number that reaches the threshold; kUniformRange where none does.
    std::uint64_t find_edge(float threshold) const;
};

/// When a column exists: where its parent's encoded value is one of these, ascending.
struct ParentValues {
    std::size_t column;
    std::size_t parent;
    std::vector<float> values;
};

/// The bins of a column that trees ask for thresholds, ascending.
Column column_of(const ColumnEncoding& encoding, const std::vector<float>& thresholds, bool is_conditional);

class SpaceEncoding {
  public:
    /// `parents` stand in an order in which every column comes after those of its parents. Throws
    /// std::invalid_argument when they do not, or a column is out of range.
    SpaceEncoding(std::vector<ColumnEncoding> columns, std::vector<ParentValues> parents);

    std::size_t width() const { return columns_.size(); }
    const std::vector<ColumnEncoding>& columns() const { return columns_; }
    bool has_conditions() const { return !parents_.empty(); }

    /// Which columns depend on others.
    std::vector<bool> conditional_columns() const;

    /// Encodes a row of uniforms; NaN stays NaN.
    void encode(const double* uniforms, float* encoded) const;

    /// Writes the uniforms below each encoded value, or NaN.
    void cdf(const float* encoded, double* below) const;

    /// Writes the middles of the uniforms of each encoded value, within (0, 1), or NaN.
    void uniforms_of(const float* encoded, double* uniforms) const;

  private:
    std::vector<ColumnEncoding> columns_;
    std::vector<ParentValues> parents_;
};

/// Uniforms stay this far away from 0 and 1.
constexpr double kUniformEdge = 1.0 / 1099511627776.0;

/// Each row of an array; false when `workers.stop` ended it.
bool encode_rows(const SpaceEncoding& encoding, MatrixView<const double> uniforms, MatrixView<float> encoded,
                 const Workers& workers);
bool cdf_of_rows(const SpaceEncoding& encoding, MatrixView<const float> encoded, MatrixView<double> below,
                 const Workers& workers);
bool uniforms_of_rows(const SpaceEncoding& encoding, MatrixView<const float> encoded,
                      MatrixView<double> uniforms, const Workers& workers);

}  // namespace shac
