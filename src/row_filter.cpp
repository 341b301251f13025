#include "rows/row_filter.hpp"

#include <cstdint>
#include <memory>
#include <vector>

#include "bindings.hpp"

namespace shac {
namespace {

Array<std::int32_t> dropped_at(const RowFilter& filter, const AnyOrder<float>& x, std::size_t relax,
                               std::size_t threads) {
    const auto rows = rows_view(x, "x");
    Array<std::int32_t> result(static_cast<py::ssize_t>(rows.rows));
    const ArrayView<std::int32_t> out{result.mutable_data(), rows.rows};
    bool finished = false;
    {
        const py::gil_scoped_release unlocked;
        finished = filter.compute_drops(rows, relax, out, interruptible_workers(threads));
    }
    raise_unless(finished);
    return result;
}

Array<std::uint8_t> accepts(const RowFilter& filter, const AnyOrder<float>& x, std::size_t relax,
                            std::size_t threads) {
    const auto rows = rows_view(x, "x");
    Array<std::uint8_t> result(static_cast<py::ssize_t>(rows.rows));
    const ArrayView<std::uint8_t> out{result.mutable_data(), rows.rows};
    bool finished = false;
    {
        const py::gil_scoped_release unlocked;
        finished = filter.compute_accepted(rows, relax, out, interruptible_workers(threads));
    }
    raise_unless(finished);
    return result;
}

}  // namespace

void register_row_filter(py::module_& module) {
    py::class_<RowFilter>(module, "RowFilter")
        .def(py::init([](const std::vector<std::shared_ptr<Stage>>& stages, std::size_t width) {
                 return std::make_unique<RowFilter>(as_const(stages), width);
             }),
             py::arg("stages"), py::arg("width"))
        .def("accepts", &accepts, py::arg("x").noconvert(), py::arg("relax"), py::arg("threads"))
        .def("dropped_at", &dropped_at, py::arg("x").noconvert(), py::arg("relax"), py::arg("threads"));
}

}  // namespace shac
