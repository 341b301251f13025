// Fuzzes what is compiled from forests: tables, rejection filter and region on mutated models.
//
// The input grows up to three sound stages over the same few columns, some of them conditional, with leaves
// and thresholds of any bits. The exact forests are the oracle: plain rejection with tables gives their
// candidates and their counts, given rows are dropped where they drop them, every sample of the region passes
// them, and the region's bounds hold the accepted share of the plain draws.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "../cpp/trees.hpp"
#include "model/decision.hpp"
#include "prior/random.hpp"
#include "reader.hpp"
#include "region/region.hpp"
#include "rows/cascade.hpp"
#include "rows/row_filter.hpp"
#include "sampling/plain_sampler.hpp"
#include "sampling/region_sampler.hpp"
#include "tables/stage.hpp"

namespace {

using shac::Condition;
using shac::Conditions;
using shac::Forest;
using shac::kUniformRange;
using shac::SampleRequest;
using shac::Samples;
using shac::Stage;
using shac::fuzz::Reader;
using shac::testing::Model;
using shac::testing::TreeNode;
using Stages = std::vector<std::shared_ptr<const Stage>>;

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

float finite(float value) {
    return std::isfinite(value) ? value : 0.0F;
}

float read_threshold(Reader& reader) {
    const std::uint8_t code = reader.byte();
    return code < 240 ? static_cast<float>(code % 48 + 1) / 49.0F : finite(reader.take<float>());
}

float read_leaf(Reader& reader) {
    const std::uint8_t code = reader.byte();
    return code < 240 ? (static_cast<float>(code) - 119.5F) / 128.0F : finite(reader.take<float>());
}

class TreeReader {
  public:
    TreeReader(Reader& reader, std::size_t width) : reader_(reader), width_(width) {}

    std::vector<TreeNode> grow() {
        nodes_.clear();
        grow_below(0);
        return nodes_;
    }

  private:
    std::int32_t grow_below(std::size_t depth) {
        const auto index = static_cast<std::int32_t>(nodes_.size());
        const std::uint8_t code = reader_.byte();
        if (depth == 9 || code % 3 == 0 || nodes_.size() > 200) {
            nodes_.push_back(shac::testing::leaf(read_leaf(reader_)));
            return index;
        }
        const auto feature = static_cast<std::int32_t>(code / 3 % width_);
        nodes_.push_back({0, 0, feature, read_threshold(reader_), code % 2 == 0});
        const std::int32_t left = grow_below(depth + 1);
        const std::int32_t right = grow_below(depth + 1);
        nodes_[static_cast<std::size_t>(index)].left = left;
        nodes_[static_cast<std::size_t>(index)].right = right;
        return index;
    }

    Reader& reader_;
    std::size_t width_;
    std::vector<TreeNode> nodes_;
};

/// The bins of a column whose values are its uniforms, as fractions of their range.
shac::Column column_of(const std::vector<float>& thresholds) {
    shac::Column column;
    column.representatives.push_back(
        thresholds.empty() ? 0.0F
                           : std::nextafter(thresholds.front(), -std::numeric_limits<float>::infinity()));
    for (const float threshold : thresholds) {
        const double edge = std::ceil(static_cast<double>(threshold) * static_cast<double>(kUniformRange));
        if (edge >= static_cast<double>(kUniformRange)) {
            break;
        }
        const auto uniform = static_cast<std::uint64_t>(std::max(edge, 0.0));
        if (uniform == (column.edges.empty() ? 0 : column.edges.back())) {
            column.representatives.back() = threshold;  // no uniform lies between: the larger stands for both
        } else {
            column.edges.push_back(uniform);
            column.representatives.push_back(threshold);
        }
    }
    return column;
}

/// Up to two conditions, each of a column on one before it, with up to three changes.
Conditions read_conditions(Reader& reader, std::size_t width) {
    std::vector<Condition> conditions;
    const std::size_t count = width < 2 ? 0 : reader.between(0, 2);
    for (std::size_t i = 0; i < count; ++i) {
        const auto column = static_cast<std::uint32_t>(reader.between(1, width - 1));
        const auto parent = static_cast<std::uint32_t>(reader.between(0, column - 1));
        Condition condition{column, parent, reader.byte() % 2 == 0, {}};
        std::vector<std::uint64_t>& changes = condition.changes;
        for (std::size_t change = reader.between(1, 3); change > 0; --change) {
            changes.push_back(1 + reader.take<std::uint64_t>() % (kUniformRange - 1));
        }
        std::sort(changes.begin(), changes.end());
        changes.erase(std::unique(changes.begin(), changes.end()), changes.end());
        conditions.push_back(std::move(condition));
    }
    std::sort(conditions.begin(), conditions.end(),
              [](const Condition& a, const Condition& b) { return a.column < b.column; });
    return {std::move(conditions), width};
}

std::shared_ptr<const Stage> read_stage(Reader& reader, std::size_t width, const Conditions& conditions) {
    Model model;
    TreeReader trees(reader, width);
    const std::size_t count = reader.between(1, 12);
    for (std::size_t tree = 0; tree < count; ++tree) {
        model.add(trees.grow());
    }
    const float base_score = static_cast<float>(reader.between(1, 99)) / 100.0F;
    auto forest = model.forest(width, base_score);
    std::vector<shac::Column> columns;
    for (std::size_t c = 0; c < width; ++c) {
        columns.push_back(column_of(forest->thresholds(c)));
        columns.back().is_conditional = conditions.is_conditional(c);
    }
    const std::size_t table_bytes = reader.byte() % 4 == 0 ? reader.between(0, 255) : shac::kMaxTableBytes;
    return std::make_shared<const Stage>(std::move(forest), shac::Space(std::move(columns)), table_bytes);
}

/// Stages that a row fails, asked of the forests alone.
std::size_t failures(const Stages& stages, const double* uniforms, std::size_t width) {
    std::size_t count = 0;
    for (const auto& stage : stages) {
        std::vector<float> row(width);
        for (std::size_t c = 0; c < width; ++c) {
            const auto uniform =
                std::isnan(uniforms[c])
                    ? shac::kMissing
                    : static_cast<std::uint64_t>(uniforms[c] * static_cast<double>(kUniformRange));
            row[c] = stage->bins.columns()[c].representative(uniform);
        }
        const float margin = shac::testing::margin(stage->forest->forest(), row);
        count += shac::accepts_margin(margin, shac::decision_threshold()) ? 0 : 1;
    }
    return count;
}

void check_equal(const Samples& found, const Samples& expected) {
    require(found.candidates == expected.candidates);
    require(found.num_drawn == expected.num_drawn);
    require(found.end == expected.end);
}

/// Columns are there where their conditions hold, and only there.
void check_conditions(const Conditions& conditions, const double* uniforms, std::size_t width) {
    for (std::size_t c = 0; c < width; ++c) {
        bool exists = true;
        for (const Condition& condition : conditions.all()) {
            if (condition.column == c) {
                const double parent = uniforms[condition.parent];
                exists =
                    exists && !std::isnan(parent) &&
                    condition.holds(static_cast<std::uint64_t>(parent * static_cast<double>(kUniformRange)));
            }
        }
        require(exists == !std::isnan(uniforms[c]));
    }
}

/// A region that is divided by mass, and then by the shares of the input.
std::shared_ptr<const shac::Region> read_region(Reader& reader, const Stages& stages, std::size_t width,
                                                std::size_t relax, const Conditions& conditions) {
    const auto divided = shac::Region(stages, width, relax, conditions).refined(reader.between(1, 60));
    if (reader.byte() % 2 != 0) {
        return std::make_shared<const shac::Region>(divided);
    }
    std::vector<double> share;
    for (std::size_t box = 0; box < divided.num_boxes(); ++box) {
        share.push_back(reader.byte() / 255.0);
    }
    return std::make_shared<const shac::Region>(divided.reordered({share.data(), share.size()})
                                                    .refined(divided.num_divided() + reader.between(1, 30)));
}

void check_region(const std::shared_ptr<const shac::Region>& region, const SampleRequest& request,
                  const Samples& plain) {
    const Stages& stages = region->stages();
    const std::size_t width = region->width();
    const auto [lower, upper] = region->volume();
    require(lower <= upper && lower >= 0.0 && upper <= 1.0);
    // 40 standard deviations: not a question of luck.
    const double share = static_cast<double>(plain.candidates.size()) / static_cast<double>(plain.num_drawn);
    const double slack = 20.0 / std::sqrt(static_cast<double>(plain.num_drawn));
    require(share >= lower - slack && share <= upper + slack);
    if (upper == 0.0) {
        require(plain.candidates.empty());
        return;
    }
    const shac::RegionSampler sampler(region);
    SampleRequest own = request;
    own.max_candidates = 200;
    const Samples drawn = sampler.draw(own, {1, {}});
    std::vector<double> uniforms(drawn.candidates.size() * width);
    sampler.write_uniforms(request.seed, {drawn.candidates.data(), drawn.candidates.size()},
                           {uniforms.data(), drawn.candidates.size(), width}, {});
    for (std::size_t i = 0; i < drawn.candidates.size(); ++i) {
        require(failures(stages, uniforms.data() + i * width, width) <= request.relax);
        check_conditions(region->conditions(), uniforms.data() + i * width, width);
    }
    if (region->num_undecided() == 0 && lower > 0.0) {
        require(drawn.candidates.size() == drawn.num_drawn || region->undecided_mass() > 0.0);
    }
}

/// Rows of values, on thresholds and beside them more often than not: tables first gives the forests'
/// answers.
void check_rows(Reader& reader, const Stages& stages, std::size_t width, std::size_t relax) {
    constexpr std::size_t kRows = 80;
    std::vector<std::shared_ptr<const shac::BinnedForest>> forests;
    std::vector<std::vector<float>> known(width, {-1.0F, 0.5F, std::numeric_limits<float>::quiet_NaN()});
    for (const auto& stage : stages) {
        forests.push_back(stage->forest);
        for (std::size_t f = 0; f < width; ++f) {
            const std::vector<float> thresholds = stage->forest->forest().thresholds(f);
            known[f].insert(known[f].end(), thresholds.begin(), thresholds.end());
        }
    }
    std::vector<float> x(kRows * width);
    for (std::size_t i = 0; i < x.size(); ++i) {
        const std::vector<float>& values = known[i % width];
        const std::uint8_t code = reader.empty() ? static_cast<std::uint8_t>(i * 37) : reader.byte();
        const float on = values[(code + i) % values.size()];
        const float far = code < 128 ? 1e30F : -1e30F;
        x[i] = code % 3 == 0 ? std::nextafter(on, far) : on;
    }
    const shac::RowsView rows = shac::RowsView::row_major(x.data(), kRows, width);
    std::vector<std::int32_t> expected(kRows);
    std::vector<std::int32_t> dropped_at(kRows);
    std::vector<std::uint8_t> accepted(kRows);
    compute_drops(shac::Cascade(forests, width), rows, relax, {expected.data(), kRows}, {1, {}});
    const shac::RowFilter filter(stages, width);
    filter.compute_drops(rows, relax, {dropped_at.data(), kRows}, {1, {}});
    filter.compute_accepted(rows, relax, {accepted.data(), kRows}, {1, {}});
    require(dropped_at == expected);
    for (std::size_t i = 0; i < kRows; ++i) {
        require((accepted[i] != 0) == (expected[i] == shac::kPassed));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Reader reader(data, size);
    const std::size_t width = reader.between(1, 12);
    SampleRequest request;
    request.seed = reader.byte();
    request.relax = reader.byte() % 8 == 0 ? 1 : 0;
    request.count = 300;
    request.max_candidates = 400;
    const Conditions conditions = read_conditions(reader, width);
    const std::size_t num_stages = reader.between(1, 3);
    Stages stages;
    for (std::size_t s = 0; s < num_stages; ++s) {
        stages.push_back(read_stage(reader, width, conditions));
    }
    const auto layout = request.seed % 2 == 0 ? shac::BlockLayout::shared(width) : shac::BlockLayout();
    const Samples exact = shac::PlainSampler(stages, width, false, conditions, layout).draw(request, {1, {}});
    const Samples tables = shac::PlainSampler(stages, width, true, conditions, layout).draw(request, {1, {}});
    check_equal(tables, exact);
    check_rows(reader, stages, width, request.relax);
    check_region(read_region(reader, stages, width, request.relax, conditions), request, exact);
    return 0;
}
