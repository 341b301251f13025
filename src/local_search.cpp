#include "surrogate/local_search.hpp"

#include <memory>
#include <vector>

#include "bindings.hpp"

namespace shac {
namespace {

Array<double> search(const PointCoordinates& coordinates, const Cascade& cascade, const CubicRbf& model,
                     const PointSet& earlier, const Merit& merit, const Array<float>& start,
                     const Array<double>& step, const Array<double>& moves) {
    if (moves.ndim() != 3) {
        throw std::invalid_argument("moves: expected steps by proposals by columns");
    }
    const LocalSearchRequest request{vector_view(start, "start"),
                                     vector_view(step, "step"),
                                     {moves.data(), static_cast<std::size_t>(moves.size())},
                                     static_cast<std::size_t>(moves.shape(0)),
                                     static_cast<std::size_t>(moves.shape(1)),
                                     merit};
    std::vector<double> found;
    {
        const py::gil_scoped_release unlocked;
        found = search_locally(coordinates, cascade, model, earlier, request);
    }
    return array_of(found);
}

Array<double> coordinates_of(const PointCoordinates& coordinates, const Array<float>& rows) {
    const auto in = matrix_view(rows, "rows");
    if (in.width != coordinates.num_columns()) {
        throw std::invalid_argument("rows: expected the columns of the space");
    }
    Array<double> result({in.rows, coordinates.width()});
    double* const out = result.mutable_data();
    const py::gil_scoped_release unlocked;
    coordinates.write(in, out);
    return result;
}

Merit make_merit(double weight, double lowest, double prediction_range, double nearest,
                 double distance_range) {
    return {weight, lowest, prediction_range, nearest, distance_range};
}

}  // namespace

void register_local_search(py::module_& module) {
    py::class_<Merit>(module, "Merit")
        .def(py::init(&make_merit), py::arg("weight"), py::arg("lowest"), py::arg("prediction_range"),
             py::arg("nearest"), py::arg("distance_range"));
    py::class_<PointCoordinates>(module, "PointCoordinates")
        .def(py::init([](const std::shared_ptr<SpaceEncoding>& encoding,
                         const std::vector<std::vector<float>>& categories) {
                 return std::make_unique<PointCoordinates>(encoding, categories);
             }),
             py::arg("encoding"), py::arg("categories"))
        .def("of", &coordinates_of, py::arg("rows").noconvert());
    module.def("search_locally", &search, py::kw_only(), py::arg("coordinates"), py::arg("cascade"),
               py::arg("model"), py::arg("earlier"), py::arg("merit"), py::arg("start").noconvert(),
               py::arg("step").noconvert(), py::arg("moves").noconvert());
}

}  // namespace shac
