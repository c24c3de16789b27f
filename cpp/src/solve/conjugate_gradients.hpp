#pragma once

#include <cstddef>

#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/stop_condition.hpp"
#include "problem/samples.hpp"
#include "solve/example_block.hpp"
#include "solve/outcome.hpp"

namespace exemplar_svm {

/// Minimises the dual over the coordinates of many sparse rows at once, all of them negatives, the
/// eliminated examples following: a Newton step. Conjugate gradients (Golub and Van Loan, Matrix
/// Computations, section 11.3) on Q + D less the examples' Schur complement, scaled by the
/// diagonal. The matrix is never formed: a product with it is a sum of the rows in double
/// precision, and then the products of the rows with that sum, both of which threads share. The
/// rows' mean apart, products of sparse rows with each other are small, so that few are needed.
///
/// Coordinates that the minimum takes below zero are held there, and it goes on with the others.
/// More and Toraldo (SIAM J. Optim. 1, 1991) take such steps once it is known which bounds are met,
/// for which coordinate descent is better.
template <Real T>
class ConjugateGradients {
  public:
    static std::size_t scratch_size(std::size_t n_rows, std::size_t n_features) noexcept {
        return 5 * n_rows + Samples<T>::max_groups * n_features;
    }

    /// @param samples  of a problem with the squared hinge
    /// @param block    of all examples, optimal for the present coefficients of the rows
    /// @param rows     room for as many as there are
    /// @param scratch  scratch_size() values
    ConjugateGradients(const Samples<T>& samples, const ExampleBlock& block, ExecutorRef executor,
                       const StopCondition& stop, RowIndex* rows, double* scratch) noexcept;

    /// Adds the coordinate of a row.
    /// @param dual      its coefficient
    /// @param diagonal  D
    /// @param gradient  of the dual along it
    void add(RowIndex row, double dual, double diagonal, double gradient) noexcept;

    /// Until no gradient exceeds the goal's tol, and together they add at most its gap to the
    /// duality gap. Hands over if many coordinates would be below zero, or after goal.max_epochs
    /// iterations.
    Outcome solve(const Goal& goal) noexcept;

    std::size_t size() const noexcept { return size_; }
    RowIndex row(std::size_t s) const noexcept { return rows_[s]; }

    /// The new coefficient, not below zero if the goal is reached.
    double dual(std::size_t s) const noexcept { return duals_[s]; }

  private:
    /// If more than one of so many is below zero, it is not known yet which stay there.
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
    std::size_t n_free_ = 0;  // coordinates, before those that are held
    std::size_t n_entries_ = 0;
    RowIndex* rows_;
    // Per coordinate:
    double* duals_;
    double* diagonals_;  // D
    double* residuals_;  // minus the gradient
    double* directions_;
    double* products_;  // of the matrix with the direction
    // Per feature, of the samples, in groups; the first one becomes that of all:
    double* sums_;
};

}  // namespace exemplar_svm
