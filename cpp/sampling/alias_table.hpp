// Picks one of many by their weights, in constant time: the alias method (Walker 1977, in the form of Vose
// 1991).
//
// Immutable; any number of threads may pick. Memory: 12 bytes a weight.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "support/multiply_high.hpp"

namespace shac {

class AliasTable {
  public:
    /// Weights are positive and finite; there is at least one.
    explicit AliasTable(std::vector<double> weights);

    /// The one that two words of 64 random bits pick.
    std::size_t pick(std::uint64_t first, std::uint64_t second) const {
        const auto place = static_cast<std::size_t>(multiply_high(first, keep_.size()));
        return second < keep_[place] ? place : alias_[place];
    }

  private:
    std::vector<std::uint32_t> alias_;
    std::vector<std::uint64_t> keep_;  // a word below it keeps the place, another takes the alias
};

}  // namespace shac
