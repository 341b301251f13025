#include "rows/value_tables.hpp"

#include <algorithm>

#include "prior/conditions.hpp"
#include "prior/random.hpp"
#include "support/costs.hpp"

namespace shac {
namespace {

/// Writes the bins of a segment's column, and marks the rows without one.
void map_bins(const std::uint8_t* from, std::size_t rows, const std::uint8_t* bin_of,
              const std::uint8_t* is_known, std::uint8_t* to, std::uint64_t* ambiguous) {
    for (std::size_t begin = 0; begin < rows; begin += kLane) {
        std::uint64_t unknown = 0;
        for (std::size_t i = 0; i < kLane; ++i) {
            const std::uint8_t bin = from[begin + i];
            to[begin + i] = bin_of[bin];
            unknown |= std::uint64_t{is_known[bin] == 0 ? 1U : 0U} << i;
        }
        ambiguous[begin / kLane] |= unknown;
    }
}

bool has_missing(const std::uint8_t* bins, std::size_t rows) {
    std::uint8_t largest = 0;
    for (std::size_t i = 0; i < rows; ++i) {
        largest = std::max(largest, bins[i]);
    }
    return largest == kMissingBin;
}

}  // namespace

ValueTables::ValueTables(const Stage& stage)
    : stage_(stage),
      decides_(stage.forest->shares_bins() && !stage.quantized.segments().empty() &&
               stage.quantized.cost() < costs::kTablesPay * stage.forest->cost()) {
    if (!decides_) {
        return;
    }
    for (std::uint32_t f = 0; f < stage.bins.width(); ++f) {
        if (stage.forest->thresholds(f) != nullptr) {
            columns_.push_back(f);
        }
    }
    std::vector<bool> is_asked(columns_.size());
    for (const auto& segment : stage.quantized.segments()) {
        auto& maps = maps_.emplace_back();
        for (const auto& column : segment.columns) {
            const auto place = static_cast<std::size_t>(
                std::lower_bound(columns_.begin(), columns_.end(), column.column) - columns_.begin());
            maps.push_back(map_of(place, {column.edges.sorted.data(), column.num_edges}));
            is_asked[place] = true;
        }
    }
    for (std::size_t place = 0; place < columns_.size(); ++place) {
        if (!is_asked[place]) {
            unasked_.push_back(map_of(place, {}));
        }
    }
}

ValueTables::BinMap ValueTables::map_of(std::size_t place, ArrayView<const std::uint16_t> asked) const {
    BinMap map{place, true, {}, {}};
    const Column& prior = stage_.bins.columns()[columns_[place]];
    const std::vector<float>& thresholds = stage_.forest->thresholds(columns_[place])->sorted;
    // Edges that reach a threshold: 0 of none, all bins reach it; one past the last, none does.
    const auto edge_of = [&](std::size_t threshold) {
        return static_cast<std::size_t>(std::lower_bound(prior.representatives.begin(),
                                                         prior.representatives.end(), thresholds[threshold]) -
                                        prior.representatives.begin());
    };
    const auto coarse = [&](std::size_t edge) {
        return static_cast<std::uint16_t>(prior.edges[edge - 1] >> kFineBits);
    };
    for (std::size_t i = 0; i <= thresholds.size(); ++i) {
        const std::size_t bin = i == 0 ? 0 : edge_of(i - 1);
        const std::size_t next = i == thresholds.size() ? prior.representatives.size() : edge_of(i);
        bool is_known = bin < next;
        if (is_known && bin > 0) {
            const std::uint16_t begin = coarse(bin);
            const bool is_hidden = bin < prior.edges.size() && coarse(bin + 1) == begin;
            is_known = !(is_hidden && std::binary_search(asked.begin(), asked.end(), begin)) &&
                       !(prior.is_conditional && begin >= kCoarseUnknown);
            map.bin_of[i] = static_cast<std::uint8_t>(std::upper_bound(asked.begin(), asked.end(), begin) -
                                                      asked.begin());
        }
        map.is_known[i] = is_known ? 1 : 0;
        map.is_identity = map.is_identity && is_known && map.bin_of[i] == i;
    }
    map.bin_of[kMissingBin] = static_cast<std::uint8_t>(prior.is_conditional ? asked.size : 0);
    map.is_known[kMissingBin] = prior.is_conditional ? 1 : 0;
    return map;
}

void ValueTables::decide(const Kernels& kernels, const ColumnBlock& block,
                         ArrayView<const std::uint32_t> rows, Scratch& scratch) const {
    const std::size_t padded = whole_lanes(rows.size);
    scratch.values.resize(kChunk);
    scratch.bins.resize(std::max(scratch.bins.size(), columns_.size() * kChunk));
    for (std::size_t c = 0; c < columns_.size(); ++c) {
        find_listed_bins(kernels, *stage_.forest->thresholds(columns_[c]), block, columns_[c], rows,
                         scratch.values, scratch.bins.data() + c * kChunk);
    }
    const auto find_bins = [&](std::size_t segment, std::uint8_t* bins, std::uint64_t* ambiguous) {
        for (std::size_t i = 0; segment == 0 && i < unasked_.size(); ++i) {
            const BinMap& map = unasked_[i];
            map_bins(scratch.bins.data() + map.column * kChunk, padded, map.bin_of.data(),
                     map.is_known.data(), scratch.unasked.data(), ambiguous);
        }
        for (std::size_t slot = 0; slot < maps_[segment].size(); ++slot) {
            const BinMap& map = maps_[segment][slot];
            const std::uint8_t* const from = scratch.bins.data() + map.column * kChunk;
            if (map.is_identity && !has_missing(from, padded)) {
                std::copy_n(from, padded, bins + slot * kChunk);
            } else {
                map_bins(from, padded, map.bin_of.data(), map.is_known.data(), bins + slot * kChunk,
                         ambiguous);
            }
        }
    };
    stage_.quantized.decide(kernels, rows.size, find_bins, scratch.quantized, scratch.rejected.data(),
                            scratch.accepted.data());
}

}  // namespace shac
