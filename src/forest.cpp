#include "forest.hpp"

#include <cstdint>
#include <memory>

#include "bindings.hpp"
#include "decision.hpp"

namespace shac {
namespace {

std::shared_ptr<Forest> make_forest(const Array<std::int64_t>& tree_begin, const Array<std::int32_t>& left,
                                    const Array<std::int32_t>& right, const Array<std::int32_t>& feature,
                                    const Array<float>& value, const Array<std::uint8_t>& default_left,
                                    float base_score, std::size_t num_features) {
    const ForestArrays arrays{
        vector_view(tree_begin, "tree_begin"), vector_view(left, "left"),
        vector_view(right, "right"),           vector_view(feature, "feature"),
        vector_view(value, "value"),           vector_view(default_left, "default_left")};
    const py::gil_scoped_release unlocked;
    return std::make_shared<Forest>(arrays, base_score, num_features);
}

}  // namespace

void register_forest(py::module_& module) {
    module.def("decision_threshold", &decision_threshold);
    py::class_<Forest, std::shared_ptr<Forest>>(module, "Forest")
        .def(py::init(&make_forest), py::kw_only(), py::arg("tree_begin").noconvert(),
             py::arg("left").noconvert(), py::arg("right").noconvert(), py::arg("feature").noconvert(),
             py::arg("value").noconvert(), py::arg("default_left").noconvert(), py::arg("base_score"),
             py::arg("num_features"))
        .def_property_readonly("num_features", &Forest::num_features)
        .def_property_readonly("num_trees", &Forest::num_trees)
        .def_property_readonly("num_nodes", &Forest::num_nodes)
        .def_property_readonly("base_margin", &Forest::base)
        .def("thresholds", [](const Forest& forest, std::size_t feature) {
            const auto thresholds = forest.thresholds(feature);
            return Array<float>(static_cast<py::ssize_t>(thresholds.size()), thresholds.data());
        });
}

}  // namespace shac
