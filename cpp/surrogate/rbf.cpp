#include "surrogate/rbf.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>
#include <utility>

namespace shac {
namespace {

constexpr std::uint64_t kRowsOfBlock = 256;

/// Calls use(first, count, sums, squares) for blocks of rows, each a lane.
template <typename Use>
void for_lanes(const PointSet& points, const double* weights, MatrixView<const double> rows, Use use) {
    const Kernels& kernels = chosen_kernels();
    std::vector<double> lanes(points.width() * kDistanceLanes);
    std::array<double, kDistanceLanes> sums{};
    std::array<double, kDistanceLanes> squares{};
    for (std::size_t first = 0; first < rows.rows; first += kDistanceLanes) {
        const std::size_t count = std::min(kDistanceLanes, rows.rows - first);
        for (std::size_t lane = 0; lane < kDistanceLanes; ++lane) {
            const double* const row = rows.row(first + std::min(lane, count - 1));
            for (std::size_t k = 0; k < points.width(); ++k) {
                lanes[k * kDistanceLanes + lane] = row[k];
            }
        }
        kernels.sum_cubes({points.values.data(), weights, points.size(), points.numbers, points.codes},
                          lanes.data(), sums.data(), squares.data());
        use(first, count, sums.data(), squares.data());
    }
}

}  // namespace

CubicRbf::CubicRbf(PointSet points, std::vector<double> weights, std::vector<double> tail,
                   std::vector<std::vector<double>> code_tails)
    : points_(std::move(points)),
      weights_(std::move(weights)),
      tail_(std::move(tail)),
      code_tails_(std::move(code_tails)) {
    if (weights_.size() != points_.size() || tail_.size() != points_.numbers + 1 ||
        code_tails_.size() != points_.codes) {
        throw std::invalid_argument("weights: expected one for each point, number and code");
    }
}

double CubicRbf::tail_of(const double* row) const {
    double sum = tail_[0];
    for (std::size_t k = 0; k < points_.numbers; ++k) {
        sum += tail_[k + 1] * row[k];
    }
    for (std::size_t c = 0; c < points_.codes; ++c) {
        sum += code_tails_[c][static_cast<std::size_t>(row[points_.numbers + c] + 1.0)];
    }
    return sum;
}

void CubicRbf::predict(MatrixView<const double> rows, double* predictions, double* distances) const {
    for_lanes(points_, weights_.data(), rows,
              [&](std::size_t first, std::size_t count, const double* sums, const double* squares) {
                  for (std::size_t lane = 0; lane < count; ++lane) {
                      predictions[first + lane] = sums[lane] + tail_of(rows.row(first + lane));
                      distances[first + lane] = std::sqrt(squares[lane]);
                  }
              });
}

bool predict_rows(const CubicRbf& model, MatrixView<const double> rows, ArrayView<double> predictions,
                  ArrayView<double> distances, const Workers& workers) {
    if (rows.width != model.points().width()) {
        throw std::invalid_argument("rows: expected the numbers and codes of the points");
    }
    const std::uint64_t blocks = (rows.rows + kRowsOfBlock - 1) / kRowsOfBlock;
    return run_blocks(blocks, workers, [&](std::uint64_t block, std::size_t) {
        const auto first = static_cast<std::size_t>(block * kRowsOfBlock);
        const std::size_t count = std::min(static_cast<std::size_t>(kRowsOfBlock), rows.rows - first);
        model.predict({rows.row(first), count, rows.width}, predictions.data + first, distances.data + first);
        return true;
    });
}

void find_nearest(const PointSet& others, MatrixView<const double> rows, double* distances) {
    const std::vector<double> weights(others.size(), 0.0);
    for_lanes(others, weights.data(), rows,
              [&](std::size_t first, std::size_t count, const double*, const double* squares) {
                  for (std::size_t lane = 0; lane < count; ++lane) {
                      distances[first + lane] = std::sqrt(squares[lane]);
                  }
              });
}

void write_cubes(const PointSet& points, std::size_t first, MatrixView<double> cubes) {
    const std::size_t count = points.size();
    std::vector<double> columns(points.values.size());  // each over all points
    for (std::size_t i = 0; i < count; ++i) {
        for (std::size_t k = 0; k < points.width(); ++k) {
            columns[k * count + i] = points.values[i * points.width() + k];
        }
    }
    std::vector<double> differing(count);
    for (std::size_t i = first; i < count; ++i) {
        const double* const point = points.values.data() + i * points.width();
        double* const row = cubes.row(i - first);
        std::fill(row, row + i, 0.0);
        std::fill(differing.begin(), differing.end(), 0.0);
        for (std::size_t k = 0; k < points.numbers; ++k) {
            const double* const column = columns.data() + k * count;
            for (std::size_t j = 0; j < i; ++j) {
                row[j] += (column[j] - point[k]) * (column[j] - point[k]);
            }
        }
        for (std::size_t k = points.numbers; k < points.width(); ++k) {
            const double* const column = columns.data() + k * count;
            for (std::size_t j = 0; j < i; ++j) {
                differing[j] += column[j] != point[k] ? 0.5 : 0.0;
            }
        }
        for (std::size_t j = 0; j < i; ++j) {
            const double square = row[j] + differing[j];
            row[j] = square * std::sqrt(square);
        }
        for (std::size_t j = first; j < i; ++j) {
            cubes.row(j - first)[i] = row[j];
        }
        row[i] = 0.0;
    }
}

}  // namespace shac
