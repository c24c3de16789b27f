#pragma once

#include <algorithm>
#include <cstddef>

#include "exemplar_svm/rows_view.hpp"
#include "kernels/dispatch.hpp"

namespace exemplar_svm {

/// Adds multiples of rows in double precision, four at a time where they are dense: the same bits
/// as one by one.
template <Real T>
class RowSum {
  public:
    /// @param sum  rows.cols values, complete after finish()
    RowSum(const RowsView<T>& rows, double* sum) noexcept : rows_(rows), sum_(sum) {}

    void add(double factor, std::size_t i) noexcept {
        if (!rows_.is_dense()) return rows_.axpy_wide(factor, i, sum_);
        factors_[n_waiting_] = factor;
        waiting_[n_waiting_] = i;
        if (++n_waiting_ == at_once) finish();
    }

    void finish() noexcept {
        if (n_waiting_ == 0) return;
        if (rows_.is_read_in_place()) {
            const T* in_place[at_once];
            for (std::size_t r = 0; r < n_waiting_; ++r) in_place[r] = rows_.row(waiting_[r]);
            add_waiting(in_place, 0, rows_.cols);
        } else {
            widen_waiting();
        }
        n_waiting_ = 0;
    }

  private:
    static constexpr std::size_t at_once = 4;

    /// Adds narrow rows, which are widened a few features at a time: they stay in cache so.
    void widen_waiting() noexcept {
        constexpr std::size_t piece = 256;
        T scratch[at_once * piece];
        for (std::size_t first = 0; first < rows_.cols; first += piece) {
            const RowsView<T> part = rows_.columns(first, std::min(piece, rows_.cols - first));
            const T* widened[at_once];
            for (std::size_t r = 0; r < n_waiting_; ++r) {
                widened[r] = part.read(waiting_[r], scratch + r * piece);
            }
            add_waiting(widened, first, part.cols);
        }
    }

    void add_waiting(const T* const* rows, std::size_t first, std::size_t n) noexcept {
        const auto& kernels = kernels::active_table<T>();
        if (n_waiting_ == at_once) return kernels.axpy_wide_four(factors_, rows, sum_ + first, n);
        for (std::size_t r = 0; r < n_waiting_; ++r) {
            kernels.axpy_wide(factors_[r], rows[r], sum_ + first, n);
        }
    }

    const RowsView<T>& rows_;
    double* sum_;
    double factors_[at_once];
    std::size_t waiting_[at_once];
    std::size_t n_waiting_ = 0;
};

}  // namespace exemplar_svm
