#pragma once

#include <httplib.h>

#include <chrono>
#include <cstddef>
#include <utility>

#include "connection_places.hpp"

/// Threads that serve one connection each. Further connections wait until a thread is free. The
/// wait is recorded, because it counts against the deadline of the connection's first request.
class ConnectionThreads : public httplib::TaskQueue {
    using Clock = std::chrono::steady_clock;

  public:
    ConnectionThreads(ConnectionPlaces& places, std::size_t n_threads)
        : places_(places), threads_(n_threads) {}

    /// Called by the thread that accepts connections. While it waits, new connections wait in the
    /// kernel.
    void enqueue(std::function<void()> serve) override {
        const Clock::time_point accepted = Clock::now();
        places_.take();
        threads_.enqueue([this, serve = std::move(serve), accepted] {
            waited_ = Clock::now() - accepted;
            serve();
            places_.give_back();
        });
    }

    void shutdown() override {
        places_.clear();
        threads_.shutdown();
    }

    /// How long the calling thread's connection waited; zero from the second call on.
    static Clock::duration take_wait() noexcept {
        return std::exchange(waited_, Clock::duration::zero());
    }

  private:
    static inline thread_local Clock::duration waited_{};

    ConnectionPlaces& places_;
    httplib::ThreadPool threads_;
};
