#include "bindings.hpp"

PYBIND11_MODULE(_core, module) {
    module.doc() =
        "Compiled core of shac: forests, cascades and samplers over arrays. Private; use shac.Cascade.";
    shac::register_random(module);
    shac::register_conditions(module);
    shac::register_space(module);
    shac::register_decision(module);
    shac::register_forest(module);
    shac::register_tree_reader(module);
    shac::register_cascade(module);
    shac::register_kernels(module);
    shac::register_stage(module);
    shac::register_row_filter(module);
    shac::register_plain_sampler(module);
    shac::register_region(module);
    shac::register_region_sampler(module);
    shac::register_encoding(module);
    shac::register_slice_walk(module);
    shac::register_rbf(module);
    shac::register_local_search(module);
}
