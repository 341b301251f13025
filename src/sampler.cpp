#include "sampler.hpp"

#include <array>
#include <cstdint>
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

py::dict sample(const Cascade& cascade, const Space& space, const SampleRequest& request,
                std::size_t threads) {
    Samples samples;
    {
        const py::gil_scoped_release unlocked;
        samples = draw_samples(cascade, space, request, interruptible_workers(threads));
    }
    raise_unless(samples.end != SampleEnd::kStopped);
    const std::size_t count = samples.candidates.size();
    Array<double> uniforms({count, space.width()});
    space.uniforms(request.seed, {samples.candidates.data(), count},
                   {uniforms.mutable_data(), count, space.width()});
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
    py::class_<Space>(module, "Space")
        .def(py::init(&make_space), py::arg("columns"))
        .def_property_readonly("width", &Space::width);
    module.def(
        "sample",
        [](const Cascade& cascade, const Space& space, std::uint64_t seed, std::uint64_t first_candidate,
           std::size_t count, std::size_t relax, std::uint64_t max_candidates, std::uint64_t max_gap,
           std::size_t block_size, std::size_t threads) {
            return sample(cascade, space,
                          {seed, first_candidate, count, relax, max_candidates, max_gap, block_size},
                          threads);
        },
        py::arg("cascade"), py::arg("space"), py::kw_only(), py::arg("seed"), py::arg("first_candidate") = 0,
        py::arg("count"), py::arg("relax") = 0, py::arg("max_candidates") = kEndless,
        py::arg("max_gap") = kEndless, py::arg("block_size") = 0, py::arg("threads") = 1);
}

}  // namespace shac
