// The one place that includes pybind11: array types that cross the border, and the list of registrations.
//
// The binding translates and does nothing else: no loop, no arithmetic. A function that may take long
// releases the GIL around the core's work alone, and touches Python's objects before and after.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/array_view.hpp"
#include "support/parallel.hpp"

namespace shac {

namespace py = pybind11;

/// A dense array of exactly this dtype: Python converts, the border only checks.
template <typename T>
using Array = py::array_t<T, py::array::c_style>;

/// An array of exactly this dtype, in any order.
template <typename T>
using AnyOrder = py::array_t<T, 0>;

template <typename T>
ArrayView<const T> vector_view(const Array<T>& array, const char* name) {
    if (array.ndim() != 1) {
        throw std::invalid_argument(std::string(name) + ": expected 1 dimension, got " +
                                    std::to_string(array.ndim()));
    }
    return {array.data(), static_cast<std::size_t>(array.size())};
}

template <typename T>
MatrixView<const T> matrix_view(const Array<T>& array, const char* name) {
    if (array.ndim() != 2) {
        throw std::invalid_argument(std::string(name) + ": expected 2 dimensions, got " +
                                    std::to_string(array.ndim()));
    }
    return {array.data(), static_cast<std::size_t>(array.shape(0)), static_cast<std::size_t>(array.shape(1))};
}

/// Rows of a row-major or column-major matrix.
inline RowsView rows_view(const AnyOrder<float>& array, const char* name) {
    if (array.ndim() != 2) {
        throw std::invalid_argument(std::string(name) + ": expected 2 dimensions, got " +
                                    std::to_string(array.ndim()));
    }
    if ((array.flags() & (py::array::c_style | py::array::f_style)) == 0) {
        throw std::invalid_argument(std::string(name) + ": expected rows or columns without gaps");
    }
    const auto stride = [&array](py::ssize_t axis) {
        return static_cast<std::size_t>(array.strides(axis)) / sizeof(float);
    };
    return {array.data(), static_cast<std::size_t>(array.shape(0)), static_cast<std::size_t>(array.shape(1)),
            stride(0), stride(1)};
}

/// Workers that end when Python has a signal to handle; the caller must have released the GIL.
inline Workers interruptible_workers(std::size_t threads) {
    return {threads, [] {
                const py::gil_scoped_acquire gil;
                return PyErr_CheckSignals() != 0;
            }};
}

/// Lets the exception of the signal handler through when it ended the run.
inline void raise_unless(bool finished) {
    if (!finished) {
        throw py::error_already_set();
    }
}

/// One answer for each row, from `compute(rows, answers, workers)`, which runs without the GIL and returns
/// whether it was left to finish.
template <typename T, typename Compute>
Array<T> answer_rows(const AnyOrder<float>& x, std::size_t threads, const Compute& compute) {
    const auto rows = rows_view(x, "x");
    Array<T> answers(static_cast<py::ssize_t>(rows.rows));
    const ArrayView<T> out{answers.mutable_data(), rows.rows};
    bool finished = false;
    {
        const py::gil_scoped_release unlocked;
        finished = compute(rows, out, interruptible_workers(threads));
    }
    raise_unless(finished);
    return answers;
}

/// A copy for Python.
template <typename T>
Array<T> array_of(const std::vector<T>& values) {
    return Array<T>(static_cast<py::ssize_t>(values.size()), values.data());
}

/// Python holds no const objects; the core asks for nothing else.
template <typename T>
std::vector<std::shared_ptr<const T>> as_const(const std::vector<std::shared_ptr<T>>& objects) {
    return {objects.begin(), objects.end()};
}

// One for each header of the core that Python sees.
void register_random(py::module_& module);
void register_conditions(py::module_& module);
void register_space(py::module_& module);
void register_decision(py::module_& module);
void register_forest(py::module_& module);
void register_tree_reader(py::module_& module);
void register_cascade(py::module_& module);
void register_row_filter(py::module_& module);
void register_kernels(py::module_& module);
void register_stage(py::module_& module);
void register_plain_sampler(py::module_& module);
void register_region(py::module_& module);
void register_region_sampler(py::module_& module);
void register_encoding(py::module_& module);
void register_slice_walk(py::module_& module);
void register_rbf(py::module_& module);
void register_local_search(py::module_& module);

}  // namespace shac
