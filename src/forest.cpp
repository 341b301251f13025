#include "model/forest.hpp"

#include <cstdint>
#include <memory>

#include "bindings.hpp"
#include "model/decision.hpp"

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

template <typename T>
Array<T> array_of(const std::vector<T>& values) {
    return Array<T>(static_cast<py::ssize_t>(values.size()), values.data());
}

/// The arguments that make an equal forest.
py::tuple arguments_of(const Forest& forest) {
    const auto& nodes = forest.nodes();
    const auto& roots = forest.roots();
    std::vector<std::int64_t> tree_begin(roots.begin(), roots.end());
    tree_begin.push_back(static_cast<std::int64_t>(nodes.size()));
    std::vector<std::int32_t> left(nodes.size(), -1);
    std::vector<std::int32_t> right(nodes.size(), -1);
    std::vector<std::int32_t> feature(nodes.size(), 0);
    std::vector<float> value(nodes.size());
    std::vector<std::uint8_t> default_left(nodes.size(), 0);
    for (std::size_t tree = 0; tree + 1 < tree_begin.size(); ++tree) {
        const std::uint32_t root = roots[tree];
        for (std::size_t node = root; node < static_cast<std::size_t>(tree_begin[tree + 1]); ++node) {
            value[node] = nodes[node].value;
            if (!nodes[node].is_leaf()) {
                left[node] = static_cast<std::int32_t>(nodes[node].left - root);
                right[node] = left[node] + 1;
                feature[node] = static_cast<std::int32_t>(nodes[node].feature());
                default_left[node] = nodes[node].default_left() ? 1 : 0;
            }
        }
    }
    return py::make_tuple(array_of(tree_begin), array_of(left), array_of(right), array_of(feature),
                          array_of(value), array_of(default_left), forest.base_score(),
                          forest.num_features());
}

std::shared_ptr<Forest> forest_of(const py::tuple& arguments) {
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
        .def("thresholds",
             [](const Forest& forest, std::size_t feature) { return array_of(forest.thresholds(feature)); })
        .def(py::pickle(&arguments_of, &forest_of));
}

}  // namespace shac
