#include "sampling/slice_walk.hpp"

#include "bindings.hpp"

namespace shac {
namespace {

void walk_points(const SpaceEncoding& encoding, const Cascade& cascade, Array<double> points,
                 const Array<double>& directions, const Array<double>& fractions, std::size_t threads) {
    const auto found = matrix_view(points, "points");
    if (fractions.ndim() != 3) {
        throw std::invalid_argument("fractions: expected steps by points by shrinkages");
    }
    const SliceWalk chains{{points.mutable_data(), found.rows, found.width},
                           {directions.data(), static_cast<std::size_t>(directions.size())},
                           {fractions.data(), static_cast<std::size_t>(fractions.size())},
                           static_cast<std::size_t>(fractions.shape(0)),
                           static_cast<std::size_t>(fractions.shape(2))};
    bool finished = false;
    {
        const py::gil_scoped_release unlocked;
        finished = walk(encoding, cascade, chains, interruptible_workers(threads));
    }
    raise_unless(finished);
}

}  // namespace

void register_slice_walk(py::module_& module) {
    module.def("walk", &walk_points, py::arg("encoding"), py::arg("cascade"), py::arg("points").noconvert(),
               py::arg("directions").noconvert(), py::arg("fractions").noconvert(), py::arg("threads"));
}

}  // namespace shac
