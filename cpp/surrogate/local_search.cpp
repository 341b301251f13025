#include "surrogate/local_search.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <utility>

namespace shac {
namespace {

constexpr double kSamePoint = 1e-9;
constexpr double kMissingNumber =
    0.5;  // the middle of a number, and half of the squared distance of two categories

class Search {
  public:
    Search(const PointCoordinates& coordinates, const Cascade& cascade, const CubicRbf& model,
           const PointSet& earlier, const LocalSearchRequest& request)
        : coordinates_(coordinates),
          cascade_(cascade),
          model_(model),
          earlier_(earlier),
          request_(request),
          width_(coordinates.width()),
          encoded_(request.start.begin(), request.start.end()),
          incumbent_(width_),
          step_(request.step.begin(), request.step.end()),
          lowest_(0.0) {
        coordinates_.encoding().uniforms_of(encoded_.data(), incumbent_.data());
        lowest_ = losses_of(encoded_)[0];
    }

    std::vector<double> run() {
        bool has_moved = false;
        for (std::size_t step = 0; step < request_.num_steps; ++step) {
            propose(request_.moves.data + step * request_.num_proposals * width_);
            if (move_to_best()) {
                has_moved = true;
                continue;
            }
            for (double& length : step_) {
                length *= 0.5;
            }
        }
        return has_moved ? incumbent_ : std::vector<double>();
    }

  private:
    std::vector<double> losses_of(const std::vector<float>& rows) const {
        const std::size_t count = rows.size() / width_;
        std::vector<double> points(rows.size());
        coordinates_.write({rows.data(), count, width_}, points.data());
        const MatrixView<const double> view{points.data(), count, width_};
        std::vector<double> losses(count);
        std::vector<double> distances(count);
        std::vector<double> from_earlier(count);
        model_.predict(view, losses.data(), distances.data());
        find_nearest(earlier_, view, from_earlier.data());
        for (std::size_t i = 0; i < count; ++i) {
            losses[i] = request_.merit.of(losses[i], std::min(distances[i], from_earlier[i]));
        }
        return losses;
    }

    void propose(const double* moves) {
        proposals_.resize(request_.num_proposals * width_);
        rows_.resize(proposals_.size());
        for (std::size_t i = 0; i < proposals_.size(); ++i) {
            const std::size_t c = i % width_;
            const double moved = incumbent_[c] + step_[c] * moves[i];
            proposals_[i] = std::min(std::max(moved, kUniformEdge), 1.0 - kUniformEdge);
        }
        for (std::size_t p = 0; p < request_.num_proposals; ++p) {
            coordinates_.encoding().encode(proposals_.data() + p * width_, rows_.data() + p * width_);
        }
    }

    /// Asks the proposals that are better than the incumbent, the best first, until one passes.
    bool move_to_best() {
        const std::vector<double> losses = losses_of(rows_);
        std::vector<std::size_t> better;
        for (std::size_t p = 0; p < request_.num_proposals; ++p) {
            const bool moved = !std::equal(encoded_.begin(), encoded_.end(), rows_.data() + p * width_);
            if (losses[p] < lowest_ && moved) {
                better.push_back(p);
            }
        }
        std::stable_sort(better.begin(), better.end(),
                         [&losses](std::size_t a, std::size_t b) { return losses[a] < losses[b]; });
        for (const std::size_t p : better) {
            std::int32_t dropped = 0;
            compute_drops(cascade_, RowsView::row_major(rows_.data() + p * width_, 1, width_), 0,
                          {&dropped, 1}, {1, nullptr});
            if (dropped == kPassed) {
                std::copy_n(proposals_.begin() + static_cast<std::ptrdiff_t>(p * width_), width_,
                            incumbent_.begin());
                std::copy_n(rows_.begin() + static_cast<std::ptrdiff_t>(p * width_), width_,
                            encoded_.begin());
                lowest_ = losses[p];
                return true;
            }
        }
        return false;
    }

    const PointCoordinates& coordinates_;
    const Cascade& cascade_;
    const CubicRbf& model_;
    const PointSet& earlier_;
    const LocalSearchRequest& request_;
    std::size_t width_;
    std::vector<float> encoded_;
    std::vector<double> incumbent_;
    std::vector<double> step_;
    double lowest_;
    std::vector<double> proposals_;
    std::vector<float> rows_;
};

}  // namespace

double Merit::of(double prediction, double distance) const {
    const double loss = (prediction - lowest) / prediction_range;
    const double merit = weight * loss - (1.0 - weight) * ((distance - nearest) / distance_range);
    return distance < kSamePoint ? merit + 2.0 : merit;  // what is evaluated already teaches nothing
}

PointCoordinates::PointCoordinates(std::shared_ptr<const SpaceEncoding> encoding,
                                   std::vector<std::vector<float>> categories)
    : encoding_(std::move(encoding)), categories_(std::move(categories)) {
    if (encoding_ == nullptr || categories_.size() != encoding_->width()) {
        throw std::invalid_argument("categories: expected those of each column of a space");
    }
    is_conditional_ = encoding_->conditional_columns();
    width_ = categories_.size();
    for (std::size_t c = 0; c < categories_.size(); ++c) {
        const std::vector<float>& known = categories_[c];
        if (!std::is_sorted(known.begin(), known.end())) {
            throw std::invalid_argument("categories: expected encoded values in order");
        }
        if (!known.empty()) {
            ++num_codes_;
        } else if (is_conditional_[c]) {
            ++width_;
        }
    }
}

void PointCoordinates::write(MatrixView<const float> encoded, double* coordinates) const {
    std::vector<double> below(num_columns());
    for (std::size_t i = 0; i < encoded.rows; ++i) {
        const float* const row = encoded.row(i);
        encoding_->cdf(row, below.data());
        double* number = coordinates + i * width_;
        double* code = number + (width_ - num_codes_);
        for (std::size_t c = 0; c < num_columns(); ++c) {
            const std::vector<float>& known = categories_[c];
            const bool is_missing = std::isnan(row[c]);
            if (!known.empty()) {
                const auto found = std::lower_bound(known.begin(), known.end(), row[c]);
                const bool is_known = found != known.end() && *found == row[c];
                const auto place = is_known ? found - known.begin() : known.end() - known.begin();
                *code++ = is_missing ? -1.0 : static_cast<double>(place);
                continue;
            }
            *number++ = is_missing ? kMissingNumber : below[c];
            if (is_conditional_[c]) {
                *number++ = is_missing ? kMissingNumber : 0.0;
            }
        }
    }
}

std::vector<double> search_locally(const PointCoordinates& coordinates, const Cascade& cascade,
                                   const CubicRbf& model, const PointSet& earlier,
                                   const LocalSearchRequest& request) {
    const std::size_t width = coordinates.num_columns();
    const PointSet& points = model.points();
    if (coordinates.encoding().has_conditions() || cascade.num_features() != width ||
        points.width() != width || points.codes != coordinates.num_codes() ||
        earlier.numbers != points.numbers || earlier.codes != points.codes || request.start.size != width ||
        request.step.size != width ||
        request.moves.size != request.num_steps * request.num_proposals * width) {
        throw std::invalid_argument("search_locally: expected a row, a step and moves of the model's space");
    }
    return Search(coordinates, cascade, model, earlier, request).run();
}

}  // namespace shac
