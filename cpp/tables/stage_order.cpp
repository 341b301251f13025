#include "tables/stage_order.hpp"

#include <algorithm>
#include <numeric>

#include "support/bits.hpp"

namespace shac {
namespace {

using Bits = std::vector<std::uint64_t>;

constexpr std::size_t kBitsOfWord = 64;

Bits first_bits(std::size_t count) {
    Bits bits(count / kBitsOfWord, ~std::uint64_t{0});
    if (count % kBitsOfWord != 0) {
        bits.push_back((std::uint64_t{1} << (count % kBitsOfWord)) - 1);
    }
    return bits;
}

std::size_t count_common(const Bits& some, const Bits& others) {
    return std::inner_product(some.begin(), some.end(), others.begin(), std::size_t{0}, std::plus<>(),
                              [](std::uint64_t a, std::uint64_t b) { return count_bits(a & b); });
}

}  // namespace

StageOrder order_stages(const std::vector<Bits>& rejected, const std::vector<double>& costs,
                        std::size_t num_rows) {
    StageOrder order;
    order.stages.resize(rejected.size());
    std::iota(order.stages.begin(), order.stages.end(), std::size_t{0});
    Bits alive = first_bits(num_rows);
    for (auto next = order.stages.begin(); next != order.stages.end(); ++next) {
        auto best = next;
        double best_rate = -1.0;
        for (auto stage = next; stage != order.stages.end(); ++stage) {
            const auto rejects = static_cast<double>(count_common(alive, rejected[*stage]));
            const double rate = rejects / (costs[*stage] + 1.0);
            if (rate > best_rate) {
                best_rate = rate;
                best = stage;
            }
        }
        std::rotate(next, best, best + 1);
        order.reached.push_back(count_common(alive, alive));
        for (std::size_t word = 0; word < alive.size(); ++word) {
            alive[word] &= ~rejected[*next][word];
        }
    }
    order.num_left = count_common(alive, alive);
    return order;
}

}  // namespace shac
