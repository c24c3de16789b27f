#pragma once

#include <cstddef>
#include <type_traits>

#include "exemplar_svm/csr_view.hpp"
#include "exemplar_svm/matrix_view.hpp"
#include "exemplar_svm/narrow_view.hpp"
#include "exemplar_svm/real.hpp"

namespace exemplar_svm {

/// The rows of an index as solvers and scans read them: vectors of T, whatever their storage.
/// Borrowed, like the views that it is made from.
///
/// Most callers need not know the storage. read(i) serves dense rows, and is cheap if
/// is_read_in_place(); the other members serve all kinds of rows. Results on narrow rows have
/// the bits of the same rows stored as T.
template <Real T>
class RowsView {
  public:
    RowsView() = default;
    RowsView(const DenseView<T>& dense) noexcept  // NOLINT(google-explicit-constructor): a view
        : rows(dense.rows), cols(dense.cols), dense_(dense) {}
    template <Narrow U>
    RowsView(const NarrowView<U>& narrow) noexcept  // NOLINT(google-explicit-constructor): a view
        : RowsView(nullptr, narrow.rows, narrow.cols, 0) {
        narrow_ = NarrowRows(narrow);
    }
    RowsView(const ScaledView& scaled) noexcept  // NOLINT(google-explicit-constructor): a view
        : RowsView(nullptr, scaled.rows, scaled.cols, 0) {
        narrow_ = NarrowRows(scaled);
    }
    /// From the members of a DenseView.
    RowsView(const T* data, std::size_t n_rows, std::size_t n_cols, std::ptrdiff_t stride) noexcept
        : RowsView(DenseView<T>{data, n_rows, n_cols, stride}) {}
    template <ColumnNumber I>
    RowsView(const CsrView<T, I>& sparse) noexcept  // NOLINT(google-explicit-constructor): a view
        : rows(sparse.rows), cols(sparse.cols), is_dense_(false), sparse_(sparse) {}

    std::size_t rows = 0;
    std::size_t cols = 0;

    /// These rows with `others`, of as many features, behind them: row `rows + i` is row i of
    /// `others`. Only for dense rows with none behind them yet.
    RowsView followed_by(const DenseView<T>& others) const noexcept;

    /// The same for sparse rows whose columns have the same type (CsrRows::with_column_type).
    /// `others` must keep the rules of CsrView, and is not checked.
    template <ColumnNumber I>
    RowsView followed_by(const CsrView<T, I, std::int64_t>& others) const noexcept;

    /// The rows without those behind them.
    RowsView first_part() const noexcept;

    /// Bytes that a scan reads per row on average, which sets the size of row blocks. Narrow rows
    /// count as rows of T, so that sums over blocks have the same bits.
    std::size_t bytes_per_row() const noexcept {
        return is_dense_ ? cols * sizeof(T) : sparse_.bytes_per_row();
    }

    /// Whether each row is cols adjacent values of T or a narrower type.
    bool is_dense() const noexcept { return is_dense_; }

    /// The rows as CsrRows; only if they are not dense.
    const CsrRows<T>& sparse() const noexcept { return sparse_; }

    /// The same view after a check of the memory as it is now.
    /// @param name  what error messages call the rows
    /// @throws std::invalid_argument for sparse rows that break the rules of CsrView
    RowsView checked(const char* name) const;

    /// Whether all rows are dense values of T, so that read(i) copies nothing.
    bool is_read_in_place() const noexcept { return is_dense_ && !narrow_; }

    /// A row in place: of rows that are read in place, or one that follows narrow rows.
    const T* row(std::size_t i) const noexcept {
        return i < dense_.rows ? dense_.row(i) : following_.row(i - dense_.rows);
    }

    /// The rows from `first` on.
    RowsView from(std::size_t first) const noexcept;

    /// Features [first, first + count) of all rows; dense rows only.
    RowsView columns(std::size_t first, std::size_t count) const noexcept;

    /// A row as cols values of T: in place if possible, else copied to `scratch`, which may be null
    /// if rows are read in place.
    const T* read(std::size_t i, T* scratch) const noexcept;

    /// The same, always copied.
    void copy(std::size_t i, T* out) const noexcept;

    /// The same, in double precision.
    void widen(std::size_t i, double* out) const noexcept;

    /// Prefetches a row.
    void prefetch(std::size_t i) const noexcept;

    /// w . x_i, in T and in double precision
    T dot(std::size_t i, const T* w) const noexcept;
    double dot_wide(std::size_t i, const double* w) const noexcept;

    /// y += alpha x_i, in T and in double precision
    void axpy(T alpha, std::size_t i, T* y) const noexcept;
    void axpy_wide(double alpha, std::size_t i, double* y) const noexcept;

    /// out[i - begin] = w . x_i for begin <= i < end. The bits of a product do not depend on the
    /// other rows of the call.
    void dot_rows(std::size_t begin, std::size_t end, const T* w, T* out) const noexcept;

    /// The same for two w at once, in one reading of the rows.
    void dot_rows_two(std::size_t begin, std::size_t end, const T* w0, const T* w1, T* out0,
                      T* out1) const noexcept;

    /// ||x_i||^2
    T squared_norm(std::size_t i) const noexcept;

    /// ||x_i - x_j||, rounded up; 0 only for equal rows
    double distance(std::size_t i, std::size_t j) const noexcept;

    /// Whether row i equals these cols values.
    bool equals(std::size_t i, const T* values) const noexcept;

  private:
    template <class Body>
    void for_each_piece(std::size_t i, Body&& body) const noexcept;

    bool is_narrow(std::size_t i) const noexcept { return narrow_ && i < dense_.rows; }

    bool is_dense_ = true;
    DenseView<T> dense_;
    NarrowRows narrow_;  // if any, stands in for dense_, which then only counts the rows
    DenseView<T> following_;
    CsrRows<T> sparse_;
};

/// RowsView as a parameter from which T is not deduced.
template <Real T>
using RowsOf = std::type_identity_t<RowsView<T>>;

}  // namespace exemplar_svm
