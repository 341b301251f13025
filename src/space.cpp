#include "prior/space.hpp"

#include <cstdint>

#include "bindings.hpp"

namespace shac {
namespace {

Column make_column(const Array<std::uint64_t>& edges, const Array<float>& representatives,
                   bool is_conditional) {
    const auto edge_view = vector_view(edges, "edges");
    const auto value_view = vector_view(representatives, "representatives");
    return {{edge_view.begin(), edge_view.end()}, {value_view.begin(), value_view.end()}, is_conditional};
}

}  // namespace

void register_space(py::module_& module) {
    py::class_<Column>(module, "Column")
        .def(py::init(&make_column), py::arg("edges").noconvert(), py::arg("representatives").noconvert(),
             py::arg("is_conditional") = false);
}

}  // namespace shac
