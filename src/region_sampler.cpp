#include "sampling/region_sampler.hpp"

#include <cstdint>
#include <memory>

#include "bindings.hpp"
#include "sample.hpp"

namespace shac {
namespace {

Array<double> rejected_share(const RegionSampler& sampler, std::uint64_t seed, std::uint64_t first,
                             std::uint64_t num_drawn, const Array<std::uint64_t>& passed) {
    return array_of(sampler.rejected_share(seed, first, num_drawn, vector_view(passed, "passed")));
}

}  // namespace

void register_region_sampler(py::module_& module) {
    py::class_<RegionSampler> sampler(module, "RegionSampler");
    sampler.def(py::init<std::shared_ptr<Region>>(), py::arg("region"))
        .def("rejected_share", &rejected_share, py::arg("seed"), py::arg("first"), py::arg("num_drawn"),
             py::arg("passed"));
    define_sample(sampler);
}

}  // namespace shac
