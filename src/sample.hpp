// The method `sample`, which all samplers have alike.
#pragma once

#include <cstdint>
#include <vector>

#include "bindings.hpp"
#include "sampling/sampler.hpp"

namespace shac {

template <typename Sampler>
Samples draw_unlocked(const Sampler& sampler, const SampleRequest& request, std::size_t threads) {
    const py::gil_scoped_release unlocked;
    return sampler.draw(request, interruptible_workers(threads));
}

template <typename Sampler>
Array<double> uniforms_of(const Sampler& sampler, std::uint64_t seed,
                          const std::vector<std::uint64_t>& candidates, std::size_t threads) {
    Array<double> uniforms({candidates.size(), sampler.width()});
    const MatrixView<double> out{uniforms.mutable_data(), candidates.size(), sampler.width()};
    bool finished = false;
    {
        const py::gil_scoped_release unlocked;
        finished = sampler.write_uniforms(seed, {candidates.data(), candidates.size()}, out,
                                          interruptible_workers(threads));
    }
    raise_unless(finished);
    return uniforms;
}

template <typename Sampler>
py::dict sample(const Sampler& sampler, std::uint64_t seed, std::uint64_t first_candidate, std::size_t count,
                std::size_t relax, std::uint64_t max_candidates, std::uint64_t max_gap,
                std::size_t block_size, std::size_t threads) {
    const SampleRequest request{seed, first_candidate, count, relax, max_candidates, max_gap, block_size};
    const Samples samples = draw_unlocked(sampler, request, threads);
    raise_unless(samples.end != SampleEnd::kStopped);
    py::dict result;
    result["candidates"] = array_of(samples.candidates);
    result["uniforms"] = uniforms_of(sampler, seed, samples.candidates, threads);
    result["num_drawn"] = samples.num_drawn;
    result["rejected_by_stage"] = samples.rejected_by_stage;
    result["end"] = name_of(samples.end);
    return result;
}

template <typename Sampler>
void define_sample(py::class_<Sampler>& sampler) {
    sampler.def("sample", &sample<Sampler>, py::kw_only(), py::arg("seed"), py::arg("first_candidate") = 0,
                py::arg("count"), py::arg("relax") = 0, py::arg("max_candidates") = kEndless,
                py::arg("max_gap") = kEndless, py::arg("block_size") = 0, py::arg("threads") = 1);
}

}  // namespace shac
