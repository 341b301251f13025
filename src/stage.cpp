#include "tables/stage.hpp"

#include <memory>
#include <utility>
#include <vector>

#include "bindings.hpp"

namespace shac {
namespace {

std::shared_ptr<Stage> make_stage(std::shared_ptr<BinnedForest> forest, std::vector<Column> columns,
                                  std::size_t max_table_bytes) {
    const py::gil_scoped_release unlocked;
    return std::make_shared<Stage>(std::move(forest), Space(std::move(columns)), max_table_bytes);
}

std::shared_ptr<Stage> make_encoded_stage(const std::shared_ptr<BinnedForest>& forest,
                                          const SpaceEncoding& encoding, std::size_t max_table_bytes) {
    const py::gil_scoped_release unlocked;
    return std::make_shared<Stage>(forest, encoding, max_table_bytes);
}

}  // namespace

void register_stage(py::module_& module) {
    module.attr("MAX_TABLE_BYTES") = kMaxTableBytes;
    py::class_<Stage, std::shared_ptr<Stage>>(module, "Stage")
        .def(py::init(&make_stage), py::arg("forest"), py::arg("columns"),
             py::arg("max_table_bytes") = kMaxTableBytes)
        .def(py::init(&make_encoded_stage), py::arg("forest"), py::arg("encoding"),
             py::arg("max_table_bytes") = kMaxTableBytes)
        .def_property_readonly("num_bytes", [](const Stage& stage) { return stage.quantized.num_bytes(); })
        .def_property_readonly("num_tables", [](const Stage& stage) { return stage.quantized.num_tables(); })
        .def_property_readonly("num_trees", [](const Stage& stage) { return stage.quantized.num_trees(); });
}

}  // namespace shac
