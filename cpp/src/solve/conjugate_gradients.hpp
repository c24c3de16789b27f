#pragma once

#include <cstddef>

#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/stop_condition.hpp"
#include "problem/samples.hpp"
#include "solve/example_block.hpp"
#include "solve/outcome.hpp"

namespace exemplar_svm {

/// A Newton step on the dual coefficients of many sparse rows, all negatives, while the eliminated
/// examples stay optimal. Runs conjugate gradients (Golub and Van Loan, Matrix Computations,
/// section 11.3) on the Schur complement of the examples in Q + D, preconditioned by the diagonal.
/// The matrix is never formed: a product with it is a weighted sum of the rows in double precision,
/// then the products of the rows with that sum; threads share both. Apart from their mean, sparse
/// rows have small products with each other, so few iterations suffice.
///
/// Coordinates that fall below zero are held at zero, and the others continue. More and Toraldo
/// (SIAM J. Optim. 1, 1991) take the same steps once the active bounds are known; coordinate
/// descent is better at finding these.
template <Real T>
class ConjugateGradients {
  public:
    static std::size_t scratch_size(std::size_t n_rows, std::size_t n_features) noexcept {
        return 5 * n_rows + Samples<T>::max_groups * n_features;
    }

    /// @param samples  of a problem with the squared hinge
    /// @param block    of all examples, optimal for the present dual coefficients of the rows
    /// @param rows     room for n_rows() row numbers
    /// @param scratch  scratch_size() values
    ConjugateGradients(const Samples<T>& samples, const ExampleBlock& block, ExecutorRef executor,
                       const StopCondition& stop, RowIndex* rows, double* scratch) noexcept;

    /// Adds the coordinate of a row.
    /// @param diagonal  D
    /// @param gradient  of the dual objective in this coordinate
    void add(RowIndex row, double dual, double diagonal, double gradient) noexcept;

    /// Iterates until no gradient exceeds goal.tol and the gradients add at most goal.gap to the
    /// duality gap. Hands over if many coordinates are below zero, or after goal.max_epochs
    /// iterations.
    Outcome solve(const Goal& goal) noexcept;

    std::size_t size() const noexcept { return size_; }
    RowIndex row(std::size_t s) const noexcept { return rows_[s]; }

    /// The new dual coefficient, not below zero if the goal is reached.
    double dual(std::size_t s) const noexcept { return duals_[s]; }

  private:
    /// If more than 1 / held_part of the coordinates are below zero, the active bounds are unknown.
    static constexpr std::size_t held_part = 16;

    std::size_t count_below() const noexcept;
    void hold_at_zero() noexcept;
    void multiply() noexcept;
    double sum_samples() noexcept;
    void take(double length) noexcept;
    void swap(std::size_t s, std::size_t t) noexcept;
    double curvature(std::size_t s) const noexcept;

    Samples<T> samples_;
    const ExampleBlock& block_;
    ExecutorRef executor_;
    StopCondition stop_;
    std::size_t size_ = 0;
    std::size_t n_free_ = 0;  // free coordinates come first, then those held at zero
    std::size_t n_entries_ = 0;
    RowIndex* rows_;
    // Per coordinate:
    double* duals_;
    double* diagonals_;  // D
    double* residuals_;  // minus the gradient
    double* directions_;
    double* products_;  // of the matrix with the direction
    double* sums_;      // weighted sums of samples by groups; the first becomes the sum of all
};

}  // namespace exemplar_svm
