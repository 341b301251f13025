#include "prior/conditions.hpp"

#include <cstdint>
#include <memory>
#include <utility>

#include "bindings.hpp"

namespace shac {
namespace {

Condition make_condition(std::uint32_t column, std::uint32_t parent, bool holds_first,
                         const Array<std::uint64_t>& changes) {
    const auto view = vector_view(changes, "changes");
    return {column, parent, holds_first, {view.begin(), view.end()}};
}

}  // namespace

void register_conditions(py::module_& module) {
    py::class_<Condition>(module, "Condition")
        .def(py::init(&make_condition), py::arg("column"), py::arg("parent"), py::arg("holds_first"),
             py::arg("changes").noconvert());
    py::class_<Conditions>(module, "Conditions")
        .def(py::init<>())
        .def(py::init<std::vector<Condition>, std::size_t>(), py::arg("conditions"), py::arg("width"));
}

}  // namespace shac
