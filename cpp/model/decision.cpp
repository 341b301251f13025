#include "model/decision.hpp"

#include <cmath>
#include <stdexcept>
#include <string>

namespace shac {
namespace {

bool probability_exceeds_half(float margin) {
    return 1.0F / (std::exp(-margin) + 1.0F) > 0.5F;
}

float find_decision_threshold() {
    float rejected = 0.0F;  // exp(0) is exactly 1, so the probability is exactly 0.5
    float accepted = 1.0F;
    for (;;) {
        const float middle = rejected + (accepted - rejected) / 2.0F;
        if (middle <= rejected || middle >= accepted) {
            break;
        }
        (probability_exceeds_half(middle) ? accepted : rejected) = middle;
    }
    return accepted;
}

}  // namespace

float decision_threshold() noexcept {
    static const float threshold = find_decision_threshold();
    return threshold;
}

float base_margin(float base_score) {
    if (!(base_score > 0.0F && base_score < 1.0F)) {
        throw std::invalid_argument("base_score: expected a probability in (0, 1), got " +
                                    std::to_string(base_score));
    }
    return -std::log(1.0F / base_score - 1.0F);
}

}  // namespace shac
