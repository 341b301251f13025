// Local search within the region that a cascade accepts: short steps that lower the merit function.
//
// A step makes proposals around the incumbent, by moves that are given, and goes to the best of those that
// the cascade accepts, if it is better than the incumbent; else the next step is half as long
// (shac/engine/local_search.py has the method). The merit of a row weighs its predicted loss against its
// distance from the nearest point, those of the model and some `earlier` ones.
//
// A search is a function of what it is given: the same on every machine. Cost: a prediction for each
// proposal, and decisions for the few that are better than the incumbent.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "prior/encoding.hpp"
#include "rows/cascade.hpp"
#include "surrogate/rbf.hpp"

namespace shac {

/// Predicted loss weighed against distance, each on a scale of its own; smaller is better.
struct Merit {
    double weight;
    double lowest, prediction_range;
    double nearest, distance_range;

    double of(double prediction, double distance) const;
};

/// Where encoded rows lie among the points of a model: a column's prior probability below its value, or,
/// where it has categories, the place of its value among them, and behind them one for all others. A number
/// of a conditional column is followed by 0, or by 1/2 where it is missing; it is 1/2 then, and a code -1.
class PointCoordinates {
  public:
    /// `categories` has those of each column, ascending; none for a number. Throws std::invalid_argument
    /// where they do not fit.
    PointCoordinates(std::shared_ptr<const SpaceEncoding> encoding,
                     std::vector<std::vector<float>> categories);

    const SpaceEncoding& encoding() const { return *encoding_; }
    std::size_t num_columns() const { return encoding_->width(); }
    std::size_t num_codes() const { return num_codes_; }
    std::size_t width() const { return width_; }  // numbers and codes

    /// Writes the numbers of each row, then its codes.
    void write(MatrixView<const float> encoded, double* coordinates) const;

  private:
    std::shared_ptr<const SpaceEncoding> encoding_;
    std::vector<std::vector<float>> categories_;
    std::vector<bool> is_conditional_;
    std::size_t num_codes_ = 0;
    std::size_t width_ = 0;
};

struct LocalSearchRequest {
    ArrayView<const float> start;   // encoded; the cascade accepts it
    ArrayView<const double> step;   // of each column's uniform, at first
    ArrayView<const double> moves;  // steps by proposals by columns
    std::size_t num_steps;
    std::size_t num_proposals;
    Merit merit;
};

/// Searches from a row; returns the uniforms where it ends, or nothing where it found nothing better. Throws
/// std::invalid_argument where sizes do not fit.
std::vector<double> search_locally(const PointCoordinates& coordinates, const Cascade& cascade,
                                   const CubicRbf& model, const PointSet& earlier,
                                   const LocalSearchRequest& request);

}  // namespace shac
