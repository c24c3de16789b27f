#pragma once

#include <atomic>
#include <chrono>
#include <exception>
#include <thread>

namespace exemplar_svm {

/// Thrown where a stop condition is reached and there is nothing to return: an index that is not
/// complete.
struct Stopped : std::exception {
    const char* what() const noexcept override { return "stopped before the end"; }
};

/// A look at the world outside, now and then during a search, by the thread that has begun it: what
/// it sees may raise the flag of a StopCondition.
class Lookout {
  public:
    /// To be made by that thread.
    Lookout(void (*look)(void* context) noexcept, void* context) noexcept
        : look_(look), context_(context) {}

    /// @param microseconds  that have passed since the last call, more or less
    void pass(unsigned microseconds) noexcept {
        if (std::this_thread::get_id() != owner_) return;
        passed_ += microseconds;
        if (passed_ < between_looks) return;
        passed_ = 0;
        look_(context_);
    }

  private:
    // A look that only reads a clock does not matter then.
    static constexpr unsigned between_looks = 100;

    void (*look_)(void* context) noexcept;
    void* context_;
    unsigned passed_ = 0;
    std::thread::id owner_ = std::this_thread::get_id();
};

/// When a search has to answer with what it has found so far: at a time, when the caller raises a
/// flag, or at whichever comes first. The default is never, and costs nothing.
struct StopCondition {
    using Clock = std::chrono::steady_clock;

    Clock::time_point deadline = Clock::time_point::max();
    /// Must outlive the search, and stay raised until it has returned.
    const std::atomic<bool>* flag = nullptr;
    /// Told whenever a thread asks whether to stop.
    Lookout* lookout = nullptr;

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

    bool is_set() const noexcept { return flag != nullptr || deadline != Clock::time_point::max(); }

    /// @param microseconds  that have passed since the last time, more or less; for the lookout
    bool reached(unsigned microseconds = 1) const noexcept {
        if (lookout != nullptr) lookout->pass(microseconds);
        if (flag != nullptr && flag->load(std::memory_order_relaxed)) return true;
        return deadline != Clock::time_point::max() && Clock::now() >= deadline;
    }

    /// @throws Stopped
    void throw_if_reached() const {
        if (reached()) throw Stopped();
    }

    /// The same with the deadline moved forward, to leave time for what has to follow.
    StopCondition earlier_by(double seconds) const noexcept {
        if (deadline == Clock::time_point::max()) return *this;
        const auto ahead =
            std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
        // A deadline as early as can be must not wrap around either.
        const Clock::time_point first = Clock::time_point::min() + ahead;
        StopCondition earlier = *this;
        earlier.deadline = deadline < first ? Clock::time_point::min() : deadline - ahead;
        return earlier;
    }
};

}  // namespace exemplar_svm
