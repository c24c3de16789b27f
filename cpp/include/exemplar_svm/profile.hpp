#pragma once

#include <chrono>

namespace exemplar_svm {

/// Where the time of a search went, in seconds.
struct SearchProfile {
    double choose = 0.0;  ///< guessing scores and choosing the working set by them
    double gather = 0.0;  ///< copying the working set
    double solve = 0.0;   ///< coordinate descent; all of a search where most rows support
    double scan = 0.0;    ///< scoring all rows
    double verify = 0.0;  ///< bounding scores, looking again at rows in doubt, ranking, certifying
};

/// Adds the time from its making to its end to a part of a profile.
class Stopwatch {
  public:
    explicit Stopwatch(double& seconds) noexcept : seconds_(seconds) {}
    ~Stopwatch() { seconds_ += std::chrono::duration<double>(Clock::now() - started_).count(); }
    Stopwatch(const Stopwatch&) = delete;
    Stopwatch& operator=(const Stopwatch&) = delete;

  private:
    using Clock = std::chrono::steady_clock;

    double& seconds_;
    Clock::time_point started_ = Clock::now();
};

}  // namespace exemplar_svm
