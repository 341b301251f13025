#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "model/decision.hpp"

using shac::accepts_margin;
using shac::decision_threshold;

namespace {

bool probability_exceeds_half(float margin) {
    return 1.0F / (std::exp(-margin) + 1.0F) > 0.5F;
}

}  // namespace

TEST_CASE("the decision threshold is the first margin whose probability exceeds a half") {
    const float threshold = decision_threshold();
    CHECK(threshold > 0.0F);
    CHECK(threshold < 2.0e-7F);
    CHECK(probability_exceeds_half(threshold));
    CHECK_FALSE(probability_exceeds_half(std::nextafter(threshold, 0.0F)));
}

TEST_CASE("margins are accepted from the threshold on, and NaN never") {
    const float threshold = decision_threshold();
    CHECK(accepts_margin(threshold, threshold));
    CHECK(accepts_margin(std::numeric_limits<float>::infinity(), threshold));
    CHECK_FALSE(accepts_margin(0.0F, threshold));
    CHECK_FALSE(accepts_margin(-1.0F, threshold));
    CHECK_FALSE(accepts_margin(std::numeric_limits<float>::quiet_NaN(), threshold));
}

TEST_CASE("a base score of one half is a margin of zero") {
    CHECK(shac::base_margin(0.5F) == 0.0F);
}
