// Blocks of given rows: a few hundred at a time, as columns, on threads.
//
// A block is a copy of its rows in a thread's own memory, whole lanes of each column, whatever the order of
// the matrix: it fits the second-level cache, and kernels may read whole lanes. Memory: at most 4 KB a column
// and thread. Not shared between threads.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/kernels.hpp"
#include "model/forest.hpp"
#include "support/array_view.hpp"
#include "support/parallel.hpp"

namespace shac {

class RowBlock {
  public:
    /// Rows [begin, begin + size), at most kChunk.
    ColumnBlock load(const RowsView& x, std::size_t begin, std::size_t size) {
        stride_ = whole_lanes(size);
        columns_.resize(std::max(columns_.size(), x.width * stride_));
        const float* const first = x.data + begin * x.row_stride;
        if (x.row_stride == 1) {
            for (std::size_t f = 0; f < x.width; ++f) {
                std::copy_n(first + f * x.column_stride, size, columns_.data() + f * stride_);
            }
            return {columns_.data(), stride_, size};
        }
        const std::size_t whole = size / kRows * kRows;
        for (std::size_t part = 0; part < whole; part += kRows) {
            turn<kRows>(x, first + part * x.row_stride, part);
        }
        for (std::size_t row = whole; row < size; ++row) {
            turn<1>(x, first + row * x.row_stride, row);
        }
        return {columns_.data(), stride_, size};
    }

  private:
    /// Rows at a time: few enough that their values stay in the first-level cache for all columns, and a
    /// constant, for loops without branches.
    static constexpr std::size_t kRows = 16;

    template <std::size_t kCount>
    void turn(const RowsView& x, const float* rows, std::size_t begin) {
        const std::size_t stride = x.row_stride;
        for (std::size_t f = 0; f < x.width; ++f) {
            const float* const from = rows + f * x.column_stride;
            float* const to = columns_.data() + f * stride_ + begin;
            for (std::size_t i = 0; i < kCount; ++i) {
                to[i] = from[i * stride];
            }
        }
    }

    std::size_t stride_ = 0;
    std::vector<float> columns_;
};

inline void check_width(const RowsView& x, std::size_t width) {
    if (x.width != width) {
        throw std::invalid_argument("x: expected " + std::to_string(width) + " columns, got " +
                                    std::to_string(x.width));
    }
}

}  // namespace shac
