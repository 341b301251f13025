#include <cstdint>
#include <memory>

#include "bindings.hpp"
#include "tables/binned_forest.hpp"

namespace shac {
namespace {

std::shared_ptr<BinnedForest> make_forest(const Array<std::int64_t>& tree_begin,
                                          const Array<std::int32_t>& left, const Array<std::int32_t>& right,
                                          const Array<std::int32_t>& feature, const Array<float>& value,
                                          const Array<std::uint8_t>& default_left, float base_score,
                                          std::size_t num_features) {
    const ForestArrays arrays{
        vector_view(tree_begin, "tree_begin"), vector_view(left, "left"),
        vector_view(right, "right"),           vector_view(feature, "feature"),
        vector_view(value, "value"),           vector_view(default_left, "default_left")};
    const py::gil_scoped_release unlocked;
    return std::make_shared<BinnedForest>(std::make_shared<const Forest>(arrays, base_score, num_features));
}

/// The arguments that make an equal forest.
py::tuple arguments_of(const BinnedForest& binned) {
    const Forest& forest = binned.forest();
    const OwnedForestArrays arrays = forest.arrays();
    return py::make_tuple(array_of(arrays.tree_begin), array_of(arrays.left), array_of(arrays.right),
                          array_of(arrays.feature), array_of(arrays.value), array_of(arrays.default_left),
                          forest.base_score(), forest.num_features());
}

std::shared_ptr<BinnedForest> forest_of(const py::tuple& arguments) {
    if (arguments.size() != 8) {
        throw std::invalid_argument("forest: expected a state of 8 parts, got " +
                                    std::to_string(arguments.size()));
    }
    return make_forest(arguments[0].cast<Array<std::int64_t>>(), arguments[1].cast<Array<std::int32_t>>(),
                       arguments[2].cast<Array<std::int32_t>>(), arguments[3].cast<Array<std::int32_t>>(),
                       arguments[4].cast<Array<float>>(), arguments[5].cast<Array<std::uint8_t>>(),
                       arguments[6].cast<float>(), arguments[7].cast<std::size_t>());
}

}  // namespace

void register_forest(py::module_& module) {
    py::class_<BinnedForest, std::shared_ptr<BinnedForest>>(module, "Forest")
        .def(py::init(&make_forest), py::kw_only(), py::arg("tree_begin").noconvert(),
             py::arg("left").noconvert(), py::arg("right").noconvert(), py::arg("feature").noconvert(),
             py::arg("value").noconvert(), py::arg("default_left").noconvert(), py::arg("base_score"),
             py::arg("num_features"))
        .def_property_readonly("num_features",
                               [](const BinnedForest& binned) { return binned.forest().num_features(); })
        .def_property_readonly("num_trees",
                               [](const BinnedForest& binned) { return binned.forest().num_trees(); })
        .def_property_readonly("num_nodes",
                               [](const BinnedForest& binned) { return binned.forest().num_nodes(); })
        .def_property_readonly("base_margin",
                               [](const BinnedForest& binned) { return binned.forest().base(); })
        .def("thresholds", [](const BinnedForest& binned,
                              std::size_t feature) { return array_of(binned.forest().thresholds(feature)); })
        .def(py::pickle(&arguments_of, &forest_of));
}

}  // namespace shac
