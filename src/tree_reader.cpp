#include "model/tree_reader.hpp"

#include <cstddef>
#include <string_view>

#include "bindings.hpp"

namespace shac {
namespace {

/// The arrays, the first trees of a kind that no forest takes, and where the list ends.
py::tuple read(std::string_view document, std::size_t place) {
    const ReadTrees trees = read_trees(document, place);
    return py::make_tuple(array_of(trees.arrays.tree_begin), array_of(trees.arrays.left),
                          array_of(trees.arrays.right), array_of(trees.arrays.feature),
                          array_of(trees.arrays.value), array_of(trees.arrays.default_left),
                          trees.vector_tree, trees.categorical_tree, trees.end);
}

}  // namespace

void register_tree_reader(py::module_& module) {
    module.def("read_trees", &read, py::arg("document"), py::arg("place"));
}

}  // namespace shac
