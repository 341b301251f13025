#include "rows/cascade.hpp"

#include <cstdint>
#include <memory>
#include <vector>

#include "bindings.hpp"

namespace shac {
namespace {

Array<float> margins(const Cascade& cascade, const AnyOrder<float>& x, std::size_t threads) {
    const auto rows = rows_view(x, "x");
    Array<float> result({rows.rows, cascade.num_stages()});
    const MatrixView<float> out{result.mutable_data(), rows.rows, cascade.num_stages()};
    bool finished = false;
    {
        const py::gil_scoped_release unlocked;
        finished = compute_margins(cascade, rows, out, interruptible_workers(threads));
    }
    raise_unless(finished);
    return result;
}

Array<std::int32_t> dropped_by_trees(const Cascade& cascade, const AnyOrder<float>& x, std::size_t relax,
                                     std::size_t threads) {
    return answer_rows<std::int32_t>(x, threads, [&](const auto& rows, const auto& out, const auto& workers) {
        return compute_drops(cascade, rows, relax, out, workers);
    });
}

}  // namespace

void register_cascade(py::module_& module) {
    py::class_<Cascade>(module, "Cascade")
        .def(py::init([](const std::vector<std::shared_ptr<BinnedForest>>& stages, std::size_t num_features) {
                 return Cascade(as_const(stages), num_features);
             }),
             py::arg("stages"), py::arg("num_features"))
        .def_property_readonly("num_features", &Cascade::num_features)
        .def_property_readonly("num_stages", &Cascade::num_stages)
        .def("margins", &margins, py::arg("x").noconvert(), py::arg("threads"))
        .def("dropped_at", &dropped_by_trees, py::arg("x").noconvert(), py::arg("relax"), py::arg("threads"));
}

}  // namespace shac
