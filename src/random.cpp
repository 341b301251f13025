#include "prior/random.hpp"

#include "bindings.hpp"

void shac::register_random(py::module_& module) {
    module.attr("UNIFORM_BITS") = kUniformBits;
    module.def("philox4x32", &philox4x32, py::arg("counter"), py::arg("key"));
}
