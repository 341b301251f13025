#include "rows/row_filter.hpp"

#include <algorithm>
#include <array>
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
#include "tables/stage_order.hpp"

namespace shac {

/// Buffers of one thread, kept from block to block.
struct RowFilter::Scratch {
    using Bits = std::array<std::uint64_t, kChunk / kLane>;

    RowBlock block;
    std::vector<std::uint32_t> rows;
    std::vector<std::uint32_t> failures;
    Bits fails;                                    // bits, by position among the rows that are left
    std::vector<std::uint8_t> fails_by_row;        // what forests say of what tables left open
    std::vector<std::uint32_t> undecided;          // rows that the tables say nothing of
    std::vector<std::uint32_t> places;             // of the undecided, among the rows that are left
    std::vector<std::vector<std::uint32_t>> open;  // by position of the stage: rows left undecided there
    std::vector<float> margins;
    ValueTables::Scratch tables;
    BinnedForest::Scratch binned;

    bool fails_at(std::size_t place) const { return (fails[place / kLane] >> (place % kLane) & 1U) != 0; }
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
    auto& [own_block, own_rows, failures, fails, fails_by_row, undecided, places, open, margins, tables,
           binned] = scratch;
    undecided.clear();
    places.clear();
    if (tables_[stage].decides()) {
        tables_[stage].decide(chosen_kernels(), block, rows, tables);
        for (std::size_t begin = 0; begin < rows.size; begin += kLane) {
            const std::size_t word = begin / kLane;
            fails[word] = tables.rejected[word];
            std::uint64_t left = ~(tables.rejected[word] | tables.accepted[word]);
            if (rows.size - begin < kLane) {
                left &= (std::uint64_t{1} << (rows.size - begin)) - 1;
            }
            for (; left != 0; left &= left - 1) {
                const std::size_t place = begin + lowest_bit(left);
                places.push_back(static_cast<std::uint32_t>(place));
                undecided.push_back(rows[place]);
            }
        }
    } else {
        fails.fill(0);
        undecided.assign(rows.begin(), rows.end());
        places.resize(rows.size);
        std::iota(places.begin(), places.end(), 0U);
    }
}

void RowFilter::settle_undecided(std::size_t stage, const ColumnBlock& block, Scratch& scratch) const {
    compute_margins_of(stage, block, {scratch.undecided.data(), scratch.undecided.size()}, scratch);
    const float threshold = decision_threshold();
    for (std::size_t k = 0; k < scratch.undecided.size(); ++k) {
        const std::uint32_t place = scratch.places[k];
        if (!accepts_margin(scratch.margins[k], threshold)) {
            scratch.fails[place / kLane] |= std::uint64_t{1} << (place % kLane);
        }
    }
}

void RowFilter::compute_margins_of(std::size_t stage, const ColumnBlock& block,
                                   ArrayView<const std::uint32_t> rows, Scratch& scratch) const {
    scratch.margins.resize(rows.size);
    stages_[stage]->forest->margins(chosen_kernels(), block, rows, scratch.binned, scratch.margins.data());
}

std::size_t RowFilter::block_size() const {
    std::size_t longest_walk = 1;
    for (const auto& stage : stages_) {
        longest_walk += stage->forest->forest().longest_walk();
    }
    return std::clamp(costs::kVisitsPerBlock / longest_walk / kLane * kLane, kLane, kChunk);
}

template <typename Test>
bool RowFilter::for_blocks(const RowsView& x, const Workers& workers, Test test) const {
    std::vector<Scratch> scratch(workers.threads);
    return for_row_blocks(x.rows, block_size(), workers,
                          [&](std::size_t begin, std::size_t size, std::size_t thread) {
                              Scratch& own = scratch[thread];
                              own.rows.resize(size);
                              std::iota(own.rows.begin(), own.rows.end(), 0U);
                              own.failures.assign(size, 0);
                              test(begin, own.block.load(x, begin, size), own);
                          });
}

bool RowFilter::compute_drops(const RowsView& x, std::size_t relax, ArrayView<std::int32_t> dropped_at,
                              const Workers& workers) const {
    check_width(x, width_);
    std::fill(dropped_at.begin(), dropped_at.end(), kPassed);
    return for_blocks(x, workers, [&](std::size_t begin, const ColumnBlock& block, Scratch& own) {
        const auto decide = [&](std::size_t stage, ArrayView<const std::uint32_t> left) {
            find_failures(stage, block, left, own);
            settle_undecided(stage, block, own);
            return [&own](std::size_t k) { return own.fails_at(k); };
        };
        count_failures(num_stages(), relax, {own.rows.data(), own.rows.size()}, own.failures.data(), decide,
                       [&](std::size_t stage, std::uint32_t row) {
                           dropped_at[begin + row] = static_cast<std::int32_t>(stage);
                       });
    });
}

bool RowFilter::compute_accepted(const RowsView& x, std::size_t relax, ArrayView<std::uint8_t> accepted,
                                 const Workers& workers) const {
    check_width(x, width_);
    std::fill(accepted.begin(), accepted.end(), std::uint8_t{1});
    const std::vector<std::size_t> order = order_for(x);
    return for_blocks(x, workers, [&](std::size_t begin, const ColumnBlock& block, Scratch& own) {
        const auto on_drop = [&](std::size_t, std::uint32_t row) { accepted[begin + row] = 0; };
        own.open.resize(order.size());
        // What one stage's tables leave undecided another's reject, nearly always; so proven failures alone
        // are counted first.
        const auto decide = [&](std::size_t position, ArrayView<const std::uint32_t> left) {
            const std::size_t stage = order[position];
            find_failures(stage, block, left, own);
            own.open[position].clear();
            if (tables_[stage].decides()) {
                own.open[position].swap(own.undecided);
            } else {
                settle_undecided(stage, block, own);
            }
            return [&own](std::size_t k) { return own.fails_at(k); };
        };
        const std::size_t left = count_failures(order.size(), relax, {own.rows.data(), own.rows.size()},
                                                own.failures.data(), decide, on_drop);
        own.rows.resize(left);
        settle_open(order, relax, block, own, on_drop);
    });
}

/// Asks the forests what the tables left open about the rows that are left.
template <typename OnDrop>
void RowFilter::settle_open(const std::vector<std::size_t>& order, std::size_t relax,
                            const ColumnBlock& block, Scratch& own, OnDrop on_drop) const {
    own.fails_by_row.resize(block.size);
    const auto settle = [&](std::size_t position, ArrayView<const std::uint32_t> rows) {
        compute_margins_of(order[position], block, rows, own);
        for (std::size_t k = 0; k < rows.size; ++k) {
            own.fails_by_row[rows[k]] = accepts_margin(own.margins[k], decision_threshold()) ? 0 : 1;
        }
    };
    count_open_failures(own.open, relax, {own.rows.data(), own.rows.size()}, own.failures.data(),
                        own.fails_by_row, settle, on_drop);
}

/// Asks all stages about the first rows, where the others are many.
std::vector<std::size_t> RowFilter::order_for(const RowsView& x) const {
    if (x.rows < costs::kPilotRows * costs::kRowsForPilotRow) {
        std::vector<std::size_t> order(num_stages());
        std::iota(order.begin(), order.end(), std::size_t{0});
        return order;
    }
    Scratch scratch{};
    const ColumnBlock block = scratch.block.load(x, 0, costs::kPilotRows);
    std::vector<std::uint32_t> rows(costs::kPilotRows);
    std::iota(rows.begin(), rows.end(), 0U);
    std::vector<std::vector<std::uint64_t>> rejected;
    std::vector<double> stage_costs;
    for (std::size_t s = 0; s < num_stages(); ++s) {
        find_failures(s, block, {rows.data(), rows.size()}, scratch);
        settle_undecided(s, block, scratch);
        rejected.emplace_back(scratch.fails.begin(), scratch.fails.begin() + costs::kPilotRows / kLane);
        stage_costs.push_back(tables_[s].decides() ? stages_[s]->quantized.cost()
                                                   : stages_[s]->forest->cost());
    }
    return order_stages(rejected, stage_costs, costs::kPilotRows).stages;
}

}  // namespace shac
