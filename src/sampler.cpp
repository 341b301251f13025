#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bindings.hpp"
#include "sampling/plain_sampler.hpp"
#include "sampling/region_sampler.hpp"

namespace shac {
namespace {

constexpr std::array<const char*, 4> kEndNames{"count", "candidates", "gap", "stopped"};

Column make_column(const Array<std::uint64_t>& edges, const Array<float>& representatives) {
    const auto edge_view = vector_view(edges, "edges");
    const auto representative_view = vector_view(representatives, "representatives");
    return {{edge_view.begin(), edge_view.end()}, {representative_view.begin(), representative_view.end()}};
}

using Columns = std::vector<std::pair<Array<std::uint64_t>, Array<float>>>;

Space make_space(const Columns& columns, const std::vector<std::size_t>& conditional) {
    std::vector<Column> result;
    for (const auto& [edges, representatives] : columns) {
        result.push_back(make_column(edges, representatives));
    }
    for (const std::size_t column : conditional) {
        if (column >= result.size()) {
            throw py::value_error("conditional: expected columns below " + std::to_string(result.size()) +
                                  ", got " + std::to_string(column));
        }
        result[column].is_conditional = true;
    }
    return Space(std::move(result));
}

std::shared_ptr<Stage> make_stage(std::shared_ptr<Forest> forest, const Columns& columns,
                                  std::size_t max_table_bytes, const std::vector<std::size_t>& conditional) {
    Space bins = make_space(columns, conditional);
    const py::gil_scoped_release unlocked;
    return std::make_shared<Stage>(std::move(forest), std::move(bins), max_table_bytes);
}

using ConditionArguments = std::tuple<std::uint32_t, std::uint32_t, bool, Array<std::uint64_t>>;

std::shared_ptr<Conditions> make_conditions(const std::vector<ConditionArguments>& conditions,
                                            std::size_t width) {
    std::vector<Condition> result;
    for (const auto& [column, parent, holds_first, changes] : conditions) {
        const auto view = vector_view(changes, "changes");
        result.push_back({column, parent, holds_first, {view.begin(), view.end()}});
    }
    return std::make_shared<Conditions>(std::move(result), width);
}

Conditions given(const std::shared_ptr<Conditions>& conditions) {
    return conditions == nullptr ? Conditions() : *conditions;
}

/// Draws without the GIL, and gives the samples as Python takes them. `write` writes their uniforms.
template <typename Sampler, typename Write>
py::dict sample(const Sampler& sampler, std::size_t width, const SampleRequest& request, std::size_t threads,
                Write write) {
    Samples samples;
    {
        const py::gil_scoped_release unlocked;
        samples = sampler.draw(request, interruptible_workers(threads));
    }
    raise_unless(samples.end != SampleEnd::kStopped);
    const std::size_t count = samples.candidates.size();
    Array<double> uniforms({count, width});
    write(ArrayView<const std::uint64_t>{samples.candidates.data(), count},
          MatrixView<double>{uniforms.mutable_data(), count, width});
    py::dict result;
    result["candidates"] = Array<std::uint64_t>(static_cast<py::ssize_t>(count), samples.candidates.data());
    result["uniforms"] = uniforms;
    result["num_drawn"] = samples.num_drawn;
    result["rejected_by_stage"] = samples.rejected_by_stage;
    result["end"] = kEndNames.at(static_cast<std::size_t>(samples.end));
    return result;
}

std::vector<std::shared_ptr<const Stage>> constant(const std::vector<std::shared_ptr<Stage>>& stages) {
    return {stages.begin(), stages.end()};
}

/// Boxes that are left: their bins (boxes by columns by 2), masses, and whether they are accepted.
py::tuple boxes_of(const Region& region) {
    const std::size_t count = region.num_boxes();
    Array<BinIndex> bins({count, region.width(), std::size_t{2}});
    Array<double> mass(static_cast<py::ssize_t>(count));
    Array<bool> accepted(static_cast<py::ssize_t>(count));
    region.write_boxes({bins.mutable_data(), 2 * count * region.width()}, {mass.mutable_data(), count},
                       {accepted.mutable_data(), count});
    return py::make_tuple(bins, mass, accepted);
}

std::shared_ptr<Region> refined(const Region& region, std::size_t max_boxes) {
    std::shared_ptr<Region> result;
    {
        const py::gil_scoped_release unlocked;
        auto divided = region.refined(max_boxes, interruptible_workers(1).stop);
        result = divided ? std::make_shared<Region>(*std::move(divided)) : nullptr;
    }
    raise_unless(result != nullptr);
    return result;
}

std::shared_ptr<Region> extended(const Region& region, const std::shared_ptr<Stage>& stage) {
    const py::gil_scoped_release unlocked;
    return std::make_shared<Region>(region.extended(stage));
}

std::shared_ptr<Region> reordered(const Region& region, const Array<double>& share) {
    return std::make_shared<Region>(region.reordered(vector_view(share, "share")));
}

void register_region(py::module_& module) {
    py::class_<Region, std::shared_ptr<Region>>(module, "Region")
        .def(py::init([](const std::vector<std::shared_ptr<Stage>>& stages, std::size_t width,
                         std::size_t relax, const std::shared_ptr<Conditions>& conditions) {
                 const py::gil_scoped_release unlocked;
                 return std::make_shared<Region>(constant(stages), width, relax, given(conditions));
             }),
             py::arg("stages"), py::arg("width"), py::arg("relax"), py::arg("conditions") = nullptr)
        .def("refined", &refined, py::arg("max_boxes"))
        .def("extended", &extended, py::arg("stage"))
        .def("reordered", &reordered, py::arg("share"))
        .def_property_readonly("num_divided", &Region::num_divided)
        .def_property_readonly("num_undecided", &Region::num_undecided)
        .def_property_readonly("accepted_mass", &Region::accepted_mass)
        .def_property_readonly("undecided_mass", &Region::undecided_mass)
        .def_property_readonly("work", &Region::work)
        .def("volume",
             [](const Region& region) {
                 const Volume volume = region.volume();
                 return std::make_pair(volume.lower, volume.upper);
             })
        .def("boxes", &boxes_of)
        .def("edges", [](const Region& region, std::size_t column) {
            const auto& edges = region.edges(column);
            return Array<std::uint64_t>(static_cast<py::ssize_t>(edges.size()), edges.data());
        });
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
    py::class_<Conditions, std::shared_ptr<Conditions>>(module, "Conditions")
        .def(py::init(&make_conditions), py::arg("conditions"), py::arg("width"));
    py::class_<Stage, std::shared_ptr<Stage>>(module, "Stage")
        .def(py::init(&make_stage), py::arg("forest"), py::arg("columns"),
             py::arg("max_table_bytes") = kMaxTableBytes, py::arg("conditional") = std::vector<std::size_t>())
        .def_property_readonly("num_bytes", [](const Stage& stage) { return stage.quantized.num_bytes(); })
        .def_property_readonly("num_tables", [](const Stage& stage) { return stage.quantized.num_tables(); })
        .def_property_readonly("num_trees", [](const Stage& stage) { return stage.quantized.num_trees(); });
    register_region(module);
    const auto arguments = [](auto&& define, auto draw) {
        define("sample", draw, py::kw_only(), py::arg("seed"), py::arg("first_candidate") = 0,
               py::arg("count"), py::arg("relax") = 0, py::arg("max_candidates") = kEndless,
               py::arg("max_gap") = kEndless, py::arg("block_size") = 0, py::arg("threads") = 1);
    };
    py::class_<PlainSampler> plain(module, "PlainSampler");
    plain
        .def(py::init([](const std::vector<std::shared_ptr<Stage>>& stages, std::size_t width,
                         bool use_tables, const std::shared_ptr<Conditions>& conditions) {
                 const py::gil_scoped_release unlocked;
                 return std::make_unique<PlainSampler>(constant(stages), width, use_tables,
                                                       given(conditions));
             }),
             py::arg("stages"), py::arg("width"), py::arg("use_tables") = true,
             py::arg("conditions") = nullptr)
        .def_property_readonly("order", &PlainSampler::order)
        .def_property_readonly("candidate_cost", &PlainSampler::candidate_cost);
    arguments([&](auto&&... all) { plain.def(all...); },
              [](const PlainSampler& sampler, std::uint64_t seed, std::uint64_t first_candidate,
                 std::size_t count, std::size_t relax, std::uint64_t max_candidates, std::uint64_t max_gap,
                 std::size_t block_size, std::size_t threads) {
                  return sample(sampler, sampler.width(),
                                {seed, first_candidate, count, relax, max_candidates, max_gap, block_size},
                                threads, [&](auto candidates, auto uniforms) {
                                    write_uniforms(seed, sampler.conditions(), candidates, uniforms);
                                });
              });
    py::class_<RegionSampler> region(module, "RegionSampler");
    region
        .def(py::init([](const std::shared_ptr<Region>& of) { return std::make_unique<RegionSampler>(of); }),
             py::arg("region"))
        .def(
            "rejected_share",
            [](const RegionSampler& sampler, std::uint64_t seed, std::uint64_t first, std::uint64_t num_drawn,
               const Array<std::uint64_t>& passed) {
                const auto share =
                    sampler.rejected_share(seed, first, num_drawn, vector_view(passed, "passed"));
                return Array<double>(static_cast<py::ssize_t>(share.size()), share.data());
            },
            py::arg("seed"), py::arg("first"), py::arg("num_drawn"), py::arg("passed"));
    arguments([&](auto&&... all) { region.def(all...); },
              [](const RegionSampler& sampler, std::uint64_t seed, std::uint64_t first_candidate,
                 std::size_t count, std::size_t relax, std::uint64_t max_candidates, std::uint64_t max_gap,
                 std::size_t block_size, std::size_t threads) {
                  return sample(sampler, sampler.region().width(),
                                {seed, first_candidate, count, relax, max_candidates, max_gap, block_size},
                                threads, [&](auto candidates, auto uniforms) {
                                    sampler.write_uniforms(seed, candidates, uniforms);
                                });
              });
}

}  // namespace shac
