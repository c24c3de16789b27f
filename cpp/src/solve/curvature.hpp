#pragma once

#include <cstddef>

namespace exemplar_svm {

/// A model D + sum_k w_k u_k u_k' of a symmetric positive definite matrix of order n. The entries
/// of the diagonal D are equal but for the last. The inverse is that of Sherman, Morrison and
/// Woodbury (Golub and Van Loan, Matrix Computations, section 2.1.4):
///
///     (D + U W U')^-1 = D^-1 - D^-1 U (W^-1 + U' D^-1 U)^-1 U' D^-1.
///
/// Memory is borrowed.
class Curvature {
  public:
    static std::size_t scratch_size(std::size_t order, std::size_t capacity) noexcept {
        return capacity * (order + capacity + 2);
    }

    /// @param scratch  scratch_size() values
    Curvature(std::size_t order, std::size_t capacity, double* scratch) noexcept
        : order_(order),
          capacity_(capacity),
          columns_(scratch),
          weights_(columns_ + capacity * order),
          products_(weights_ + capacity),
          factor_(products_ + capacity) {}

    /// Starts over with D.
    void reset(double diagonal, double last) noexcept;

    /// Adds an outer product of positive weight; beyond the capacity, replaces the last one.
    /// Returns where the caller writes the vector.
    double* add(double weight) noexcept;

    /// Call after the last add() and before solve().
    void factorise() noexcept;

    /// Replaces x by the inverse of the matrix times x.
    void solve(double* x) noexcept;

  private:
    double* column(std::size_t k) noexcept { return columns_ + k * order_; }

    std::size_t order_;
    std::size_t capacity_;
    std::size_t count_ = 0;
    double root_ = 1.0, last_root_ = 1.0;  // of the entries of D^-1
    double* columns_;                      // D^-1/2 u_k
    double* weights_;
    double* products_;
    double* factor_;  // L with L L' = W^-1 + U' D^-1 U
};

}  // namespace exemplar_svm
