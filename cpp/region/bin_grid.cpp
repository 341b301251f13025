#include "region/bin_grid.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>

namespace shac {

BinGrid::BinGrid(const std::vector<std::shared_ptr<const Stage>>& stages, std::size_t width,
                 const Conditions& conditions)
    : edges_(width) {
    for (std::size_t c = 0; c < width; ++c) {
        std::vector<std::uint64_t>& merged = edges_[c];
        for (const auto& stage : stages) {
            const auto& own = stage->bins.columns()[c].edges;
            merged.insert(merged.end(), own.begin(), own.end());
        }
        for (const Condition& condition : conditions.all()) {
            if (condition.parent == c) {
                merged.insert(merged.end(), condition.changes.begin(), condition.changes.end());
            }
        }
        std::sort(merged.begin(), merged.end());
        merged.erase(std::unique(merged.begin(), merged.end()), merged.end());
        if (merged.size() + 1 >= std::numeric_limits<BinIndex>::max()) {
            throw std::invalid_argument("stages: expected fewer than 65,535 thresholds a column, got " +
                                        std::to_string(merged.size()));
        }
        const std::size_t bins = merged.size() + (conditions.is_conditional(c) ? 2 : 1);
        whole_.push_back({0, static_cast<BinIndex>(bins)});
    }
}

double BinGrid::mass(const Box& box) const {
    double product = 1.0;
    for (std::size_t c = 0; c < box.size(); ++c) {
        product *= mass(c, box[c]);
    }
    return product;
}

BinIndex BinGrid::refined(const BinGrid& coarser, std::size_t column, BinIndex bin) const {
    const auto& theirs = coarser.edges_[column];
    const auto& own = edges_[column];
    if (bin == 0) {
        return 0;
    }
    if (bin > theirs.size()) {  // the end of the uniforms, and what is missing
        return static_cast<BinIndex>(bin - theirs.size() + own.size());
    }
    return static_cast<BinIndex>(std::lower_bound(own.begin(), own.end(), theirs[bin - 1U]) - own.begin() +
                                 1);
}

Box BinGrid::refined(const BinGrid& coarser, Box box) const {
    for (std::size_t c = 0; c < box.size(); ++c) {
        box[c] = {refined(coarser, c, box[c].begin), refined(coarser, c, box[c].end)};
    }
    return box;
}

}  // namespace shac
