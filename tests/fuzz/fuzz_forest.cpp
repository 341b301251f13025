// Fuzzes the builder of forests and cascades: arrays with anything in the place of anything.
//
// Outcome: std::invalid_argument, or a forest whose margins are, to the last bit, those of a walk through the
// arrays as they were given, and so are those over bins, on every level of vector instructions. Everything
// else ends the process.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "kernels/kernels.hpp"
#include "model/decision.hpp"
#include "model/forest.hpp"
#include "reader.hpp"
#include "rows/cascade.hpp"
#include "tables/binned_forest.hpp"

namespace {

using shac::ArrayView;
using shac::Forest;
using shac::fuzz::Reader;

struct Arrays {
    std::vector<std::int64_t> tree_begin;
    std::vector<std::int32_t> left, right, feature;
    std::vector<float> value;
    std::vector<std::uint8_t> default_left;

    shac::ForestArrays view() const {
        return {{tree_begin.data(), tree_begin.size()}, {left.data(), left.size()},
                {right.data(), right.size()},           {feature.data(), feature.size()},
                {value.data(), value.size()},           {default_left.data(), default_left.size()}};
    }
};

/// Mostly a small number, from `lowest` on; sometimes any at all.
std::int32_t read_index(Reader& reader, std::int32_t lowest) {
    const std::uint8_t code = reader.byte();
    return code < 250 ? lowest + code : reader.take<std::int32_t>();
}

float read_value(Reader& reader) {
    const std::uint8_t code = reader.byte();
    return code < 200 ? static_cast<float>(code) / 64.0F - 1.5F : reader.take<float>();
}

Arrays read_arrays(Reader& reader) {
    Arrays arrays;
    const std::size_t trees = reader.between(0, 5);
    for (std::size_t tree = 0; tree <= trees; ++tree) {
        const std::uint8_t code = reader.byte();
        const std::int64_t before = arrays.tree_begin.empty() ? 0 : arrays.tree_begin.back();
        const bool follows = code < 240 && before < 4096;
        arrays.tree_begin.push_back(!follows                    ? reader.take<std::int64_t>()
                                    : arrays.tree_begin.empty() ? 0
                                                                : before + code % 24);
    }
    const std::int64_t last = arrays.tree_begin.back();
    const bool fits = last >= 0 && last <= 4096 && reader.byte() < 250;
    const std::size_t nodes = fits ? static_cast<std::size_t>(last) : reader.between(0, 40);
    for (std::size_t node = 0; node < nodes; ++node) {
        arrays.left.push_back(read_index(reader, -16));
        arrays.right.push_back(read_index(reader, -16));
        arrays.feature.push_back(read_index(reader, 0));
        arrays.value.push_back(read_value(reader));
        arrays.default_left.push_back(reader.byte());
    }
    switch (reader.byte()) {  // an array of another length
        case 251:
            arrays.left.push_back(-1);
            break;
        case 252:
            arrays.right.push_back(-1);
            break;
        case 253:
            arrays.feature.push_back(0);
            break;
        case 254:
            arrays.value.push_back(0.0F);
            break;
        case 255:
            arrays.default_left.push_back(0);
            break;
        default:
            break;
    }
    return arrays;
}

float walk(const Arrays& arrays, float base_score, const std::vector<float>& row) {
    float sum = shac::base_margin(base_score);
    for (std::size_t tree = 0; tree + 1 < arrays.tree_begin.size(); ++tree) {
        const auto begin = static_cast<std::size_t>(arrays.tree_begin[tree]);
        std::size_t node = begin;
        while (arrays.left[node] >= 0) {
            const float x = row[static_cast<std::size_t>(arrays.feature[node])];
            const bool left = std::isnan(x) ? arrays.default_left[node] != 0 : x < arrays.value[node];
            node = begin + static_cast<std::size_t>(left ? arrays.left[node] : arrays.right[node]);
        }
        sum += arrays.value[node];
    }
    return sum;
}

void require_same(float found, float expected) {
    if (std::memcmp(&found, &expected, sizeof found) != 0 && !(std::isnan(found) && std::isnan(expected))) {
        std::abort();
    }
}

void check_margins(const Arrays& arrays, float base_score, const shac::BinnedForest& binned, Reader& reader) {
    constexpr std::size_t kRows = 12;
    const std::size_t width = binned.forest().num_features();
    std::vector<float> columns(width * kRows);
    for (float& x : columns) {
        x = reader.empty() ? std::numeric_limits<float>::quiet_NaN() : read_value(reader);
    }
    std::vector<std::uint32_t> rows(kRows);
    std::iota(rows.begin(), rows.end(), 0U);
    const shac::ColumnBlock block{columns.data(), kRows, kRows};
    std::vector<float> margins(kRows);
    binned.forest().margins(block, {rows.data(), kRows}, margins.data());
    for (std::size_t i = 0; i < kRows; ++i) {
        std::vector<float> row(width);
        for (std::size_t f = 0; f < width; ++f) {
            row[f] = columns[f * kRows + i];
        }
        require_same(margins[i], walk(arrays, base_score, row));
    }
    shac::BinnedForest::Scratch scratch;
    for (const shac::Kernels* const level : shac::available_kernels()) {
        std::vector<float> found(kRows);
        binned.margins(*level, block, {rows.data(), kRows}, scratch, found.data());
        for (std::size_t i = 0; i < kRows; ++i) {
            require_same(found[i], margins[i]);
        }
    }
}

void build_cascade(const std::shared_ptr<const shac::BinnedForest>& forest, std::size_t width) {
    const shac::Cascade cascade({forest, forest}, width);
    const std::vector<float> x(3 * width, 0.25F);
    std::vector<std::int32_t> dropped_at(3);
    compute_drops(cascade, shac::RowsView::row_major(x.data(), 3, width), 1, {dropped_at.data(), 3}, {1, {}});
    for (const std::int32_t stage : dropped_at) {
        if (stage != dropped_at[0] || stage < shac::kPassed || stage > 1) {
            std::abort();
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Reader reader(data, size);
    const std::size_t width = reader.between(0, 8);
    const std::uint8_t score = reader.byte();
    const float base_score = score < 250 ? static_cast<float>(score + 1) / 256.0F : reader.take<float>();
    const Arrays arrays = read_arrays(reader);
    try {
        const auto forest = std::make_shared<const shac::BinnedForest>(
            std::make_shared<const Forest>(arrays.view(), base_score, width));
        check_margins(arrays, base_score, *forest, reader);
        build_cascade(forest, width + (reader.byte() == 255 ? 1 : 0));
    } catch (const std::invalid_argument&) {  // what a broken model shall be answered with
    }
    return 0;
}
