#include "sampling/slice_walk.hpp"

#include "bindings.hpp"

namespace shac {
namespace {

template <typename Decisions>
void walk_points(const SpaceEncoding& encoding, const Decisions& decisions, Array<double> points,
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
        finished = walk(encoding, decisions, chains, interruptible_workers(threads));
    }
    raise_unless(finished);
}

}  // namespace

void register_slice_walk(py::module_& module) {
    const auto define = [&module](auto walk_by) {
        module.def("walk", walk_by, py::arg("encoding"), py::arg("decisions"), py::arg("points").noconvert(),
                   py::arg("directions").noconvert(), py::arg("fractions").noconvert(), py::arg("threads"));
    };
    define(&walk_points<Cascade>);
    define(&walk_points<RowFilter>);
}

}  // namespace shac
