#include "rows/row_filter.hpp"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>

#include "model/count_failures.hpp"
#include "model/decision.hpp"
#include "rows/cascade.hpp"
#include "rows/row_block.hpp"
#include "support/bits.hpp"
#include "support/costs.hpp"

namespace shac {

/// Buffers of one thread, kept from block to block.
struct RowFilter::Scratch {
    RowBlock block;
    std::vector<std::uint32_t> rows;
    std::vector<std::uint32_t> failures;
    std::vector<std::uint8_t> fails;  // by position among the rows that are left
    std::vector<std::uint32_t> undecided;
    std::vector<std::uint32_t> places;  // of the undecided, among the rows that are left
    std::vector<float> margins;
    ValueTables::Scratch tables;
    BinnedForest::Scratch binned;
};

RowFilter::RowFilter(std::vector<std::shared_ptr<const Stage>> stages, std::size_t width)
    : stages_(std::move(stages)), width_(width) {
    for (std::size_t s = 0; s < stages_.size(); ++s) {
        if (stages_[s] == nullptr || stages_[s]->bins.width() != width_) {
            throw std::invalid_argument("stages: expected " + std::to_string(width_) + " columns, got " +
                                        (stages_[s] ? std::to_string(stages_[s]->bins.width()) : "none") +
                                        " at stage " + std::to_string(s));
        }
        tables_.emplace_back(*stages_[s]);
    }
}

void RowFilter::find_failures(std::size_t stage, const ColumnBlock& block,
                              ArrayView<const std::uint32_t> rows, Scratch& scratch) const {
    auto& [own_block, own_rows, failures, fails, undecided, places, margins, tables, binned] = scratch;
    fails.assign(rows.size, 0);
    undecided.clear();
    places.clear();
    const Kernels& kernels = chosen_kernels();
    if (tables_[stage].decides()) {
        tables_[stage].decide(kernels, block, rows, tables);
        for (std::size_t begin = 0; begin < rows.size; begin += kLane) {
            const std::uint64_t rejected = tables.rejected[begin / kLane];
            const std::size_t size = std::min(kLane, rows.size - begin);
            for (std::size_t i = 0; i < size; ++i) {
                fails[begin + i] = static_cast<std::uint8_t>(rejected >> i & 1U);
            }
            std::uint64_t open = ~(rejected | tables.accepted[begin / kLane]);
            if (size < kLane) {
                open &= (std::uint64_t{1} << size) - 1;
            }
            for (; open != 0; open &= open - 1) {
                const std::size_t place = begin + lowest_bit(open);
                places.push_back(static_cast<std::uint32_t>(place));
                undecided.push_back(rows[place]);
            }
        }
    } else {
        undecided.assign(rows.begin(), rows.end());
        places.resize(rows.size);
        std::iota(places.begin(), places.end(), 0U);
    }
    margins.resize(undecided.size());
    stages_[stage]->forest->margins(kernels, block, {undecided.data(), undecided.size()}, binned,
                                    margins.data());
    const float threshold = decision_threshold();
    for (std::size_t k = 0; k < undecided.size(); ++k) {
        fails[places[k]] = accepts_margin(margins[k], threshold) ? 0 : 1;
    }
}

std::size_t RowFilter::block_size() const {
    std::size_t longest_walk = 1;
    for (const auto& stage : stages_) {
        longest_walk += stage->forest->forest().longest_walk();
    }
    return std::clamp(costs::kVisitsPerBlock / longest_walk / kLane * kLane, kLane, kChunk);
}

template <typename OnDrop>
bool RowFilter::filter(const RowsView& x, std::size_t relax, const std::vector<std::size_t>& order,
                       const Workers& workers, OnDrop on_drop) const {
    std::vector<Scratch> scratch(workers.threads);
    return for_row_blocks(
        x.rows, block_size(), workers, [&](std::size_t begin, std::size_t size, std::size_t thread) {
            Scratch& own = scratch[thread];
            const ColumnBlock block = own.block.load(x, begin, size);
            own.rows.resize(size);
            std::iota(own.rows.begin(), own.rows.end(), 0U);
            own.failures.assign(size, 0);
            const auto decide = [&](std::size_t position, ArrayView<const std::uint32_t> left) {
                find_failures(order[position], block, left, own);
                return [&own](std::size_t k) { return own.fails[k] != 0; };
            };
            count_failures(
                order.size(), relax, {own.rows.data(), size}, own.failures.data(), decide,
                [&](std::size_t position, std::uint32_t row) { on_drop(begin + row, order[position]); });
        });
}

bool RowFilter::compute_drops(const RowsView& x, std::size_t relax, ArrayView<std::int32_t> dropped_at,
                              const Workers& workers) const {
    check_width(x, width_);
    std::vector<std::size_t> order(num_stages());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::fill(dropped_at.begin(), dropped_at.end(), kPassed);
    return filter(x, relax, order, workers, [&](std::size_t row, std::size_t stage) {
        dropped_at[row] = static_cast<std::int32_t>(stage);
    });
}

bool RowFilter::compute_accepted(const RowsView& x, std::size_t relax, ArrayView<std::uint8_t> accepted,
                                 const Workers& workers) const {
    check_width(x, width_);
    std::fill(accepted.begin(), accepted.end(), std::uint8_t{1});
    return filter(x, relax, order_for(x), workers, [&](std::size_t row, std::size_t) { accepted[row] = 0; });
}

/// Asks all stages about the first rows; then, again and again, takes the stage that rejects most of what is
/// left for its cost.
std::vector<std::size_t> RowFilter::order_for(const RowsView& x) const {
    std::vector<std::size_t> order(num_stages());
    std::iota(order.begin(), order.end(), std::size_t{0});
    if (x.rows < costs::kPilotRows * costs::kRowsForPilotRow) {
        return order;
    }
    Scratch scratch;
    const ColumnBlock block = scratch.block.load(x, 0, costs::kPilotRows);
    std::vector<std::uint32_t> rows(costs::kPilotRows);
    std::iota(rows.begin(), rows.end(), 0U);
    std::vector<std::vector<std::uint8_t>> fails;
    for (std::size_t s = 0; s < num_stages(); ++s) {
        find_failures(s, block, {rows.data(), rows.size()}, scratch);
        fails.push_back(scratch.fails);
    }
    for (auto next = order.begin(); next != order.end(); ++next) {
        const auto worth = [&](std::size_t stage) {
            const auto rejected = std::count_if(rows.begin(), rows.end(),
                                                [&](std::uint32_t row) { return fails[stage][row] != 0; });
            const double cost =
                tables_[stage].decides() ? stages_[stage]->quantized.cost() : stages_[stage]->forest->cost();
            return static_cast<double>(rejected) / (cost + 1.0);
        };
        std::vector<double> worths(num_stages());
        for (auto stage = next; stage != order.end(); ++stage) {
            worths[*stage] = worth(*stage);
        }
        // The first of the best, and the others in their order.
        const auto best = std::max_element(
            next, order.end(), [&](std::size_t a, std::size_t b) { return worths[a] < worths[b]; });
        std::rotate(next, best, best + 1);
        rows.erase(std::remove_if(rows.begin(), rows.end(),
                                  [&](std::uint32_t row) { return fails[*next][row] != 0; }),
                   rows.end());
    }
    return order;
}

}  // namespace shac
