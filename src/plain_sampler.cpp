#include "sampling/plain_sampler.hpp"

#include <memory>
#include <vector>

#include "bindings.hpp"
#include "sample.hpp"

namespace shac {
namespace {

std::unique_ptr<PlainSampler> make_plain_sampler(const std::vector<std::shared_ptr<Stage>>& stages,
                                                 std::size_t width, bool use_tables,
                                                 const Conditions& conditions, bool share_blocks,
                                                 const PlainSampler* shorter) {
    const py::gil_scoped_release unlocked;
    return std::make_unique<PlainSampler>(as_const(stages), width, use_tables, conditions,
                                          share_blocks ? BlockLayout::shared(width) : BlockLayout(), shorter);
}

}  // namespace

void register_plain_sampler(py::module_& module) {
    py::class_<PlainSampler> sampler(module, "PlainSampler");
    sampler
        .def(py::init(&make_plain_sampler), py::arg("stages"), py::arg("width"), py::arg("use_tables") = true,
             py::arg("conditions") = Conditions(), py::arg("share_blocks") = true,
             py::arg("shorter") = nullptr)
        .def_property_readonly("order", &PlainSampler::order)
        .def_property_readonly("candidate_cost", &PlainSampler::candidate_cost);
    define_sample(sampler);
}

}  // namespace shac
