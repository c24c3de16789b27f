#include "exemplar_svm/csr_view.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <type_traits>

#include "exemplar_svm/error.hpp"
#include "kernels/dispatch.hpp"
#include "kernels/prefetch.hpp"
#include "rows/distance.hpp"

namespace exemplar_svm {
namespace {

/// Partial sums of a product, to hide the latency of an addition.
constexpr std::size_t lanes = kernels::sparse_sums;

/// Entries of a row per call of a kernel.
constexpr std::size_t run = 2048;

/// sum of values[e] * w[columns[e]] in the arithmetic of U, one run after the other.
template <Real U, Real T>
U sparse_dot(const T* values, const std::int32_t* columns, std::size_t n, const U* w) noexcept {
    const auto multiply = [&](std::size_t first, std::size_t count) noexcept {
        const auto& kernels = kernels::active_table<T>();
        if constexpr (std::is_same_v<U, T>) {
            return kernels.dot_sparse(values + first, columns + first, count, w);
        } else {
            return kernels.dot_sparse_wide(values + first, columns + first, count, w);
        }
    };
    if (n <= run) return multiply(0, n);
    U sum = 0;
    for (std::size_t first = 0; first < n; first += run) {
        sum += multiply(first, std::min(run, n - first));
    }
    return sum;
}

/// The same bits for 64-bit columns: those that fit into 32 bits are narrowed run by run. No matrix
/// with 32-bit columns holds the others: plain loops sum them, in as many parts as roundings()
/// counts.
template <Real U, Real T>
U sparse_dot(const T* values, const std::int64_t* columns, std::size_t n, const U* w) noexcept {
    U sum = 0;
    if (n > 0 && columns[n - 1] > std::numeric_limits<std::int32_t>::max()) {
        U sums[lanes] = {};
        for (std::size_t e = 0; e < n; ++e) {
            sums[e % lanes] += static_cast<U>(values[e]) * w[columns[e]];
        }
        for (const U part : sums) sum += part;
        return sum;
    }
    std::int32_t narrow[run];
    for (std::size_t first = 0; first < n; first += run) {
        const std::size_t count = std::min(run, n - first);
        std::transform(columns + first, columns + first + count, narrow,
                       [](std::int64_t column) { return static_cast<std::int32_t>(column); });
        sum += sparse_dot<U>(values + first, narrow, count, w);
    }
    return sum;
}

/// y[columns[e]] += alpha * values[e]. Columns are unique, so the order does not matter.
template <Real U, Real T, ColumnNumber I>
void sparse_axpy(U alpha, const T* values, const I* columns, std::size_t n, U* y) noexcept {
    for (std::size_t e = 0; e < n; ++e) y[columns[e]] += alpha * static_cast<U>(values[e]);
}

template <Real T, ColumnNumber I, ColumnNumber Start>
std::size_t longest_row(const CsrView<T, I, Start>& view) noexcept {
    std::size_t longest = 0;
    for (std::size_t i = 0; i < view.rows; ++i) longest = std::max(longest, view.count(i));
    return longest;
}

/// Entries of all rows.
template <Real T, ColumnNumber I, ColumnNumber Start>
std::size_t count_all(const CsrView<T, I, Start>& view) noexcept {
    return view.rows == 0 ? 0 : view.start(view.rows) - view.start(0);
}

template <Real T, ColumnNumber I, ColumnNumber Start>
void drop(CsrView<T, I, Start>& view, std::size_t n_rows) noexcept {
    view.starts += n_rows;
    view.rows -= n_rows;
}

}  // namespace

template <Real T, ColumnNumber I>
bool is_canonical(const CsrView<T, I>& view, const char* name) {
    const auto refuse = [&](std::size_t row, const std::string& problem) {
        require(false,
                std::string(name) + " has a row " + std::to_string(row) + " that " + problem);
    };
    const auto cols = static_cast<I>(view.cols);
    bool ascend = true;
    for (std::size_t i = 0; i < view.rows; ++i) {
        const I begin = view.starts[i], end = view.starts[i + 1];
        if (begin < 0 || end < begin || static_cast<std::size_t>(end) > view.entries) {
            refuse(i, "begins at entry " + std::to_string(begin) + " and ends at entry " +
                          std::to_string(end) + " of " + std::to_string(view.entries));
        }
        I before = -1;
        for (I e = begin; e < end; ++e) {
            const I column = view.columns[e];
            if (column < 0 || column >= cols) {
                refuse(i, "has an entry in column " + std::to_string(column) +
                              ", but the columns are 0 to " + std::to_string(view.cols - 1));
            }
            ascend = ascend && column > before;
            before = column;
        }
    }
    return ascend;
}

template <Real T>
template <ColumnNumber I>
CsrRows<T>::CsrRows(const CsrView<T, I>& view) noexcept
    : parts_(Parts<I>{view, {}}), longest_(longest_row(view)) {}

template <Real T>
template <ColumnNumber I>
CsrRows<T> CsrRows<T>::followed_by(const CsrView<T, I, std::int64_t>& others) const noexcept {
    CsrRows both = *this;
    std::get_if<Parts<I>>(&both.parts_)->following = others;
    both.longest_ = std::max(longest_, longest_row(others));
    return both;
}

template <Real T>
CsrRows<T> CsrRows<T>::first_part() const noexcept {
    CsrRows first = *this;
    std::visit([](auto& parts) noexcept { parts.following = {}; }, first.parts_);
    return first;
}

template <Real T>
CsrRows<T> CsrRows<T>::checked(const char* name) const {
    return std::visit(
        [&](const auto& parts) {
            require(is_canonical(parts.first, name),
                    std::string(name) +
                        " has rows whose columns do not ascend strictly: sort the "
                        "entries by column, and add up entries of the same column");
            return CsrRows(parts.first).followed_by(parts.following);
        },
        parts_);
}

template <Real T>
std::size_t CsrRows<T>::n_rows() const noexcept {
    return std::visit(
        [](const auto& parts) noexcept { return parts.first.rows + parts.following.rows; }, parts_);
}

template <Real T>
std::size_t CsrRows<T>::bytes_per_row() const noexcept {
    // Offsets count as the first part's type in both parts, so rows are cut into the same blocks
    // however they are divided.
    return std::visit(
        [this]<class I>(const Parts<I>&) noexcept {
            return sizeof(I) +
                   entries() * (sizeof(T) + sizeof(I)) / std::max<std::size_t>(n_rows(), 1);
        },
        parts_);
}

template <Real T>
double CsrRows<T>::roundings() const noexcept {
    // The entries of a partial sum, the tail added to the first sum, and two additions of the sums.
    return static_cast<double>((longest_ + lanes - 1) / lanes + lanes) + 2.0;
}

template <Real T>
std::size_t CsrRows<T>::entries() const noexcept {
    return std::visit(
        [](const auto& parts) noexcept {
            return count_all(parts.first) + count_all(parts.following);
        },
        parts_);
}

template <Real T>
CsrRows<T> CsrRows<T>::from(std::size_t first) const noexcept {
    CsrRows rest = *this;
    std::visit(
        [first](auto& parts) noexcept {
            const std::size_t n = std::min(first, parts.first.rows);
            drop(parts.first, n);
            drop(parts.following, first - n);
        },
        rest.parts_);
    return rest;
}

template <Real T>
void CsrRows<T>::prefetch(std::size_t i) const noexcept {
    with_row(i, [](const T* values, const auto* columns, std::size_t count) noexcept {
        exemplar_svm::prefetch(values, count);
        exemplar_svm::prefetch(columns, count);
    });
}

template <Real T>
T CsrRows<T>::dot(std::size_t i, const T* w) const noexcept {
    return with_row(i, [w](const T* values, const auto* columns, std::size_t count) noexcept {
        return sparse_dot<T>(values, columns, count, w);
    });
}

template <Real T>
double CsrRows<T>::dot_wide(std::size_t i, const double* w) const noexcept {
    return with_row(i, [w](const T* values, const auto* columns, std::size_t count) noexcept {
        return sparse_dot<double>(values, columns, count, w);
    });
}

template <Real T>
void CsrRows<T>::axpy(T alpha, std::size_t i, T* y) const noexcept {
    with_row(i, [alpha, y](const T* values, const auto* columns, std::size_t count) noexcept {
        sparse_axpy(alpha, values, columns, count, y);
    });
}

template <Real T>
void CsrRows<T>::axpy_wide(double alpha, std::size_t i, double* y) const noexcept {
    with_row(i, [alpha, y](const T* values, const auto* columns, std::size_t count) noexcept {
        sparse_axpy(alpha, values, columns, count, y);
    });
}

template <Real T>
void CsrRows<T>::dot_rows(std::size_t begin, std::size_t end, const T* w, T* out) const noexcept {
    for_each_part(begin, end,
                  [w, out](const auto& view, std::size_t first, std::size_t last,
                           std::size_t before) noexcept {
                      T* const products = out + before;
                      for (std::size_t i = first; i < last; ++i) {
                          products[i - first] =
                              sparse_dot<T>(view.values + view.start(i),
                                            view.columns + view.start(i), view.count(i), w);
                      }
                  });
}

template <Real T>
T CsrRows<T>::squared_norm(std::size_t i) const noexcept {
    T sums[lanes] = {};
    std::size_t e = 0;
    for_each_entry(i, [&](std::size_t, T value) { sums[e++ % lanes] += value * value; });
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

template <Real T>
double CsrRows<T>::distance(std::size_t i, std::size_t j) const noexcept {
    return with_row(i, [&](const T* a_values, const auto* a_columns, std::size_t a_end) noexcept {
        return with_row(
            j, [&](const T* b_values, const auto* b_columns, std::size_t b_end) noexcept {
                std::size_t a = 0, b = 0;
                double square = 0.0;
                bool differ = false;
                while (a < a_end || b < b_end) {
                    const bool takes_a = b == b_end || (a < a_end && a_columns[a] <= b_columns[b]);
                    const bool takes_b = a == a_end || (b < b_end && b_columns[b] <= a_columns[a]);
                    const double difference = (takes_a ? static_cast<double>(a_values[a]) : 0.0) -
                                              (takes_b ? static_cast<double>(b_values[b]) : 0.0);
                    square += difference * difference;
                    differ = differ || difference != 0.0;
                    a += takes_a ? 1 : 0;
                    b += takes_b ? 1 : 0;
                }
                return differ ? distance_at_most(square) : 0.0;
            });
    });
}

template <Real T>
bool CsrRows<T>::equals(std::size_t i, const T* values, std::size_t cols) const noexcept {
    return with_row(i, [=](const T* own, const auto* columns, std::size_t count) noexcept {
        // Compare its own entries first: nearly all rows differ there.
        for (std::size_t e = 0; e < count; ++e) {
            if (own[e] != values[columns[e]]) return false;
        }
        std::size_t c = 0;
        const auto zero_up_to = [&](std::size_t stop) noexcept {
            const T* const other =
                std::find_if(values + c, values + stop, [](T value) { return value != T(0); });
            c = stop + 1;
            return other == values + stop;
        };
        for (std::size_t e = 0; e < count; ++e) {
            if (!zero_up_to(static_cast<std::size_t>(columns[e]))) return false;
        }
        return zero_up_to(cols);
    });
}

#define EXEMPLAR_SVM_INSTANTIATE(T)                                                              \
    template class CsrRows<T>;                                                                   \
    template CsrRows<T>::CsrRows(const CsrView<T, std::int32_t>&) noexcept;                      \
    template CsrRows<T>::CsrRows(const CsrView<T, std::int64_t>&) noexcept;                      \
    template CsrRows<T> CsrRows<T>::followed_by(const CsrView<T, std::int32_t, std::int64_t>&)   \
        const noexcept;                                                                          \
    template CsrRows<T> CsrRows<T>::followed_by(const CsrView<T, std::int64_t>&) const noexcept; \
    template bool is_canonical(const CsrView<T, std::int32_t>&, const char*);                    \
    template bool is_canonical(const CsrView<T, std::int64_t>&, const char*)
EXEMPLAR_SVM_INSTANTIATE(float);
EXEMPLAR_SVM_INSTANTIATE(double);
#undef EXEMPLAR_SVM_INSTANTIATE

}  // namespace exemplar_svm
