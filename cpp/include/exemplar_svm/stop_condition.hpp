#pragma once

#include <atomic>
#include <chrono>

namespace exemplar_svm {

/// When a search has to answer with what it has found so far: at a time, when the caller raises a
/// flag, or at whichever comes first. The default is never, and costs nothing.
struct StopCondition {
    using Clock = std::chrono::steady_clock;

    Clock::time_point deadline = Clock::time_point::max();
    /// Must outlive the search, and stay raised until it has returned.
    const std::atomic<bool>* flag = nullptr;

    static StopCondition at(Clock::time_point deadline) noexcept { return {deadline, nullptr}; }
    static StopCondition after(std::chrono::nanoseconds budget) noexcept {
        const Clock::time_point now = Clock::now();
        // Clocks count in 64 bits: a budget of centuries must not wrap around.
        return at(budget < Clock::time_point::max() - now ? now + budget
                                                          : Clock::time_point::max());
    }
    static StopCondition when(const std::atomic<bool>& flag) noexcept {
        return {Clock::time_point::max(), &flag};
    }

    bool is_set() const noexcept { return flag != nullptr || deadline != Clock::time_point::max(); }

    bool reached() const noexcept {
        if (flag != nullptr && flag->load(std::memory_order_relaxed)) return true;
        return deadline != Clock::time_point::max() && Clock::now() >= deadline;
    }

    /// The same with the deadline moved forward, to leave time for what has to follow.
    StopCondition earlier_by(double seconds) const noexcept {
        if (deadline == Clock::time_point::max()) return *this;
        const auto ahead =
            std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
        // A deadline as early as can be must not wrap around either.
        const Clock::time_point first = Clock::time_point::min() + ahead;
        return {deadline < first ? Clock::time_point::min() : deadline - ahead, flag};
    }
};

}  // namespace exemplar_svm
