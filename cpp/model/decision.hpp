// The decision rule of XGBoost's binary:logistic objective, in float32 as XGBoost computes it.
//
// XGBClassifier.predict says 1 iff the float32 value of 1 / (1 + exp(-margin)) exceeds 0.5. That value grows
// with the margin, so the rule is one comparison with the smallest margin whose probability exceeds 0.5
// (about 8.9e-8, not 0: below it exp(-margin) + 1 rounds to 2). Both functions call the same C library as
// XGBoost does, so that thresholds and base margins agree to the last bit.
#pragma once

namespace shac {

/// What is known of a row at a stage.
enum class Decision { kRejected, kAccepted, kUndecided };

/// Smallest float32 margin that XGBClassifier.predict answers with 1.
float decision_threshold() noexcept;

/// True iff XGBClassifier.predict answers 1 for this margin; false for NaN, as there.
inline bool accepts_margin(float margin, float threshold) noexcept {
    return margin >= threshold;
}

/// Margin of a base score given as a probability in (0, 1), rounded as XGBoost rounds it.
/// Throws std::invalid_argument outside (0, 1).
float base_margin(float base_score);

}  // namespace shac
