#pragma once

#include <atomic>
#include <chrono>
#include <exception>
#include <thread>

namespace exemplar_svm {

/// Thrown if a stop condition is reached and there is nothing to return, as from the constructor of
/// an index.
struct Stopped : std::exception {
    const char* what() const noexcept override { return "stopped before the end"; }
};

/// A callback that runs now and then during a search, on the thread that made the lookout. It may
/// raise the flag of a StopCondition.
class Lookout {
  public:
    Lookout(void (*look)(void* context) noexcept, void* context) noexcept
        : look_(look), context_(context) {}

    /// @param microseconds  roughly the time since the last call
    void pass(unsigned microseconds) noexcept {
        if (std::this_thread::get_id() != owner_) return;
        passed_ += microseconds;
        if (passed_ < between_looks) return;
        passed_ = 0;
        look_(context_);
    }

  private:
    // Microseconds: rare enough that a callback that only reads a clock costs nothing noticeable.
    static constexpr unsigned between_looks = 100;

    void (*look_)(void* context) noexcept;
    void* context_;
    unsigned passed_ = 0;
    std::thread::id owner_ = std::this_thread::get_id();
};

/// When a search must answer with what it has found so far: at a deadline or when the caller raises
/// a flag, whichever comes first. The default is never, and costs nothing.
struct StopCondition {
    using Clock = std::chrono::steady_clock;

    Clock::time_point deadline = Clock::time_point::max();
    /// Must outlive the search, and stay raised until it returns.
    const std::atomic<bool>* flag = nullptr;
    /// Called by reached().
    Lookout* lookout = nullptr;

    static StopCondition at(Clock::time_point deadline) noexcept { return {deadline}; }
    static StopCondition after(std::chrono::nanoseconds budget) noexcept {
        const Clock::time_point now = Clock::now();
        // Clocks count in 64 bits; a budget of centuries must not wrap around.
        return at(budget < Clock::time_point::max() - now ? now + budget
                                                          : Clock::time_point::max());
    }
    static StopCondition when(const std::atomic<bool>& flag) noexcept {
        return {Clock::time_point::max(), &flag};
    }

    bool is_set() const noexcept { return flag != nullptr || deadline != Clock::time_point::max(); }

    /// @param microseconds  roughly the time since the last call, for the lookout
    bool reached(unsigned microseconds = 1) const noexcept {
        if (lookout != nullptr) lookout->pass(microseconds);
        if (flag != nullptr && flag->load(std::memory_order_relaxed)) return true;
        return deadline != Clock::time_point::max() && Clock::now() >= deadline;
    }

    /// @throws Stopped
    void throw_if_reached() const {
        if (reached()) throw Stopped();
    }

    /// The same condition with an earlier deadline, to leave time for the work that must follow.
    StopCondition earlier_by(double seconds) const noexcept {
        if (deadline == Clock::time_point::max()) return *this;
        const auto ahead =
            std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
        // The earliest deadline must not wrap around either.
        const Clock::time_point first = Clock::time_point::min() + ahead;
        StopCondition earlier = *this;
        earlier.deadline = deadline < first ? Clock::time_point::min() : deadline - ahead;
        return earlier;
    }
};

}  // namespace exemplar_svm
