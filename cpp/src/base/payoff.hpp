#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <limits>

#include "base/thread_pool.hpp"

namespace exemplar_svm {

/// Learns from past loops whether several threads are faster than one.
///
/// A helper saves the calling thread the helper's tasks. It costs the call, and the wait for its
/// last task to end. On busy processors that wait can take a time slice, far longer than a loop.
/// When helpers have cost more than they saved, loops run on one thread for a while, longer each
/// time, up to a second; then a loop tries again.
///
/// Threads share the balance without a lock; a lost update delays a decision by one loop.
class Payoff {
  public:
    using Clock = std::chrono::steady_clock;

    bool expects_gain() const noexcept {
        const Clock::rep resume = resume_.load(std::memory_order_relaxed);
        return resume == always || expects_gain(Clock::now());
    }
    bool expects_gain(Clock::time_point now) const noexcept {
        return now.time_since_epoch().count() >= resume_.load(std::memory_order_relaxed);
    }

    void learn(const LoopTimes& times, Clock::time_point now = Clock::now()) noexcept {
        // Tasks as long as a time slice gain from any thread. They also differ as much as whole
        // searches do, so waiting for them says nothing.
        if (times.of_task > longest_task) return;
        const double gain =
            static_cast<double>(times.n_helped) * times.of_task - times.to_call - times.waiting;
        const double balance = std::clamp(balance_.load(std::memory_order_relaxed) + gain,
                                          -most_balance, most_balance);
        balance_.store(balance, std::memory_order_relaxed);
        if (balance >= most_balance) pause_.store(shortest_pause, std::memory_order_relaxed);
        if (balance > -loss_to_bear) return;
        const double pause = pause_.load(std::memory_order_relaxed);
        pause_.store(std::min(2.0 * pause, longest_pause), std::memory_order_relaxed);
        balance_.store(0.0, std::memory_order_relaxed);
        const auto until =
            now + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(pause));
        resume_.store(until.time_since_epoch().count(), std::memory_order_relaxed);
    }

  private:
    static constexpr Clock::rep always = std::numeric_limits<Clock::rep>::min();
    static constexpr double longest_task = 2e-3;
    static constexpr double loss_to_bear = 5e-4;
    // A cap, so that gains of long ago do not count.
    static constexpr double most_balance = 2e-3;
    static constexpr double shortest_pause = 0.05, longest_pause = 1.0;

    std::atomic<double> balance_{0.0}, pause_{shortest_pause};
    std::atomic<Clock::rep> resume_{always};
};

}  // namespace exemplar_svm
