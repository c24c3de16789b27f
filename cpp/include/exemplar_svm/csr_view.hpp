#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <variant>

#include "exemplar_svm/real.hpp"

namespace exemplar_svm {

/// Types of the column numbers of sparse rows, and of the places where their rows begin.
template <class I>
concept ColumnNumber = std::same_as<I, std::int32_t> || std::same_as<I, std::int64_t>;

/// Sparse rows in somebody else's memory, compressed by rows (CSR, as scipy.sparse has it):
/// borrowed, never owned, never copied.
///
/// Row i has the values[e] in the columns[e] for starts[i] <= e < starts[i + 1], and zeros
/// elsewhere. Columns ascend strictly within a row, so that none is there twice: who has them in
/// another order sorts them and adds up what has the same column.
template <Real T, ColumnNumber I, ColumnNumber Start = I>
struct CsrView {
    const T* values = nullptr;
    const I* columns = nullptr;
    const Start* starts = nullptr;  ///< rows + 1
    std::size_t rows = 0;
    std::size_t cols = 0;
    std::size_t entries = 0;  ///< how many values and columns there are

    std::size_t start(std::size_t i) const noexcept { return static_cast<std::size_t>(starts[i]); }
    std::size_t count(std::size_t i) const noexcept { return start(i + 1) - start(i); }
};

/// Whether the columns of every row ascend strictly.
/// @param name  what the rows are called in sentences
/// @throws std::invalid_argument if a row begins or ends where there are no entries, or a column is
///         out of range: naming the row
template <Real T, ColumnNumber I>
bool is_canonical(const CsrView<T, I>& view, const char* name);

/// CsrView with columns of either type, or two of them with one's rows behind the other's, and what
/// RowsView (which see) does with its rows.
template <Real T>
class CsrRows {
  public:
    CsrRows() = default;
    template <ColumnNumber I>
    explicit CsrRows(const CsrView<T, I>& view) noexcept;

    /// These rows, and others of as many columns, whose numbers have the same type, behind them; in
    /// place of those that are behind them already.
    template <ColumnNumber I>
    CsrRows followed_by(const CsrView<T, I, std::int64_t>& others) const noexcept;

    /// The rows without those that follow.
    CsrRows first_part() const noexcept;

    /// What f(view) answers about the rows that follow.
    template <class F>
    decltype(auto) with_following(F&& f) const {
        return std::visit([&](const auto& parts) -> decltype(auto) { return f(parts.following); },
                          parts_);
    }

    /// What f(I()) answers for the type I of the column numbers.
    template <class F>
    decltype(auto) with_column_type(F&& f) const {
        return std::visit([&]<class I>(const Parts<I>&) -> decltype(auto) { return f(I()); },
                          parts_);
    }

    /// The same view, once the first part has been checked: rows that follow are as CsrView wants
    /// them.
    /// @throws std::invalid_argument unless the rows are as CsrView wants them
    CsrRows checked(const char* name) const;

    std::size_t n_rows() const noexcept;
    std::size_t bytes_per_row() const noexcept;

    /// The most roundings that an entry of a row goes through on its way into a product.
    double roundings() const noexcept;

    /// Entries of a row; at least those of the longest row; and of all rows.
    std::size_t count(std::size_t i) const noexcept {
        return with_row(i, [](const T*, const auto*, std::size_t count) noexcept { return count; });
    }
    std::size_t longest() const noexcept { return longest_; }
    std::size_t entries() const noexcept;

    /// Calls f(column, value) for every entry of a row.
    template <class F>
    void for_each_entry(std::size_t i, F&& f) const noexcept {
        with_row(i, [&f](const T* values, const auto* columns, std::size_t count) noexcept {
            for (std::size_t e = 0; e < count; ++e) {
                f(static_cast<std::size_t>(columns[e]), values[e]);
            }
        });
    }

    CsrRows from(std::size_t first) const noexcept;
    void prefetch(std::size_t i) const noexcept;
    T dot(std::size_t i, const T* w) const noexcept;
    double dot_wide(std::size_t i, const double* w) const noexcept;
    void axpy(T alpha, std::size_t i, T* y) const noexcept;
    void axpy_wide(double alpha, std::size_t i, double* y) const noexcept;
    void dot_rows(std::size_t begin, std::size_t end, const T* w, T* out) const noexcept;
    T squared_norm(std::size_t i) const noexcept;
    double distance(std::size_t i, std::size_t j) const noexcept;
    bool equals(std::size_t i, const T* values, std::size_t cols) const noexcept;

  private:
    /// Somebody's rows, and those behind them, of which there may be more entries than fit the type
    /// of their columns.
    template <class I>
    struct Parts {
        CsrView<T, I> first;
        CsrView<T, I, std::int64_t> following;
    };

    /// What body(values, columns, count) answers about the entries of a row, whatever the type of
    /// its columns.
    template <class Body>
    decltype(auto) with_row(std::size_t i, Body&& body) const noexcept {
        return std::visit(
            [&](const auto& parts) noexcept -> decltype(auto) {
                const auto visit = [&](const auto& view,
                                       std::size_t row) noexcept -> decltype(auto) {
                    const std::size_t start = view.start(row);
                    return body(view.values + start, view.columns + start, view.count(row));
                };
                const std::size_t n = parts.first.rows;
                if (i < n) [[likely]] {
                    return visit(parts.first, i);
                }
                return visit(parts.following, i - n);
            },
            parts_);
    }

    /// body(view, first, last, before) for each part that has rows from begin to end: they are its
    /// rows from first to last, and there are `before` of them in the part before.
    template <class Body>
    void for_each_part(std::size_t begin, std::size_t end, Body&& body) const noexcept {
        std::visit(
            [&](const auto& parts) noexcept {
                const std::size_t n = parts.first.rows, seam = std::clamp(n, begin, end);
                if (begin < seam) body(parts.first, begin, seam, std::size_t{0});
                if (seam < end) body(parts.following, seam - n, end - n, seam - begin);
            },
            parts_);
    }

    std::variant<Parts<std::int32_t>, Parts<std::int64_t>> parts_;
    std::size_t longest_ = 0;  // at least the entries of the longest row
};

}  // namespace exemplar_svm
