#pragma once

#include <cstddef>

#include "exemplar_svm/executor.hpp"

namespace exemplar_svm {

/// A symmetric positive definite matrix, scaled to a diagonal of ones, as R'R with an upper
/// triangle R (Golub and Van Loan, Matrix Computations, section 4.2). It borrows its memory.
class Cholesky {
  public:
    static std::size_t scratch_size(std::size_t max_order) noexcept {
        return max_order * (max_order + 1);
    }

    Cholesky() = default;
    /// @param scratch  scratch_size() values, touched as they are needed
    Cholesky(std::size_t max_order, double* scratch) noexcept
        : scales_(scratch), matrix_(scratch + max_order) {}

    /// Begins with a matrix, whose upper triangle is still to be written, from the diagonal on.
    void reset(std::size_t order) noexcept { order_ = order; }
    double* row(std::size_t j) noexcept { return matrix_ + j * order_; }
    std::size_t order() const noexcept { return order_; }

    /// Adds the products of n vectors of values, side by side, n being a multiple of 4.
    void add(ExecutorRef executor, const double* vectors, std::size_t n) noexcept;

    /// Decomposes it in place. Rounding may leave a pivot at zero or less.
    /// @param lowest  eigenvalue, at least: pivots are not below it. 0 for a factor that only
    /// scales:
    ///                the diagonal is raised by as much as rounding takes from it, and a row whose
    ///                pivot is lost even so has no part in the rest, so that the scaling is good in
    ///                all other directions.
    void factorise(ExecutorRef executor, double lowest) noexcept;

    /// x = the inverse of the matrix, times x
    void solve(double* x) const noexcept;

  private:
    double* scales_ = nullptr;  // square roots of the diagonal
    double* matrix_ = nullptr;
    std::size_t order_ = 0;
};

}  // namespace exemplar_svm
