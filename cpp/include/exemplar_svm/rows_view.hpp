#pragma once

#include <cstddef>
#include <type_traits>

#include "exemplar_svm/csr_view.hpp"
#include "exemplar_svm/matrix_view.hpp"
#include "exemplar_svm/narrow_view.hpp"
#include "exemplar_svm/real.hpp"

namespace exemplar_svm {

/// The rows of an index as solvers and scans read them: as vectors of T, however they are stored.
/// Borrowed, like the views that it is made from.
///
/// This is the one place that knows how rows are stored. Where rows are dense, read(i) is cheap,
/// and several of them can be handed to a kernel at a time; everything else goes through the other
/// members, which serve all kinds of rows. Whatever is computed of narrow rows has the bits that
/// the same rows as T give.
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
    /// Of a DenseView of these.
    RowsView(const T* data, std::size_t n_rows, std::size_t n_cols, std::ptrdiff_t stride) noexcept
        : RowsView(DenseView<T>{data, n_rows, n_cols, stride}) {}
    template <ColumnNumber I>
    RowsView(const CsrView<T, I>& sparse) noexcept  // NOLINT(google-explicit-constructor): a view
        : rows(sparse.rows), cols(sparse.cols), is_dense_(false), sparse_(sparse) {}

    std::size_t rows = 0;
    std::size_t cols = 0;

    /// These rows, and others of as many features behind them: row rows + i is row i of those.
    /// Only of dense rows that have none behind them yet.
    RowsView followed_by(const DenseView<T>& others) const noexcept;

    /// The same of sparse rows, whose columns are numbered with the same type
    /// (CsrRows::with_column_type). The others are not checked: they are as CsrView wants them.
    template <ColumnNumber I>
    RowsView followed_by(const CsrView<T, I, std::int64_t>& others) const noexcept;

    /// The rows without those that follow.
    RowsView first_part() const noexcept;

    /// Bytes that a scan reads per row, on average, by which rows are cut into blocks: of narrow
    /// rows those of T, so that what is summed by blocks has the same bits.
    std::size_t bytes_per_row() const noexcept {
        return is_dense_ ? cols * sizeof(T) : sparse_.bytes_per_row();
    }

    /// Whether rows lie in memory as cols values side by side, of T or narrower.
    bool is_dense() const noexcept { return is_dense_; }

    /// Rows that are not dense, with what only sparse ones can be asked for.
    const CsrRows<T>& sparse() const noexcept { return sparse_; }

    /// The same view, once what searches rely on has been checked in memory as it is now.
    /// @param name  what the rows are called in sentences
    /// @throws std::invalid_argument for sparse rows that are not as CsrView wants them
    RowsView checked(const char* name) const;

    /// Whether all of these are values of T, which read(i) finds where they lie.
    bool is_read_in_place() const noexcept { return is_dense_ && !narrow_; }

    /// A row where it lies; of rows that are read in place, and of those that follow narrow ones.
    const T* row(std::size_t i) const noexcept {
        return i < dense_.rows ? dense_.row(i) : following_.row(i - dense_.rows);
    }

    /// The rows from `first` on.
    RowsView from(std::size_t first) const noexcept;

    /// Some of the features of all rows; of dense rows only.
    RowsView columns(std::size_t first, std::size_t count) const noexcept;

    /// A row as cols values of T: where it lies if that can be, or else in `scratch`, which has
    /// room for it (and may be null if rows are read in place).
    const T* read(std::size_t i, T* scratch) const noexcept;

    /// The same, always copied.
    void copy(std::size_t i, T* out) const noexcept;

    /// The same, into double precision.
    void widen(std::size_t i, double* out) const noexcept;

    /// Asks for a row that will be read soon.
    void prefetch(std::size_t i) const noexcept;

    /// w . x_i, and in double precision
    T dot(std::size_t i, const T* w) const noexcept;
    double dot_wide(std::size_t i, const double* w) const noexcept;

    /// y += alpha x_i, and in double precision
    void axpy(T alpha, std::size_t i, T* y) const noexcept;
    void axpy_wide(double alpha, std::size_t i, double* y) const noexcept;

    /// out[i - begin] = w . x_i for begin <= i < end: the same bits for a row whichever rows are
    /// multiplied with it.
    void dot_rows(std::size_t begin, std::size_t end, const T* w, T* out) const noexcept;

    /// The same for two w at once, for one reading of the rows.
    void dot_rows_two(std::size_t begin, std::size_t end, const T* w0, const T* w1, T* out0,
                      T* out1) const noexcept;

    /// ||x_i||^2
    T squared_norm(std::size_t i) const noexcept;

    /// ||x_i - x_j||, or a little more; 0 for equal rows alone
    double distance(std::size_t i, std::size_t j) const noexcept;

    /// Whether a row has these cols values.
    bool equals(std::size_t i, const T* values) const noexcept;

  private:
    template <class Body>
    void for_each_piece(std::size_t i, Body&& body) const noexcept;

    bool is_narrow(std::size_t i) const noexcept { return narrow_ && i < dense_.rows; }

    bool is_dense_ = true;
    DenseView<T> dense_;
    NarrowRows narrow_;  // if there are any, in place of dense_, which then has their number alone
    DenseView<T> following_;
    CsrRows<T> sparse_;
};

/// Rows of any kind, as an argument where another argument tells T.
template <Real T>
using RowsOf = std::type_identity_t<RowsView<T>>;

}  // namespace exemplar_svm
