#include "model/decision.hpp"

#include "bindings.hpp"

void shac::register_decision(py::module_& module) {
    module.def("decision_threshold", &decision_threshold);
}
