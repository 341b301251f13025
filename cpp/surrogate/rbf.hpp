// Cubic radial basis functions with a linear tail, and distances from many points.
//
// A point has numbers and codes (categories, as whole numbers; -1 for what is missing). The squared distance
// of two points is the sum of squared differences of the numbers, in their order, and half of the codes that
// differ. A prediction adds weight * distance^3 of all points in their order, then the tail's terms in
// theirs: every sum has one order, so the result is the same on every level of vector instructions, for any
// number of threads, and without any library for linear algebra.
//
// Immutable; any number of threads may use it. Cost: about a nanosecond for a point and a few numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/kernels.hpp"
#include "support/array_view.hpp"
#include "support/parallel.hpp"

namespace shac {

/// Points, each as its numbers and behind them its codes.
struct PointSet {
    std::size_t numbers = 0;
    std::size_t codes = 0;
    std::vector<double> values;  // points by (numbers + codes)

    std::size_t width() const { return numbers + codes; }
    std::size_t size() const { return width() == 0 ? 0 : values.size() / width(); }
};

class CubicRbf {
  public:
    /// `tail` has a constant and a weight for each number; `code_tails` what each code adds, from -1 on.
    /// Throws std::invalid_argument where sizes do not fit.
    CubicRbf(PointSet points, std::vector<double> weights, std::vector<double> tail,
             std::vector<std::vector<double>> code_tails);

    const PointSet& points() const { return points_; }

    /// Predicts for rows of numbers and codes, and writes their distances from the nearest point. A code must
    /// be one that `code_tails` has.
    void predict(MatrixView<const double> rows, double* predictions, double* distances) const;

  private:
    double tail_of(const double* row) const;

    PointSet points_;
    std::vector<double> weights_;
    std::vector<double> tail_;
    std::vector<std::vector<double>> code_tails_;
};

/// As CubicRbf::predict, on threads. False when `workers.stop` ended it first. Throws std::invalid_argument
/// for rows of another width.
bool predict_rows(const CubicRbf& model, MatrixView<const double> rows, ArrayView<double> predictions,
                  ArrayView<double> distances, const Workers& workers);

/// Writes the distance of each row from the nearest of `count` others; infinity where there are none.
void find_nearest(const PointSet& others, MatrixView<const double> rows, double* distances);

/// Writes the cubes of the distances of the points from `first` on from all points: of a symmetric matrix the
/// last rows.
void write_cubes(const PointSet& points, std::size_t first, MatrixView<double> cubes);

}  // namespace shac
