#include "tables/stage.hpp"

#include "model/decision.hpp"

namespace shac {

bool Stage::accepts(const std::uint64_t* uniforms, std::vector<float>& values) const {
    values.resize(bins.width());
    for (std::size_t c = 0; c < values.size(); ++c) {
        values[c] = bins.columns()[c].representative(uniforms[c]);
    }
    const std::uint32_t row = 0;
    float margin = 0.0F;
    forest->forest().margins({values.data(), 1, 1}, {&row, 1}, &margin);
    return accepts_margin(margin, decision_threshold());
}

}  // namespace shac
