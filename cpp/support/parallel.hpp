// Blocks of work on threads: numbered blocks are taken in order by whichever thread is free.
//
// The calling thread does not work while others do: it waits, and asks `stop` every few milliseconds, so that
// Ctrl-C reaches a call that runs for minutes. With one thread (or one block) there are no others: the
// calling thread works and asks between blocks. No thread outlives the call. The first exception of any
// thread ends the run and is thrown to the caller.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>

namespace shac {

constexpr std::uint64_t kEndless = std::numeric_limits<std::uint64_t>::max();

struct Workers {
    std::size_t threads = 1;
    std::function<bool()> stop;  // true ends the run; called on the calling thread only; may be empty
};

/// Calls work(block, thread) for block = 0, 1, ... until `count` blocks are done or some call returns false.
/// No block is skipped: when block b has run, so have (or will have, before this returns) all blocks before
/// b, unless `workers.stop` ended the run. Returns false in that case. Throws std::invalid_argument for 0
/// threads.
bool run_blocks(std::uint64_t count, const Workers& workers,
                const std::function<bool(std::uint64_t block, std::size_t thread)>& work);

/// Calls work(begin, size, thread) for consecutive blocks of rows; false when `workers.stop` ended it.
template <typename Work>
bool for_row_blocks(std::size_t rows, std::size_t block_size, const Workers& workers, Work work) {
    const std::size_t blocks = (rows + block_size - 1) / block_size;
    return run_blocks(blocks, workers, [&](std::uint64_t block, std::size_t thread) {
        const auto begin = static_cast<std::size_t>(block) * block_size;
        work(begin, std::min(block_size, rows - begin), thread);
        return true;
    });
}

}  // namespace shac
