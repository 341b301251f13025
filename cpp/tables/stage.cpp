#include "tables/stage.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "model/decision.hpp"

namespace shac {

Space bins_of(const SpaceEncoding& encoding, const Forest& forest) {
    if (forest.num_features() != encoding.width()) {
        throw std::invalid_argument("encoding: expected " + std::to_string(forest.num_features()) +
                                    " columns, got " + std::to_string(encoding.width()));
    }
    std::vector<std::vector<float>> thresholds(encoding.width());
    for (const Forest::Node& node : forest.nodes()) {
        if (!node.is_leaf()) {
            thresholds[node.feature()].push_back(node.value);
        }
    }
    const std::vector<bool> is_conditional = encoding.conditional_columns();
    std::vector<Column> columns;
    for (std::size_t c = 0; c < encoding.width(); ++c) {
        std::sort(thresholds[c].begin(), thresholds[c].end());
        thresholds[c].erase(std::unique(thresholds[c].begin(), thresholds[c].end()), thresholds[c].end());
        columns.push_back(column_of(encoding.columns()[c], thresholds[c], is_conditional[c]));
    }
    return Space(std::move(columns));
}

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
