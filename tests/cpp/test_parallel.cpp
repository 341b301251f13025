#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <thread>
#include <vector>

#include "support/parallel.hpp"

using shac::kEndless;
using shac::run_blocks;

TEST_CASE("every block runs once") {
    for (const std::size_t threads : {1U, 2U, 7U}) {
        for (const std::uint64_t count : {0U, 1U, 2U, 1000U}) {
            std::vector<std::atomic<int>> runs(count);
            CHECK(run_blocks(count, {threads, {}}, [&](std::uint64_t block, std::size_t thread) {
                CHECK(thread < threads);
                ++runs[block];
                return true;
            }));
            for (const auto& run : runs) {
                CHECK(run == 1);
            }
        }
    }
}

TEST_CASE("an endless run ends when a block says so, and all blocks before that one have run") {
    for (const std::size_t threads : {1U, 3U}) {
        std::vector<std::atomic<int>> runs(2000);
        CHECK(run_blocks(kEndless, {threads, {}}, [&](std::uint64_t block, std::size_t) {
            if (block < runs.size()) {
                ++runs[block];
            }
            return block < 1000;
        }));
        for (std::size_t block = 0; block <= 1000; ++block) {
            CHECK(runs[block] == 1);
        }
    }
}

TEST_CASE("the first exception of a thread reaches the caller") {
    for (const std::size_t threads : {1U, 2U, 5U}) {
        CHECK_THROWS_WITH_AS(run_blocks(kEndless, {threads, {}},
                                        [](std::uint64_t block, std::size_t) -> bool {
                                            if (block == 17) {
                                                throw std::runtime_error("block 17");
                                            }
                                            return true;
                                        }),
                             "block 17", std::runtime_error);
    }
}

TEST_CASE("a stop request ends an endless run soon") {
    for (const std::size_t threads : {1U, 2U}) {
        const auto started = std::chrono::steady_clock::now();
        const bool finished =
            run_blocks(kEndless, {threads, [] { return true; }}, [](std::uint64_t, std::size_t) {
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
                return true;
            });
        CHECK_FALSE(finished);
        CHECK(std::chrono::steady_clock::now() - started < std::chrono::seconds(5));
    }
}

TEST_CASE("an exception of the stop callback reaches the caller after all threads are gone") {
    std::atomic<int> inside{0};
    for (const std::size_t threads : {1U, 4U}) {
        CHECK_THROWS_AS(run_blocks(kEndless, {threads, []() -> bool { throw std::logic_error("stop"); }},
                                   [&](std::uint64_t, std::size_t) {
                                       ++inside;
                                       std::this_thread::sleep_for(std::chrono::milliseconds(1));
                                       --inside;
                                       return true;
                                   }),
                        std::logic_error);
        CHECK(inside == 0);
    }
}

TEST_CASE("no threads at all is an error") {
    CHECK_THROWS_AS(run_blocks(1, {0, {}}, [](std::uint64_t, std::size_t) { return true; }),
                    std::invalid_argument);
}
