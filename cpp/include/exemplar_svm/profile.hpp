#pragma once

#include <chrono>

namespace exemplar_svm {

/// Where the time of a search went, in seconds.
struct SearchProfile {
    double choose = 0.0;  ///< guessing scores and choosing the working set
    double gather = 0.0;  ///< copying the working set
    double solve = 0.0;   ///< coordinate descent; the whole search if most rows are support vectors
    double scan = 0.0;    ///< scoring all rows
    double verify = 0.0;  ///< bounding scores, scoring rows in doubt again, ranking, certifying
};

/// Adds the time between its construction and destruction to a part of a profile.
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
