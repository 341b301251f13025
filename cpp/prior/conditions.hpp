// Conditional columns: a column that exists only where others take certain values, and is missing elsewhere.
//
// Every column has its uniform, drawn from the prior whether it exists or not; a condition turns the uniform
// of a column that does not exist into kMissing. The prior is therefore still a product of columns, and what
// is missing is a function of the uniforms alone. Trees see NaN, and send it the default way.
//
// A condition holds where the uniform of its parent lies in a set of intervals; a column with several
// conditions exists where all of them hold, and never where a parent is missing.
//
// Coarse uniforms (see prior/random.hpp) of conditional columns: a column that exists has its upper bits, but
// for the largest three values, which become kCoarseUnknown; kCoarseMissing says missing; and kCoarseUnknown
// says nothing, for a parent whose upper bits do not tell. An edge of kCoarseUnknown parts the bins of such a
// column from the one of what is missing, and makes the rows that are unknown ambiguous.
//
// Immutable; any number of threads may use it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "prior/random.hpp"

namespace shac {

constexpr std::uint64_t kMissing = ~std::uint64_t{0};
constexpr std::uint16_t kCoarseUnknown = 0xFFFD;
constexpr std::uint16_t kCoarseMissing = 0xFFFE;

struct Condition {
    std::uint32_t column;
    std::uint32_t parent;
    bool holds_first;  // for the smallest uniforms of the parent
    std::vector<std::uint64_t>
        changes;  // uniforms of the parent where it begins or ceases to hold, ascending

    /// Whether it holds for a uniform of the parent that is not missing.
    bool holds(std::uint64_t uniform) const;
};

class Conditions {
  public:
    Conditions() = default;

    /// `conditions` stand in an order in which every column comes after those of its parents. Throws
    /// std::invalid_argument when they do not, a column is out of range, or changes do not ascend within the
    /// range of uniforms.
    Conditions(std::vector<Condition> conditions, std::size_t width);

    const std::vector<Condition>& all() const { return conditions_; }
    bool is_conditional(std::size_t column) const {
        return column < is_conditional_.size() && is_conditional_[column];
    }

    /// Adds to a set of columns those that they depend on.
    void add_parents(std::vector<bool>& columns) const;

    /// Marks what is missing among the uniforms of `count` rows; column c stands at uniforms[c * stride].
    void apply(std::uint64_t* uniforms, std::size_t stride, std::size_t count) const;

    /// Marks what is missing, and what is not known, in the coarse uniforms of the column of a condition,
    /// given by its number. Each is to be applied once, in order.
    void apply_coarsely(std::size_t number, const std::uint16_t* parent, std::uint16_t* column,
                        std::size_t rows) const;

  private:
    std::vector<Condition> conditions_;
    std::vector<bool> is_conditional_;  // by column
    std::vector<bool> is_first_;        // by condition: none before it is about the same column
};

}  // namespace shac
