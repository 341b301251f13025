// The trees of a model in XGBoost's UBJSON, read straight into the arrays of a forest.
//
// Only the list of trees is read here: of each its children, features, thresholds, leaves and default
// directions. All that stands around it is a few dozen fields, which Python reads and checks. XGBoost writes
// lengths as 'L' and eight bytes, and arrays of numbers with one type for all, numbers with the highest byte
// first; anything else is refused, with the byte where it stands.
//
// Every length is checked against what is left of the document before anything is made of it, and nesting is
// bounded: memory and time are bounded by the length of the document. What the arrays say is not checked
// here: Forest does. Functions of their arguments. Cost: one pass over the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "model/forest.hpp"

namespace shac {

struct ReadTrees {
    OwnedForestArrays arrays;
    std::int64_t vector_tree = -1;       // the first whose leaves are vectors
    std::int64_t categorical_tree = -1;  // the first with a categorical split
    std::size_t end = 0;                 // place of the byte behind the list
};

/// Reads the list of trees whose marker '[' stands at `place`. Throws std::invalid_argument.
ReadTrees read_trees(std::string_view document, std::size_t place);

}  // namespace shac
