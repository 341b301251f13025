#include "rows/row_filter.hpp"

#include <cstdint>
#include <memory>
#include <vector>

#include "bindings.hpp"

namespace shac {
namespace {

Array<std::int32_t> dropped_by_filter(const RowFilter& filter, const AnyOrder<float>& x, std::size_t relax,
                                      std::size_t threads) {
    return answer_rows<std::int32_t>(x, threads, [&](const auto& rows, const auto& out, const auto& workers) {
        return filter.compute_drops(rows, relax, out, workers);
    });
}

Array<std::uint8_t> accepted_by_filter(const RowFilter& filter, const AnyOrder<float>& x, std::size_t relax,
                                       std::size_t threads) {
    return answer_rows<std::uint8_t>(x, threads, [&](const auto& rows, const auto& out, const auto& workers) {
        return filter.compute_accepted(rows, relax, out, workers);
    });
}

}  // namespace

void register_row_filter(py::module_& module) {
    py::class_<RowFilter>(module, "RowFilter")
        .def(py::init([](const std::vector<std::shared_ptr<Stage>>& stages, std::size_t width) {
                 return std::make_unique<RowFilter>(as_const(stages), width);
             }),
             py::arg("stages"), py::arg("width"))
        .def("accepts", &accepted_by_filter, py::arg("x").noconvert(), py::arg("relax"), py::arg("threads"))
        .def("dropped_at", &dropped_by_filter, py::arg("x").noconvert(), py::arg("relax"),
             py::arg("threads"));
}

}  // namespace shac
