#include "kernels/kernels.hpp"

#include "bindings.hpp"

void shac::register_kernels(py::module_& module) {
    module.def("simd_levels", &available_kernel_names);
}
