#include "sampling/alias_table.hpp"

#include <cmath>
#include <numeric>

namespace shac {
namespace {

std::uint64_t as_word(double probability) {
    const double word = std::ldexp(probability, 64);
    return word >= std::ldexp(1.0, 64) ? ~std::uint64_t{0} : static_cast<std::uint64_t>(word);
}

}  // namespace

AliasTable::AliasTable(std::vector<double> weights) : alias_(weights.size()), keep_(weights.size()) {
    const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
    std::vector<std::uint32_t> poor;
    std::vector<std::uint32_t> rich;
    for (std::uint32_t i = 0; i < weights.size(); ++i) {
        weights[i] *= static_cast<double>(weights.size()) / total;
        (weights[i] < 1.0 ? poor : rich).push_back(i);
        alias_[i] = i;
    }
    while (!poor.empty() && !rich.empty()) {
        const std::uint32_t small = poor.back();
        const std::uint32_t large = rich.back();
        poor.pop_back();
        keep_[small] = as_word(weights[small]);
        alias_[small] = large;
        weights[large] -= 1.0 - weights[small];
        if (weights[large] < 1.0) {
            rich.pop_back();
            poor.push_back(large);
        }
    }
    for (const auto& left : {poor, rich}) {  // 1 but for rounding: their alias is themselves
        for (const std::uint32_t i : left) {
            keep_[i] = ~std::uint64_t{0};
        }
    }
}

}  // namespace shac
