#include "region/region.hpp"

#include <memory>
#include <utility>
#include <vector>

#include "bindings.hpp"

namespace shac {
namespace {

std::shared_ptr<Region> make_region(const std::vector<std::shared_ptr<Stage>>& stages, std::size_t width,
                                    std::size_t relax, const Conditions& conditions) {
    const py::gil_scoped_release unlocked;
    return std::make_shared<Region>(as_const(stages), width, relax, conditions);
}

std::optional<Region> refined_unlocked(const Region& region, std::size_t max_boxes) {
    const py::gil_scoped_release unlocked;
    return region.refined(max_boxes, interruptible_workers(1).stop);
}

std::shared_ptr<Region> refined(const Region& region, std::size_t max_boxes) {
    std::optional<Region> result = refined_unlocked(region, max_boxes);
    raise_unless(result.has_value());
    return std::make_shared<Region>(*std::move(result));
}

std::shared_ptr<Region> extended(const Region& region, const std::shared_ptr<Stage>& stage) {
    const py::gil_scoped_release unlocked;
    return std::make_shared<Region>(region.extended(stage));
}

std::shared_ptr<Region> reordered(const Region& region, const Array<double>& share) {
    return std::make_shared<Region>(region.reordered(vector_view(share, "share")));
}

std::pair<double, double> volume(const Region& region) {
    const auto [lower, upper] = region.volume();
    return {lower, upper};
}

/// All boxes: their bins (boxes by columns by 2), masses, and whether they are accepted.
py::tuple boxes(const Region& region) {
    const std::size_t count = region.num_boxes();
    Array<BinIndex> bins({count, region.width(), std::size_t{2}});
    Array<double> mass(static_cast<py::ssize_t>(count));
    Array<bool> accepted(static_cast<py::ssize_t>(count));
    region.write_boxes({bins.mutable_data(), static_cast<std::size_t>(bins.size())},
                       {mass.mutable_data(), count}, {accepted.mutable_data(), count});
    return py::make_tuple(bins, mass, accepted);
}

}  // namespace

void register_region(py::module_& module) {
    py::class_<Region, std::shared_ptr<Region>>(module, "Region")
        .def(py::init(&make_region), py::arg("stages"), py::arg("width"), py::arg("relax"),
             py::arg("conditions") = Conditions())
        .def("refined", &refined, py::arg("max_boxes"))
        .def("extended", &extended, py::arg("stage"))
        .def("reordered", &reordered, py::arg("share"))
        .def_property_readonly("num_divided", &Region::num_divided)
        .def_property_readonly("num_undecided", &Region::num_undecided)
        .def_property_readonly("accepted_mass", &Region::accepted_mass)
        .def_property_readonly("undecided_mass", &Region::undecided_mass)
        .def_property_readonly("work", &Region::work)
        .def("volume", &volume)
        .def("boxes", &boxes)
        .def("edges",
             [](const Region& region, std::size_t column) { return array_of(region.edges(column)); });
}

}  // namespace shac
