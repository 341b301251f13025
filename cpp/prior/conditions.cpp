#include "prior/conditions.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

namespace shac {

bool Condition::holds(std::uint64_t uniform) const {
    const auto passed = std::upper_bound(changes.begin(), changes.end(), uniform) - changes.begin();
    return holds_first == (passed % 2 == 0);
}

Conditions::Conditions(std::vector<Condition> conditions, std::size_t width)
    : conditions_(std::move(conditions)), is_conditional_(width, false) {
    std::vector<bool> is_parent(width, false);
    for (std::size_t i = 0; i < conditions_.size(); ++i) {
        const auto& [column, parent, holds_first, changes] = conditions_[i];
        const std::string where = "conditions: number " + std::to_string(i) + ": ";
        if (column >= width || parent >= width || column == parent) {
            throw std::invalid_argument(where + "expected two of " + std::to_string(width) +
                                        " columns, got column " + std::to_string(column) + " and parent " +
                                        std::to_string(parent));
        }
        if (is_parent[column]) {
            throw std::invalid_argument(where + "expected column " + std::to_string(column) +
                                        " before those that depend on it");
        }
        is_parent[parent] = true;
        is_first_.push_back(!is_conditional_[column]);
        is_conditional_[column] = true;
        std::uint64_t previous = 0;
        for (const std::uint64_t change : changes) {
            if (change <= previous || change >= kUniformRange) {
                throw std::invalid_argument(where + "changes must ascend strictly within (0, 2^" +
                                            std::to_string(kUniformBits) + "), got " +
                                            std::to_string(change) + " after " + std::to_string(previous));
            }
            previous = change;
        }
    }
}

void Conditions::add_parents(std::vector<bool>& columns) const {
    // From the last on: a column comes after its parents, so theirs are added, too.
    for (auto condition = conditions_.rbegin(); condition != conditions_.rend(); ++condition) {
        columns[condition->parent] = columns[condition->parent] || columns[condition->column];
    }
}

void Conditions::apply(std::uint64_t* uniforms, std::size_t stride, std::size_t count) const {
    for (const Condition& condition : conditions_) {
        std::uint64_t* const column = uniforms + condition.column * stride;
        const std::uint64_t* const parent = uniforms + condition.parent * stride;
        for (std::size_t i = 0; i < count; ++i) {
            if (parent[i] == kMissing || !condition.holds(parent[i])) {
                column[i] = kMissing;
            }
        }
    }
}

void Conditions::apply_coarsely(std::size_t number, const std::uint16_t* parent, std::uint16_t* column,
                                std::size_t rows) const {
    const Condition& condition = conditions_[number];
    const std::uint32_t largest = is_first_[number] ? kCoarseUnknown : kCoarseMissing;
    // Of the codes 0 (exists), unknown and missing, the largest that a condition gives is right: what one
    // condition removes no other brings back.
    constexpr std::size_t kRows = 64;
    std::uint32_t codes[kRows];
    const auto code_of = [](bool holds) { return holds ? 0U : std::uint32_t{kCoarseMissing}; };
    for (std::size_t begin = 0; begin < rows; begin += kRows) {
        const std::size_t count = std::min(kRows, rows - begin);
        std::fill_n(codes, count, code_of(condition.holds_first));
        const auto set_from = [&](std::uint32_t from, std::uint32_t code) {
            for (std::size_t i = 0; i < count; ++i) {
                codes[i] = parent[begin + i] >= from ? code : codes[i];
            }
        };
        bool holds = condition.holds_first;
        std::uint32_t known_from = 0;
        for (const std::uint64_t change : condition.changes) {
            const auto first = static_cast<std::uint32_t>(change >> kFineBits);
            holds = !holds;
            set_from(first, kCoarseUnknown);
            known_from = std::max(known_from,
                                  (change & ((std::uint64_t{1} << kFineBits) - 1)) == 0 ? first : first + 1);
            set_from(known_from, code_of(holds));
        }
        if (is_conditional(condition.parent)) {
            set_from(kCoarseUnknown, kCoarseUnknown);
            set_from(kCoarseMissing, kCoarseMissing);
        }
        for (std::size_t i = 0; i < count; ++i) {
            const std::uint32_t own = std::min<std::uint32_t>(column[begin + i], largest);
            column[begin + i] = static_cast<std::uint16_t>(std::max(own, codes[i]));
        }
    }
}

}  // namespace shac
