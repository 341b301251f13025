#include "region/condition_boxes.hpp"

#include <algorithm>

namespace shac {

bool ConditionBoxes::is_open(const Box& box, std::size_t column) const {
    return !grid_.is_missing(column, box[column]) && box[column].end > grid_.missing_bin(column);
}

ConditionBoxes::Presence ConditionBoxes::presence(const Box& box, std::size_t column) const {
    Presence presence = Presence::kPresent;
    for (const Condition& condition : conditions_.all()) {
        if (condition.column != column) {
            continue;
        }
        const std::size_t parent = condition.parent;
        if (grid_.is_missing(parent, box[parent])) {
            return Presence::kAbsent;
        }
        const auto [begin, end] = grid_.uniforms(parent, box[parent]);
        const auto next = std::upper_bound(condition.changes.begin(), condition.changes.end(), begin);
        const bool is_whole = next == condition.changes.end() || *next >= end;
        if (is_whole && !condition.holds(begin)) {
            return Presence::kAbsent;
        }
        if (!is_whole || is_open(box, parent)) {
            presence = Presence::kOpen;
        }
    }
    return presence;
}

bool ConditionBoxes::settle(Box& box) const {
    const bool any = std::any_of(conditions_.all().begin(), conditions_.all().end(),
                                 [&](const Condition& condition) { return is_open(box, condition.column); });
    if (!any) {
        return false;
    }
    for (const Condition& condition : conditions_.all()) {
        const std::size_t c = condition.column;
        if (!is_open(box, c)) {
            continue;
        }
        const Presence found = presence(box, c);
        if (found == Presence::kAbsent) {
            box[c].begin = grid_.missing_bin(c);
        } else if (found == Presence::kPresent) {
            box[c].end = grid_.missing_bin(c);
        }
    }
    return true;
}

bool ConditionBoxes::choose(const Box& box, const std::vector<bool>& columns, Division& best) const {
    for (const Condition& condition : conditions_.all()) {
        if (!columns[condition.column] || !is_open(box, condition.column)) {
            continue;
        }
        const std::size_t parent = condition.parent;
        const BinRange range = box[parent];
        const double whole = grid_.mass(parent, range);
        const auto& edges = grid_.edges(parent);
        for (const std::uint64_t change : condition.changes) {
            const auto edge = std::lower_bound(edges.begin(), edges.end(), change);
            const auto bin = static_cast<BinIndex>(edge - edges.begin() + 1);
            if (bin <= range.begin || bin >= range.end) {
                continue;
            }
            const double left = grid_.mass(parent, {range.begin, bin}) / whole;
            const double score = std::min(left, 1.0 - left);
            if (score > best.score) {
                best = {score, parent, bin};
            }
        }
        if (best.score >= 0.0) {
            return true;
        }
    }
    return false;
}

}  // namespace shac
