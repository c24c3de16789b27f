#pragma once

#include <cstddef>

#include "exemplar_svm/executor.hpp"

namespace exemplar_svm {

/// The factor R'R, R upper triangular, of a symmetric positive definite matrix scaled to a unit
/// diagonal (Golub and Van Loan, Matrix Computations, section 4.2). Memory is borrowed.
class Cholesky {
  public:
    static std::size_t scratch_size(std::size_t max_order) noexcept {
        return max_order * (max_order + 1);
    }

    Cholesky() = default;
    /// @param scratch  scratch_size() values, touched as needed
    Cholesky(std::size_t max_order, double* scratch) noexcept
        : scales_(scratch), matrix_(scratch + max_order) {}

    /// Starts a new matrix. The caller writes its upper triangle: row(j)[c] for c >= j.
    void reset(std::size_t order) noexcept { order_ = order; }
    double* row(std::size_t j) noexcept { return matrix_ + j * order_; }
    std::size_t order() const noexcept { return order_; }

    /// Adds the outer products v v' of n contiguous vectors. n is a multiple of 4.
    void add(ExecutorRef executor, const double* vectors, std::size_t n) noexcept;

    /// Factorises the matrix in place. Rounding may make a pivot zero or negative.
    /// @param lowest  lower bound on the eigenvalues, to which pivots are raised. 0 for a mere
    ///                preconditioner: the diagonal is raised by the size of its rounding. A row
    ///                whose pivot is lost even so is decoupled from the others, and the
    ///                preconditioner is good in all other directions.
    void factorise(ExecutorRef executor, double lowest) noexcept;

    /// Replaces x by the inverse of the matrix times x.
    void solve(double* x) const noexcept;

  private:
    double* scales_ = nullptr;  // square roots of the diagonal
    double* matrix_ = nullptr;
    std::size_t order_ = 0;
};

}  // namespace exemplar_svm
