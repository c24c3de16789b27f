#pragma once

#include <cstddef>

#include "exemplar_svm/rows_view.hpp"
#include "kernels/dispatch.hpp"

namespace exemplar_svm {

/// Adds multiples of rows in double precision, dense ones four at a time, with the same bits as one
/// by one.
template <Real T>
class RowSum {
  public:
    /// @param sum      rows.cols values, complete after finish()
    /// @param scratch  room for four rows, if they are not read in place; null: rows are added one
    ///         by one
    RowSum(const RowsView<T>& rows, double* sum, T* scratch = nullptr) noexcept
        : rows_(rows), sum_(sum), scratch_(scratch) {}

    void add(double factor, std::size_t i) noexcept {
        const bool is_read = rows_.is_read_in_place() || (rows_.is_dense() && scratch_ != nullptr);
        if (!is_read) return rows_.axpy_wide(factor, i, sum_);
        T* const room = scratch_ == nullptr ? nullptr : scratch_ + n_waiting_ * rows_.cols;
        factors_[n_waiting_] = factor;
        waiting_[n_waiting_] = rows_.read(i, room);
        if (++n_waiting_ < 4) return;
        kernels::active_table<T>().axpy_wide_four(factors_, waiting_, sum_, rows_.cols);
        n_waiting_ = 0;
    }

    void finish() noexcept {
        for (std::size_t r = 0; r < n_waiting_; ++r) {
            kernels::active_table<T>().axpy_wide(factors_[r], waiting_[r], sum_, rows_.cols);
        }
        n_waiting_ = 0;
    }

  private:
    const RowsView<T>& rows_;
    double* sum_;
    T* scratch_;
    double factors_[4];
    const T* waiting_[4];
    std::size_t n_waiting_ = 0;
};

}  // namespace exemplar_svm
