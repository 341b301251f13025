#include "support/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

namespace shac {
namespace {

using Work = std::function<bool(std::uint64_t, std::size_t)>;

constexpr std::chrono::milliseconds kStopInterval{20};

bool run_on_calling_thread(std::uint64_t count, const std::function<bool()>& stop, const Work& work) {
    auto next_question = std::chrono::steady_clock::now() + kStopInterval;
    for (std::uint64_t block = 0; block < count && work(block, 0); ++block) {
        if (stop && std::chrono::steady_clock::now() >= next_question) {
            if (stop()) {
                return false;
            }
            next_question = std::chrono::steady_clock::now() + kStopInterval;
        }
    }
    return true;
}

class ThreadPool {
  public:
    ThreadPool(std::uint64_t count, const Work& work) : count_(count), work_(work) {}
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;
    ~ThreadPool() { stop_and_join(); }

    void start(std::size_t threads) {
        threads_.reserve(threads);
        for (std::size_t thread = 0; thread < threads; ++thread) {
            {
                const std::lock_guard<std::mutex> lock(mutex_);
                ++running_;
            }
            try {
                threads_.emplace_back([this, thread] { run(thread); });
            } catch (...) {  // the system has no more threads
                const std::lock_guard<std::mutex> lock(mutex_);
                --running_;
                throw;
            }
        }
    }

    bool wait(const std::function<bool()>& stop) {
        std::unique_lock<std::mutex> lock(mutex_);
        const auto all_done = [this] { return running_ == 0; };
        while (!changed_.wait_for(lock, kStopInterval, all_done)) {
            lock.unlock();
            if (stop && stop()) {
                stop_and_join();
                return false;
            }
            lock.lock();
        }
        if (failure_) {
            std::rethrow_exception(failure_);
        }
        return true;
    }

  private:
    void run(std::size_t thread) noexcept {
        try {
            while (!ended_.load(std::memory_order_relaxed)) {
                const std::uint64_t block = next_.fetch_add(1, std::memory_order_relaxed);
                if (block >= count_ || !work_(block, thread)) {
                    break;
                }
            }
        } catch (...) {
            const std::lock_guard<std::mutex> lock(mutex_);
            if (!failure_) {
                failure_ = std::current_exception();
            }
        }
        ended_.store(true, std::memory_order_relaxed);
        const std::lock_guard<std::mutex> lock(mutex_);
        --running_;
        changed_.notify_one();
    }

    void stop_and_join() {
        ended_.store(true, std::memory_order_relaxed);
        for (std::thread& thread : threads_) {
            if (thread.joinable()) {
                thread.join();
            }
        }
    }

    const std::uint64_t count_;
    const Work& work_;
    std::atomic<std::uint64_t> next_{0};
    std::atomic<bool> ended_{false};
    std::mutex mutex_;
    std::condition_variable changed_;
    std::size_t running_ = 0;
    std::exception_ptr failure_;
    std::vector<std::thread> threads_;
};

}  // namespace

bool run_blocks(std::uint64_t count, const Workers& workers, const Work& work) {
    if (workers.threads == 0) {
        throw std::invalid_argument("threads: expected at least 1, got 0");
    }
    const auto threads = static_cast<std::size_t>(std::min<std::uint64_t>(workers.threads, count));
    if (threads <= 1) {
        return run_on_calling_thread(count, workers.stop, work);
    }
    ThreadPool pool(count, work);
    pool.start(threads);
    return pool.wait(workers.stop);
}

}  // namespace shac
