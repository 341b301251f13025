// Fuzzes the reader of trees in XGBoost's UBJSON: any bytes.
//
// Outcome: std::invalid_argument, or arrays of one length from which a forest is built or refused. Everything
// else ends the process.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string_view>

#include "model/forest.hpp"
#include "model/tree_reader.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try {
        const auto read = shac::read_trees({reinterpret_cast<const char*>(data), size}, 0);
        const auto& [tree_begin, left, right, feature, value, default_left] = read.arrays;
        if (read.end > size || right.size() != left.size() || default_left.size() != left.size()) {
            std::abort();
        }
        const shac::ForestArrays arrays{
            {tree_begin.data(), tree_begin.size()}, {left.data(), left.size()},
            {right.data(), right.size()},           {feature.data(), feature.size()},
            {value.data(), value.size()},           {default_left.data(), default_left.size()}};
        const shac::Forest forest(arrays, 0.5F, 4);
    } catch (const std::invalid_argument&) {  // what a broken model shall be answered with
    }
    return 0;
}
