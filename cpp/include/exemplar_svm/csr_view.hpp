#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <variant>

#include "exemplar_svm/real.hpp"

namespace exemplar_svm {

/// Types of the column numbers of sparse rows, and of the offsets where rows begin.
template <class I>
concept ColumnNumber = std::same_as<I, std::int32_t> || std::same_as<I, std::int64_t>;

/// Borrowed sparse rows in CSR form, as in scipy.sparse: never owned, never copied.
///
/// Row i has values[e] in columns[e] for starts[i] <= e < starts[i + 1], and zeros elsewhere.
/// Columns ascend strictly within a row. Callers must sort other rows first, and add up entries
/// with the same column.
template <Real T, ColumnNumber I, ColumnNumber Start = I>
struct CsrView {
    const T* values = nullptr;
    const I* columns = nullptr;
    const Start* starts = nullptr;  ///< rows + 1
    std::size_t rows = 0;
    std::size_t cols = 0;
    std::size_t entries = 0;  ///< length of `values` and `columns`

    std::size_t start(std::size_t i) const noexcept { return static_cast<std::size_t>(starts[i]); }
    std::size_t count(std::size_t i) const noexcept { return start(i + 1) - start(i); }
};

/// Whether the columns of every row ascend strictly.
/// @param name  what error messages call the rows
/// @throws std::invalid_argument, naming the row, if a row begins or ends outside the entries or a
///         column is out of range
template <Real T, ColumnNumber I>
bool is_canonical(const CsrView<T, I>& view, const char* name);

/// A CsrView with columns of either type, or two CsrViews, the rows of one behind those of the
/// other. RowsView documents the operations on rows.
template <Real T>
class CsrRows {
  public:
    CsrRows() = default;
    template <ColumnNumber I>
    explicit CsrRows(const CsrView<T, I>& view) noexcept;

    /// The first part of these rows with `others` behind it, in place of the rows behind it now.
    /// The others have as many columns, with numbers of the same type.
    template <ColumnNumber I>
    CsrRows followed_by(const CsrView<T, I, std::int64_t>& others) const noexcept;

    /// The rows without the second part.
    CsrRows first_part() const noexcept;

    /// Returns f(view) of the second part.
    template <class F>
    decltype(auto) with_following(F&& f) const {
        return std::visit([&](const auto& parts) -> decltype(auto) { return f(parts.following); },
                          parts_);
    }

    /// Returns f(I()) for the type I of the column numbers.
    template <class F>
    decltype(auto) with_column_type(F&& f) const {
        return std::visit([&]<class I>(const Parts<I>&) -> decltype(auto) { return f(I()); },
                          parts_);
    }

    /// The same view after a check of the first part. The second part is trusted.
    /// @throws std::invalid_argument for rows that break the rules of CsrView
    CsrRows checked(const char* name) const;

    std::size_t n_rows() const noexcept;
    std::size_t bytes_per_row() const noexcept;

    /// The most roundings that any entry of a row goes through in a product.
    double roundings() const noexcept;

    /// The entries of a row; a bound on those of the longest row; the entries of all rows.
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
    /// The second part may have more entries than the column type can count, so its offsets are
    /// 64-bit.
    template <class I>
    struct Parts {
        CsrView<T, I> first;
        CsrView<T, I, std::int64_t> following;
    };

    /// Returns body(values, columns, count) of a row's entries.
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

    /// Calls body(view, first, last, before) for each part with rows in [begin, end): its rows
    /// [first, last), after `before` rows of the other part.
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
