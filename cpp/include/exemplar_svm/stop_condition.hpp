#pragma once

#include <atomic>
#include <chrono>
#include <exception>

namespace exemplar_svm {

/// Thrown where a stop condition is reached and there is nothing to return: an index that is not
/// complete.
struct Stopped : std::exception {
    const char* what() const noexcept override { return "stopped before the end"; }
};

/// When a search has to answer with what it has found so far: at a time, when the caller raises a
/// flag or says so, or at whichever comes first. The default is never, and costs nothing.
struct StopCondition {
    using Clock = std::chrono::steady_clock;

    Clock::time_point deadline = Clock::time_point::max();
    /// Must outlive the search, and stay raised until it has returned.
    const std::atomic<bool>* flag = nullptr;
    /// Asked often, by any of the threads that search: whether to stop, and then for ever.
    bool (*says_stop)(void* context) noexcept = nullptr;
    void* context = nullptr;

    static StopCondition at(Clock::time_point deadline) noexcept { return {deadline}; }
    static StopCondition after(std::chrono::nanoseconds budget) noexcept {
        const Clock::time_point now = Clock::now();
        // Clocks count in 64 bits: a budget of centuries must not wrap around.
        return at(budget < Clock::time_point::max() - now ? now + budget
                                                          : Clock::time_point::max());
    }
    static StopCondition when(const std::atomic<bool>& flag) noexcept {
        return {Clock::time_point::max(), &flag};
    }

    bool is_set() const noexcept {
        return flag != nullptr || says_stop != nullptr || deadline != Clock::time_point::max();
    }

    bool reached() const noexcept {
        if (flag != nullptr && flag->load(std::memory_order_relaxed)) return true;
        if (says_stop != nullptr && says_stop(context)) return true;
        return deadline != Clock::time_point::max() && Clock::now() >= deadline;
    }

    /// @throws Stopped
    void throw_if_reached() const {
        if (reached()) throw Stopped();
    }

    /// The same with the deadline moved forward, to leave time for what has to follow.
    StopCondition earlier_by(double seconds) const noexcept {
        if (deadline == Clock::time_point::max()) return *this;
        const std::chrono::duration<double> ahead(seconds);
        StopCondition earlier = *this;
        earlier.deadline -= std::chrono::duration_cast<Clock::duration>(ahead);
        return earlier;
    }
};

}  // namespace exemplar_svm
