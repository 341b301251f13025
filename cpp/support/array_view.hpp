// Views of memory that somebody else owns: the only things that cross the border into the core.
//
// A view is a pointer and a size; it copies nothing, frees nothing, checks nothing and must not outlive its
// owner. Matrices are row-major and dense, but for rows that are only read, of either order.
//
// Views of `const T` only read and may be shared between threads; of others each thread needs its own part.
#pragma once

#include <cstddef>

namespace shac {

template <typename T>
struct ArrayView {
    T* data = nullptr;
    std::size_t size = 0;

    T& operator[](std::size_t i) const { return data[i]; }
    T* begin() const { return data; }
    T* end() const { return data + size; }
};

template <typename T>
struct MatrixView {
    T* data = nullptr;
    std::size_t rows = 0;
    std::size_t width = 0;

    T* row(std::size_t i) const { return data + i * width; }
};

/// Rows of values, row-major or column-major: value f of row i stands at
/// data[i * row_stride + f * column_stride].
struct RowsView {
    const float* data = nullptr;
    std::size_t rows = 0;
    std::size_t width = 0;
    std::size_t row_stride = 0;
    std::size_t column_stride = 1;

    static RowsView row_major(const float* data, std::size_t rows, std::size_t width) {
        return {data, rows, width, width, 1};
    }
};

}  // namespace shac
