#include "sampler.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bindings.hpp"

namespace shac {
namespace {

constexpr std::array<const char*, 4> kEndNames{"count", "candidates", "gap", "stopped"};

Column make_column(const Array<std::uint64_t>& edges, const Array<float>& representatives) {
    const auto edge_view = vector_view(edges, "edges");
    const auto representative_view = vector_view(representatives, "representatives");
    return {{edge_view.begin(), edge_view.end()}, {representative_view.begin(), representative_view.end()}};
}

Space make_space(const std::vector<std::pair<Array<std::uint64_t>, Array<float>>>& columns) {
    std::vector<Column> result;
    for (const auto& [edges, representatives] : columns) {
        result.push_back(make_column(edges, representatives));
    }
    return Space(std::move(result));
}

std::shared_ptr<Stage> make_stage(std::shared_ptr<Forest> forest,
                                  const std::vector<std::pair<Array<std::uint64_t>, Array<float>>>& columns,
                                  std::size_t max_table_bytes) {
    Space bins = make_space(columns);
    const py::gil_scoped_release unlocked;
    return std::make_shared<Stage>(std::move(forest), std::move(bins), max_table_bytes);
}

py::dict sample(const PlainSampler& sampler, const SampleRequest& request, std::size_t threads) {
    Samples samples;
    {
        const py::gil_scoped_release unlocked;
        samples = sampler.draw(request, interruptible_workers(threads));
    }
    raise_unless(samples.end != SampleEnd::kStopped);
    const std::size_t count = samples.candidates.size();
    Array<double> uniforms({count, sampler.width()});
    write_uniforms(request.seed, {samples.candidates.data(), count},
                   {uniforms.mutable_data(), count, sampler.width()});
    py::dict result;
    result["candidates"] = Array<std::uint64_t>(static_cast<py::ssize_t>(count), samples.candidates.data());
    result["uniforms"] = uniforms;
    result["num_drawn"] = samples.num_drawn;
    result["rejected_by_stage"] = samples.rejected_by_stage;
    result["end"] = kEndNames.at(static_cast<std::size_t>(samples.end));
    return result;
}

}  // namespace

void register_sampler(py::module_& module) {
    module.attr("MAX_TABLE_BYTES") = kMaxTableBytes;
    module.def("simd_levels", [] {
        std::vector<std::string> names;
        for (const Kernels* const level : available_kernels()) {
            names.emplace_back(level->name);
        }
        return names;
    });
    py::class_<Stage, std::shared_ptr<Stage>>(module, "Stage")
        .def(py::init(&make_stage), py::arg("forest"), py::arg("columns"),
             py::arg("max_table_bytes") = kMaxTableBytes)
        .def_property_readonly("num_bytes", [](const Stage& stage) { return stage.tables.num_bytes(); })
        .def_property_readonly("num_tables", [](const Stage& stage) { return stage.tables.num_tables(); })
        .def_property_readonly("num_trees", [](const Stage& stage) { return stage.tables.num_trees(); });
    py::class_<PlainSampler>(module, "PlainSampler")
        .def(py::init(
                 [](const std::vector<std::shared_ptr<Stage>>& stages, std::size_t width, bool use_tables) {
                     const py::gil_scoped_release unlocked;
                     return std::make_unique<PlainSampler>(
                         std::vector<std::shared_ptr<const Stage>>(stages.begin(), stages.end()), width,
                         use_tables);
                 }),
             py::arg("stages"), py::arg("width"), py::arg("use_tables") = true)
        .def_property_readonly("order", &PlainSampler::order)
        .def(
            "sample",
            [](const PlainSampler& sampler, std::uint64_t seed, std::uint64_t first_candidate,
               std::size_t count, std::size_t relax, std::uint64_t max_candidates, std::uint64_t max_gap,
               std::size_t block_size, std::size_t threads) {
                return sample(sampler,
                              {seed, first_candidate, count, relax, max_candidates, max_gap, block_size},
                              threads);
            },
            py::kw_only(), py::arg("seed"), py::arg("first_candidate") = 0, py::arg("count"),
            py::arg("relax") = 0, py::arg("max_candidates") = kEndless, py::arg("max_gap") = kEndless,
            py::arg("block_size") = 0, py::arg("threads") = 1);
}

}  // namespace shac
