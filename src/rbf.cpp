#include "surrogate/rbf.hpp"

#include <memory>
#include <utility>
#include <vector>

#include "bindings.hpp"

namespace shac {
namespace {

PointSet make_points(const Array<double>& points, std::size_t codes) {
    const auto rows = matrix_view(points, "points");
    if (rows.width == 0 || codes > rows.width) {
        throw std::invalid_argument("points: expected numbers and codes, got fewer columns than codes");
    }
    return {rows.width - codes, codes, {rows.data, rows.data + rows.rows * rows.width}};
}

std::unique_ptr<CubicRbf> make_rbf(const PointSet& points, std::vector<double> weights,
                                   std::vector<double> tail, std::vector<std::vector<double>> code_tails) {
    return std::make_unique<CubicRbf>(points, std::move(weights), std::move(tail), std::move(code_tails));
}

py::tuple predict(const CubicRbf& model, const Array<double>& rows, std::size_t threads) {
    const auto in = matrix_view(rows, "rows");
    Array<double> predictions(static_cast<py::ssize_t>(in.rows));
    Array<double> distances(static_cast<py::ssize_t>(in.rows));
    const ArrayView<double> predicted{predictions.mutable_data(), in.rows};
    const ArrayView<double> nearest{distances.mutable_data(), in.rows};
    bool finished = false;
    {
        const py::gil_scoped_release unlocked;
        finished = predict_rows(model, in, predicted, nearest, interruptible_workers(threads));
    }
    raise_unless(finished);
    return py::make_tuple(predictions, distances);
}

Array<double> nearest(const PointSet& points, const Array<double>& rows) {
    const auto in = matrix_view(rows, "rows");
    if (in.width != points.width()) {
        throw std::invalid_argument("rows: expected the numbers and codes of the points");
    }
    Array<double> result(static_cast<py::ssize_t>(in.rows));
    double* const out = result.mutable_data();
    const py::gil_scoped_release unlocked;
    find_nearest(points, in, out);
    return result;
}

Array<double> cubes(const PointSet& points, std::size_t first) {
    if (first > points.size()) {
        throw std::invalid_argument("first: expected the place of a point");
    }
    Array<double> result({points.size() - first, points.size()});
    const MatrixView<double> out{result.mutable_data(), points.size() - first, points.size()};
    const py::gil_scoped_release unlocked;
    write_cubes(points, first, out);
    return result;
}

}  // namespace

void register_rbf(py::module_& module) {
    py::class_<PointSet>(module, "PointSet")
        .def(py::init(&make_points), py::arg("points").noconvert(), py::arg("codes"))
        .def_property_readonly("size", &PointSet::size)
        .def("nearest", &nearest, py::arg("rows").noconvert())
        .def("cubes", &cubes, py::arg("first") = 0);
    py::class_<CubicRbf>(module, "CubicRbf")
        .def(py::init(&make_rbf), py::arg("points"), py::arg("weights"), py::arg("tail"),
             py::arg("code_tails"))
        .def("predict", &predict, py::arg("rows").noconvert(), py::arg("threads"));
}

}  // namespace shac
