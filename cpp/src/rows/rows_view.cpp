#include "exemplar_svm/rows_view.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/dispatch.hpp"
#include "kernels/prefetch.hpp"
#include "rows/distance.hpp"

namespace exemplar_svm {
namespace {

/// Features widened at a time where there is no room for a row.
constexpr std::size_t piece = 256;

}  // namespace

/// Calls body(x, first, n) once for a row that is read in place; otherwise for piece after piece, n
/// features from `first` on.
template <Real T>
template <class Body>
void RowsView<T>::for_each_piece(std::size_t i, Body&& body) const noexcept {
    if (is_read_in_place()) return body(row(i), std::size_t{0}, cols);
    T scratch[piece];
    for (std::size_t first = 0; first < cols; first += piece) {
        const std::size_t n = std::min(piece, cols - first);
        body(columns(first, n).read(i, scratch), first, n);
    }
}

template <Real T>
RowsView<T> RowsView<T>::checked(const char* name) const {
    RowsView view = *this;
    if (!is_dense_) view.sparse_ = sparse_.checked(name);
    return view;
}

template <Real T>
RowsView<T> RowsView<T>::followed_by(const DenseView<T>& others) const noexcept {
    RowsView both = *this;
    both.following_ = others;
    both.rows = dense_.rows + others.rows;
    return both;
}

template <Real T>
template <ColumnNumber I>
RowsView<T> RowsView<T>::followed_by(const CsrView<T, I, std::int64_t>& others) const noexcept {
    RowsView both = *this;
    both.sparse_ = sparse_.followed_by(others);
    both.rows = both.sparse_.n_rows();
    return both;
}

template <Real T>
RowsView<T> RowsView<T>::first_part() const noexcept {
    RowsView first = *this;
    first.following_ = {};
    first.sparse_ = sparse_.first_part();
    first.rows = is_dense_ ? dense_.rows : first.sparse_.n_rows();
    return first;
}

template <Real T>
RowsView<T> RowsView<T>::from(std::size_t first) const noexcept {
    RowsView rest = *this;
    rest.rows = rows - first;
    if (!is_dense_) {
        rest.sparse_ = sparse_.from(first);
        return rest;
    }
    const auto drop = [](DenseView<T>& part, std::size_t n) noexcept {
        if (n > 0) part.data = part.row(n);
        part.rows -= n;
    };
    const std::size_t n_dense = std::min(first, dense_.rows);
    drop(rest.dense_, n_dense);
    drop(rest.following_, first - n_dense);
    if (narrow_) rest.narrow_ = rest.dense_.rows > 0 ? narrow_.from(n_dense) : NarrowRows{};
    return rest;
}

template <Real T>
RowsView<T> RowsView<T>::columns(std::size_t first, std::size_t count) const noexcept {
    RowsView part = *this;
    if (narrow_) part.narrow_ = narrow_.from_column(first);
    if (part.dense_.data != nullptr) part.dense_.data += first;
    if (part.following_.rows > 0) part.following_.data += first;
    part.cols = part.dense_.cols = part.following_.cols = count;
    return part;
}

template <Real T>
const T* RowsView<T>::read(std::size_t i, T* scratch) const noexcept {
    if (is_dense_ && !is_narrow(i)) return row(i);
    copy(i, scratch);
    return scratch;
}

template <Real T>
void RowsView<T>::copy(std::size_t i, T* out) const noexcept {
    if (!is_dense_) {
        std::fill_n(out, cols, T(0));
        sparse_.for_each_entry(i, [out](std::size_t c, T value) { out[c] = value; });
        return;
    }
    if (is_narrow(i)) return narrow_.copy(i, cols, out);
    std::copy_n(row(i), cols, out);
}

template <Real T>
void RowsView<T>::widen(std::size_t i, double* out) const noexcept {
    if (!is_dense_) {
        std::fill_n(out, cols, 0.0);
        sparse_.for_each_entry(i, [out](std::size_t c, T value) { out[c] = value; });
        return;
    }
    if (is_narrow(i)) return narrow_.copy(i, cols, out);
    std::copy_n(row(i), cols, out);
}

template <Real T>
void RowsView<T>::prefetch(std::size_t i) const noexcept {
    if (!is_dense_) return sparse_.prefetch(i);
    if (is_narrow(i)) return narrow_.prefetch(i, cols);
    exemplar_svm::prefetch(row(i), cols);
}

template <Real T>
T RowsView<T>::dot(std::size_t i, const T* w) const noexcept {
    if (!is_dense_) return sparse_.dot(i, w);
    if (is_narrow(i)) return narrow_.dot(i, w, cols);
    return kernels::active_table<T>().dot(w, row(i), cols);
}

template <Real T>
double RowsView<T>::dot_wide(std::size_t i, const double* w) const noexcept {
    if (!is_dense_) return sparse_.dot_wide(i, w);
    if (is_narrow(i)) return narrow_.dot(i, w, cols);
    return kernels::active_table<T>().dot_wide(w, row(i), cols);
}

template <Real T>
void RowsView<T>::axpy(T alpha, std::size_t i, T* y) const noexcept {
    if (!is_dense_) return sparse_.axpy(alpha, i, y);
    for_each_piece(i, [&](const T* x, std::size_t first, std::size_t n) noexcept {
        kernels::active_table<T>().axpy(alpha, x, y + first, n);
    });
}

template <Real T>
void RowsView<T>::axpy_wide(double alpha, std::size_t i, double* y) const noexcept {
    if (!is_dense_) return sparse_.axpy_wide(alpha, i, y);
    for_each_piece(i, [&](const T* x, std::size_t first, std::size_t n) noexcept {
        kernels::active_table<T>().axpy_wide(alpha, x, y + first, n);
    });
}

template <Real T>
void RowsView<T>::dot_rows(std::size_t begin, std::size_t end, const T* w, T* out) const noexcept {
    if (!is_dense_) return sparse_.dot_rows(begin, end, w, out);
    const auto& kernels = kernels::active_table<T>();
    const std::size_t seam = std::clamp(dense_.rows, begin, end);
    if (begin < seam && narrow_) {
        narrow_.dot_rows(begin, seam, w, cols, out);
    } else if (begin < seam) {
        kernels.dot_rows(row(begin), dense_.stride, seam - begin, w, cols, out);
    }
    if (seam < end) {
        kernels.dot_rows(row(seam), following_.stride, end - seam, w, cols, out + (seam - begin));
    }
}

template <Real T>
void RowsView<T>::dot_rows_two(std::size_t begin, std::size_t end, const T* w0, const T* w1,
                               T* out0, T* out1) const noexcept {
    if (!is_dense_) {
        sparse_.dot_rows(begin, end, w0, out0);
        sparse_.dot_rows(begin, end, w1, out1);
        return;
    }
    const auto& kernels = kernels::active_table<T>();
    const std::size_t seam = std::clamp(dense_.rows, begin, end);
    if (begin < seam && narrow_) {
        narrow_.dot_rows_two(begin, seam, w0, w1, cols, out0, out1);
    } else if (begin < seam) {
        kernels.dot_rows_two(row(begin), dense_.stride, seam - begin, w0, w1, cols, out0, out1);
    }
    if (seam < end) {
        kernels.dot_rows_two(row(seam), following_.stride, end - seam, w0, w1, cols,
                             out0 + (seam - begin), out1 + (seam - begin));
    }
}

template <Real T>
T RowsView<T>::squared_norm(std::size_t i) const noexcept {
    if (!is_dense_) return sparse_.squared_norm(i);
    if (is_narrow(i)) return narrow_.squared_norm<T>(i, cols);
    return kernels::active_table<T>().dot(row(i), row(i), cols);
}

template <Real T>
double RowsView<T>::distance(std::size_t i, std::size_t j) const noexcept {
    if (!is_dense_) return sparse_.distance(i, j);
    constexpr std::size_t lanes = 8;  // enough sums to hide the latency of an addition
    static_assert(piece % lanes == 0);
    double sums[lanes] = {};
    bool differ = false;
    for_each_piece(i, [&](const T* a, std::size_t first, std::size_t n) noexcept {
        T scratch[piece];
        const T* const b = columns(first, n).read(j, scratch);
        const auto add = [&](std::size_t lane, std::size_t c) {
            const double difference = static_cast<double>(a[c]) - static_cast<double>(b[c]);
            sums[lane] += difference * difference;
            differ = differ || difference != 0.0;
        };
        std::size_t c = 0;
        for (; c + lanes <= n; c += lanes) {
            for (std::size_t lane = 0; lane < lanes; ++lane) add(lane, c + lane);
        }
        for (; c < n; ++c) add(0, c);
    });
    return differ ? distance_at_most(std::accumulate(sums, sums + lanes, 0.0)) : 0.0;
}

template <Real T>
bool RowsView<T>::equals(std::size_t i, const T* values) const noexcept {
    if (!is_dense_) return sparse_.equals(i, values, cols);
    bool same = true;
    for_each_piece(i, [&](const T* x, std::size_t first, std::size_t n) noexcept {
        same = same && std::equal(x, x + n, values + first);
    });
    return same;
}

#define EXEMPLAR_SVM_INSTANTIATE(T)                                                              \
    template class RowsView<T>;                                                                  \
    template RowsView<T> RowsView<T>::followed_by(const CsrView<T, std::int32_t, std::int64_t>&) \
        const noexcept;                                                                          \
    template RowsView<T> RowsView<T>::followed_by(const CsrView<T, std::int64_t>&) const noexcept
EXEMPLAR_SVM_INSTANTIATE(float);
EXEMPLAR_SVM_INSTANTIATE(double);
#undef EXEMPLAR_SVM_INSTANTIATE

}  // namespace exemplar_svm
