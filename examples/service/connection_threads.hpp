#pragma once

#include <httplib.h>

#include <chrono>
#include <cstddef>
#include <utility>

/// Threads that serve one connection each; connections beyond their number wait for one. How long
/// is remembered, because it counts against the deadline of the connection's first request.
class ConnectionThreads : public httplib::TaskQueue {
    using Clock = std::chrono::steady_clock;

  public:
    explicit ConnectionThreads(std::size_t n_threads) : threads_(n_threads) {}

    void enqueue(std::function<void()> serve) override {
        threads_.enqueue([serve = std::move(serve), accepted = Clock::now()] {
            waited_ = Clock::now() - accepted;
            serve();
        });
    }

    void shutdown() override { threads_.shutdown(); }

    /// How long the calling thread's connection had waited; zero from the second call on.
    static Clock::duration take_wait() noexcept {
        return std::exchange(waited_, Clock::duration::zero());
    }

  private:
    static inline thread_local Clock::duration waited_{};

    httplib::ThreadPool threads_;
};
