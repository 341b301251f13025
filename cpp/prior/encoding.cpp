#include "prior/encoding.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <utility>

#include "prior/random.hpp"
#include "support/costs.hpp"

namespace shac {
namespace {

constexpr double kLargestFloat = static_cast<double>(std::numeric_limits<float>::max());
constexpr float kMissingValue = std::numeric_limits<float>::quiet_NaN();

double clip(double value, double low, double high) {
    return std::min(std::max(value, low), high);
}

float to_float(double value) {
    return static_cast<float>(clip(value, -kLargestFloat, kLargestFloat));
}

/// Half-way between a threshold and the float32 before it: what is below rounds to less than the threshold.
double rounding_boundary(float threshold) {
    const float below = std::nextafter(threshold, -std::numeric_limits<float>::infinity());
    return (static_cast<double>(threshold) + static_cast<double>(below)) / 2.0;
}

double last_integer_below(float threshold) {
    const double last = std::floor(rounding_boundary(threshold));
    // Half-way between two float32 numbers rounds to the even one, which may be the threshold.
    return static_cast<float>(last) >= threshold ? last - 1.0 : last;
}

float encode_logarithm(double logarithm, double least, double most) {
    // exp and log are each wrong by less than two units in the last place
    const double doubt = 1e-15 * (1.0 + std::abs(logarithm));
    const auto encoded = static_cast<float>(logarithm);
    if (static_cast<float>(logarithm - doubt) == static_cast<float>(logarithm + doubt)) {
        return encoded;
    }
    return to_float(std::log(clip(std::exp(logarithm), least, most)));
}

template <typename Write>
bool for_each_row(std::size_t rows, const Workers& workers, Write write) {
    return for_row_blocks(rows, costs::kRowsBetweenStops, workers,
                          [&](std::size_t begin, std::size_t size, std::size_t /*thread*/) {
                              for (std::size_t i = begin; i < begin + size; ++i) {
                                  write(i);
                              }
                          });
}

}  // namespace

void ColumnEncoding::check() const {
    const bool is_counted = kind == EncodingKind::kInteger || kind == EncodingKind::kDiscrete;
    if (!std::isfinite(low) || !std::isfinite(high) || (is_counted ? high < 1.0 : high <= low)) {
        throw std::invalid_argument("columns: expected finite bounds, the lower one first");
    }
    if (kind == EncodingKind::kListed && (encoded.empty() || mass.size() != encoded.size() + 1 ||
                                          !std::is_sorted(encoded.begin(), encoded.end()))) {
        throw std::invalid_argument(
            "columns: expected encoded values in order, with a mass more than values");
    }
}

float ColumnEncoding::encode(double uniform) const {
    switch (kind) {
        case EncodingKind::kUniform:
            return to_float(clip(low + uniform * (high - low), low, high));
        case EncodingKind::kLogUniform:
            return encode_logarithm(low + uniform * (high - low), least, most);
        case EncodingKind::kInteger:
            return to_float(low + std::min(std::trunc(uniform * high), high - 1.0));
        case EncodingKind::kDiscrete:
            return to_float(std::min(std::trunc(uniform * high), high - 1.0));
        case EncodingKind::kListed:
            break;
    }
    const double value = clip(std::floor(std::exp(low + uniform * (high - low)) + 0.5), least, most);
    return encoded[static_cast<std::size_t>(value - least)];
}

double ColumnEncoding::cdf(float encoded_value) const {
    switch (kind) {
        case EncodingKind::kUniform:
        case EncodingKind::kLogUniform:
            return clip((rounding_boundary(encoded_value) - low) / (high - low), 0.0, 1.0);
        case EncodingKind::kInteger:
            return clip((last_integer_below(encoded_value) - low + 1.0) / high, 0.0, 1.0);
        case EncodingKind::kDiscrete:
            return clip(std::ceil(static_cast<double>(encoded_value)) / high, 0.0, 1.0);
        case EncodingKind::kListed:
            break;
    }
    const auto place = std::lower_bound(encoded.begin(), encoded.end(), encoded_value) - encoded.begin();
    return mass[static_cast<std::size_t>(place)];
}

std::uint64_t ColumnEncoding::find_edge(float threshold) const {
    // In steps from where the distribution function puts it: its rounding, and that of float32.
    constexpr std::int64_t kDistances[] = {0, -1, 1, -4, 4, -(std::int64_t{1} << 30), std::int64_t{1} << 30};
    constexpr auto kRange = static_cast<std::int64_t>(kUniformRange);
    std::int64_t first = 0;
    std::int64_t last = kRange;
    const auto ask = [&](std::int64_t uniform) {
        const std::int64_t asked = std::min(std::max(uniform, first), std::max(last - 1, first));
        const double middle = (static_cast<double>(asked) + 0.5) / static_cast<double>(kRange);
        if (encode(middle) >= threshold) {
            last = asked;
        } else {
            first = asked + 1;
        }
    };
    const auto guess = static_cast<std::int64_t>(cdf(threshold) * static_cast<double>(kRange));
    for (const std::int64_t distance : kDistances) {
        if (first < last) {
            ask(guess + distance);
        }
    }
    while (first < last) {
        ask((first + last) / 2);
    }
    return static_cast<std::uint64_t>(first);
}

Column column_of(const ColumnEncoding& encoding, const std::vector<float>& thresholds, bool is_conditional) {
    if (thresholds.empty()) {
        return {{}, {0.0F}, is_conditional};
    }
    Column column{
        {}, {std::nextafter(thresholds[0], -std::numeric_limits<float>::infinity())}, is_conditional};
    std::uint64_t last = 0;
    for (const float threshold : thresholds) {
        // A quantile function that falls by a rounding error cannot make edges fall
        last = std::max(last, encoding.find_edge(threshold));
        if (last == kUniformRange) {
            break;
        }
        if (last == 0) {  // all uniforms reach it
            column.representatives[0] = threshold;
        } else if (!column.edges.empty() && column.edges.back() == last) {
            column.representatives.back() = threshold;  // they split nothing: the largest stands for them
        } else {
            column.edges.push_back(last);
            column.representatives.push_back(threshold);
        }
    }
    return column;
}

SpaceEncoding::SpaceEncoding(std::vector<ColumnEncoding> columns, std::vector<ParentValues> parents)
    : columns_(std::move(columns)), parents_(std::move(parents)) {
    for (const ColumnEncoding& column : columns_) {
        column.check();
    }
    std::vector<bool> is_settled(width(), true);
    for (const ParentValues& one : parents_) {
        if (one.column >= width() || one.parent >= width() || one.column == one.parent) {
            throw std::invalid_argument("parents: expected two columns of the space");
        }
        if (!std::is_sorted(one.values.begin(), one.values.end())) {
            throw std::invalid_argument("parents: expected values in order");
        }
        is_settled[one.column] = false;
    }
    for (auto one = parents_.begin(); one != parents_.end(); ++one) {
        const bool is_last = std::none_of(one + 1, parents_.end(), [one](const ParentValues& other) {
            return other.column == one->column;
        });
        if (!is_settled[one->parent]) {
            throw std::invalid_argument("parents: expected each column behind its parents");
        }
        is_settled[one->column] = is_last;
    }
}

std::vector<bool> SpaceEncoding::conditional_columns() const {
    std::vector<bool> result(width(), false);
    for (const ParentValues& one : parents_) {
        result[one.column] = true;
    }
    return result;
}

void SpaceEncoding::encode(const double* uniforms, float* encoded) const {
    for (std::size_t c = 0; c < columns_.size(); ++c) {
        encoded[c] = std::isnan(uniforms[c]) ? kMissingValue : columns_[c].encode(uniforms[c]);
    }
    for (const ParentValues& one : parents_) {
        const float value = encoded[one.parent];
        if (std::isnan(value) || !std::binary_search(one.values.begin(), one.values.end(), value)) {
            encoded[one.column] = kMissingValue;
        }
    }
}

void SpaceEncoding::cdf(const float* encoded, double* below) const {
    for (std::size_t c = 0; c < columns_.size(); ++c) {
        below[c] = std::isnan(encoded[c]) ? static_cast<double>(kMissingValue) : columns_[c].cdf(encoded[c]);
    }
}

void SpaceEncoding::uniforms_of(const float* encoded, double* uniforms) const {
    for (std::size_t c = 0; c < columns_.size(); ++c) {
        if (std::isnan(encoded[c])) {
            uniforms[c] = static_cast<double>(kMissingValue);
            continue;
        }
        const float next = std::nextafter(encoded[c], std::numeric_limits<float>::infinity());
        const double middle = 0.5 * (columns_[c].cdf(encoded[c]) + columns_[c].cdf(next));
        uniforms[c] = clip(middle, kUniformEdge, 1.0 - kUniformEdge);
    }
}

bool encode_rows(const SpaceEncoding& encoding, MatrixView<const double> uniforms, MatrixView<float> encoded,
                 const Workers& workers) {
    return for_each_row(uniforms.rows, workers,
                        [&](std::size_t i) { encoding.encode(uniforms.row(i), encoded.row(i)); });
}

bool cdf_of_rows(const SpaceEncoding& encoding, MatrixView<const float> encoded, MatrixView<double> below,
                 const Workers& workers) {
    return for_each_row(encoded.rows, workers,
                        [&](std::size_t i) { encoding.cdf(encoded.row(i), below.row(i)); });
}

bool uniforms_of_rows(const SpaceEncoding& encoding, MatrixView<const float> encoded,
                      MatrixView<double> uniforms, const Workers& workers) {
    return for_each_row(encoded.rows, workers,
                        [&](std::size_t i) { encoding.uniforms_of(encoded.row(i), uniforms.row(i)); });
}

}  // namespace shac
