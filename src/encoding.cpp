#include "prior/encoding.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bindings.hpp"

namespace shac {
namespace {

template <typename Out, typename In>
Array<Out> each_row(const SpaceEncoding& encoding, const Array<In>& rows, const char* name,
                    std::size_t threads,
                    bool (*write)(const SpaceEncoding&, MatrixView<const In>, MatrixView<Out>,
                                  const Workers&)) {
    const auto in = matrix_view(rows, name);
    if (in.width != encoding.width()) {
        throw std::invalid_argument(std::string(name) + ": expected a column for each of the space");
    }
    Array<Out> result({in.rows, in.width});
    const MatrixView<Out> out{result.mutable_data(), in.rows, in.width};
    bool finished = false;
    {
        const py::gil_scoped_release unlocked;
        finished = write(encoding, in, out, interruptible_workers(threads));
    }
    raise_unless(finished);
    return result;
}

ColumnEncoding make_encoding(EncodingKind kind, double low, double high, double least, double most,
                             std::vector<float> encoded, std::vector<double> mass) {
    return {kind, low, high, least, most, std::move(encoded), std::move(mass)};
}

Array<std::int64_t> find_edges(const ColumnEncoding& column, const Array<float>& thresholds) {
    const auto found = vector_view(thresholds, "thresholds");
    Array<std::int64_t> edges(static_cast<py::ssize_t>(found.size));
    std::transform(found.begin(), found.end(), edges.mutable_data(), [&column](float threshold) {
        return static_cast<std::int64_t>(column.find_edge(threshold));
    });
    return edges;
}

ParentValues make_parent(std::size_t column, std::size_t parent, std::vector<float> values) {
    return {column, parent, std::move(values)};
}

}  // namespace

void register_encoding(py::module_& module) {
    py::enum_<EncodingKind>(module, "EncodingKind")
        .value("UNIFORM", EncodingKind::kUniform)
        .value("LOG_UNIFORM", EncodingKind::kLogUniform)
        .value("INTEGER", EncodingKind::kInteger)
        .value("DISCRETE", EncodingKind::kDiscrete)
        .value("LISTED", EncodingKind::kListed);
    py::class_<ColumnEncoding>(module, "ColumnEncoding")
        .def(py::init(&make_encoding), py::arg("kind"), py::arg("low"), py::arg("high"),
             py::arg("least") = 0.0, py::arg("most") = 0.0, py::arg("encoded") = std::vector<float>(),
             py::arg("mass") = std::vector<double>())
        .def("find_edges", &find_edges, py::arg("thresholds").noconvert());
    py::class_<ParentValues>(module, "ParentValues")
        .def(py::init(&make_parent), py::arg("column"), py::arg("parent"), py::arg("values"));
    py::class_<SpaceEncoding, std::shared_ptr<SpaceEncoding>>(module, "SpaceEncoding")
        .def(py::init<std::vector<ColumnEncoding>, std::vector<ParentValues>>(), py::arg("columns"),
             py::arg("parents"))
        .def_property_readonly("width", &SpaceEncoding::width)
        .def(
            "encode",
            [](const SpaceEncoding& encoding, const Array<double>& uniforms, std::size_t threads) {
                return each_row<float>(encoding, uniforms, "uniforms", threads, &encode_rows);
            },
            py::arg("uniforms").noconvert(), py::arg("threads") = 1)
        .def(
            "cdf",
            [](const SpaceEncoding& encoding, const Array<float>& encoded, std::size_t threads) {
                return each_row<double>(encoding, encoded, "encoded", threads, &cdf_of_rows);
            },
            py::arg("encoded").noconvert(), py::arg("threads") = 1)
        .def(
            "uniforms_of",
            [](const SpaceEncoding& encoding, const Array<float>& encoded, std::size_t threads) {
                return each_row<double>(encoding, encoded, "encoded", threads, &uniforms_of_rows);
            },
            py::arg("encoded").noconvert(), py::arg("threads") = 1);
}

}  // namespace shac
