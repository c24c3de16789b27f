#pragma once

#include <cstddef>
#include <cstdint>

#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/problem.hpp"
#include "exemplar_svm/settings.hpp"
#include "exemplar_svm/solve_report.hpp"
#include "exemplar_svm/stop_condition.hpp"
#include "problem/samples.hpp"
#include "solve/descent_epochs.hpp"
#include "solve/descent_scratch.hpp"
#include "solve/descent_weights.hpp"
#include "solve/outcome.hpp"
#include "solve/solution.hpp"
#include "solve/verification.hpp"

namespace exemplar_svm {

/// The solver of solver.hpp. It can also stop at a rough solution and continue with more rows.
template <Real T>
class DualCoordinateDescent {
  public:
    /// Everything is borrowed.
    /// @param scores  n_rows values
    DualCoordinateDescent(const Problem<T>& problem, const SolverSettings& settings,
                          ExecutorRef executor, Start from, Solution<T>& solution,
                          DescentScratch<T>& scratch, T* scores,
                          const StopCondition& stop = {}) noexcept;
    DualCoordinateDescent(const DualCoordinateDescent&) = delete;
    DualCoordinateDescent& operator=(const DualCoordinateDescent&) = delete;

    /// Runs epochs until no visited row has a violation above tol, or until conclude() must begin.
    /// Leaves the weights in the solution. Does not verify.
    void approach(double tol) noexcept;

    /// Continues with a problem that has more rows after the present ones.
    void extend(const Problem<T>& problem) noexcept;

    /// Solves to the goal, as solve() does.
    Outcome finish(const Goal& goal, SolveReport& report) noexcept;

    /// Ends short of the goal: leaves the present weights and the scores under them. The primal
    /// objective and the gap of the report are upper bounds. Must be the last call.
    SolveReport conclude() noexcept;

    /// Estimated seconds of conclude().
    std::uint32_t epochs() const noexcept { return n_epochs_; }
    double seconds_to_conclude() const noexcept { return seconds_to_conclude_; }

  private:
    void add_rows(std::size_t begin, Start from) noexcept;
    void multiply_rows_by_examples(std::size_t first) noexcept;
    bool support_all() const noexcept;

    Outcome solve_in_rounds(SolveReport& report) noexcept;
    Outcome descend(const Goal& goal) noexcept;
    StopCondition stop_to_conclude(double seconds = 0.0) const noexcept {
        return stop_.earlier_by(seconds_to_conclude_ + seconds);
    }
    /// Whether less than `seconds` remain until conclude() must begin.
    bool has_to_conclude(double seconds = 0.0) const noexcept {
        return stop_.is_set() && stop_to_conclude(seconds).reached();
    }

    // Steps on many coordinates at once.
    bool can_use_conjugate_gradients() const noexcept;
    Outcome step_by_conjugate_gradients(const Goal& goal) noexcept;
    double epochs_before_newton(std::size_t n_inside) const noexcept;
    bool can_solve_by_newton() const noexcept;
    Outcome solve_by_newton(const Goal& goal) noexcept;

    BlockSummary verify(Accuracy accuracy) noexcept {
        return exemplar_svm::verify(samples_, weights_, accuracy, executor_,
                                    scratch_.summaries.data(), scores_);
    }

    Samples<T> samples_;
    Goal goal_;
    ExecutorRef executor_;
    Solution<T>& solution_;
    DescentScratch<T>& scratch_;
    T* scores_;
    StopCondition stop_;
    DescentWeights<T> weights_;
    DescentEpochs<T> epochs_;
    std::uint32_t n_epochs_ = 0;
    std::uint32_t since_newton_ = 0;  // epochs
    double seconds_to_conclude_ = 0.0;
    bool is_level_ = false;      // all active rows have the same dual coefficient
    bool is_exhausted_ = false;  // PrimalNewton ended at the limit of double precision
};

}  // namespace exemplar_svm
