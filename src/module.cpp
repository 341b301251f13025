#include "bindings.hpp"

PYBIND11_MODULE(_core, module) {
    module.doc() =
        "Compiled core of shac: forests, cascades and samplers over arrays. Private; use shac.Cascade.";
    shac::register_random(module);
    shac::register_forest(module);
    shac::register_cascade(module);
    shac::register_sampler(module);
}
