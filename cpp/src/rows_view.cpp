#include "exemplar_svm/rows_view.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/dispatch.hpp"
#include "prefetch.hpp"

namespace exemplar_svm {

template <Real T>
RowsView<T> RowsView<T>::checked(const char* name) const {
    RowsView view = *this;
    if (!is_dense_) view.sparse_ = sparse_.checked(name);
    return view;
}

template <Real T>
RowsView<T> RowsView<T>::from(std::size_t first) const noexcept {
    RowsView rest = *this;
    rest.rows = rest.dense_.rows = rows - first;
    if (is_dense_) {
        rest.dense_.data = dense_.row(first);
    } else {
        rest.sparse_ = sparse_.from(first);
    }
    return rest;
}

template <Real T>
RowsView<T> RowsView<T>::columns(std::size_t first, std::size_t count) const noexcept {
    RowsView part = *this;
    part.dense_.data += first;
    part.cols = part.dense_.cols = count;
    return part;
}

template <Real T>
const T* RowsView<T>::read(std::size_t i, T* scratch) const noexcept {
    if (is_dense_) return row(i);
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
    std::copy_n(row(i), cols, out);
}

template <Real T>
void RowsView<T>::widen(std::size_t i, double* out) const noexcept {
    if (!is_dense_) {
        std::fill_n(out, cols, 0.0);
        sparse_.for_each_entry(i, [out](std::size_t c, T value) { out[c] = value; });
        return;
    }
    std::copy_n(row(i), cols, out);
}

template <Real T>
void RowsView<T>::prefetch(std::size_t i) const noexcept {
    if (!is_dense_) return sparse_.prefetch(i);
    exemplar_svm::prefetch(row(i), cols);
}

template <Real T>
T RowsView<T>::dot(std::size_t i, const T* w) const noexcept {
    if (!is_dense_) return sparse_.dot(i, w);
    return kernels::active_table<T>().dot(w, row(i), cols);
}

template <Real T>
double RowsView<T>::dot_wide(std::size_t i, const double* w) const noexcept {
    if (!is_dense_) return sparse_.dot_wide(i, w);
    return kernels::active_table<T>().dot_wide(w, row(i), cols);
}

template <Real T>
void RowsView<T>::axpy(T alpha, std::size_t i, T* y) const noexcept {
    if (!is_dense_) return sparse_.axpy(alpha, i, y);
    kernels::active_table<T>().axpy(alpha, row(i), y, cols);
}

template <Real T>
void RowsView<T>::axpy_wide(double alpha, std::size_t i, double* y) const noexcept {
    if (!is_dense_) return sparse_.axpy_wide(alpha, i, y);
    kernels::active_table<T>().axpy_wide(alpha, row(i), y, cols);
}

template <Real T>
void RowsView<T>::dot_rows(std::size_t begin, std::size_t end, const T* w, T* out) const noexcept {
    if (!is_dense_) return sparse_.dot_rows(begin, end, w, out);
    kernels::active_table<T>().dot_rows(row(begin), dense_.stride, end - begin, w, cols, out);
}

template <Real T>
void RowsView<T>::dot_rows_two(std::size_t begin, std::size_t end, const T* w0, const T* w1,
                               T* out0, T* out1) const noexcept {
    if (!is_dense_) {
        sparse_.dot_rows(begin, end, w0, out0);
        sparse_.dot_rows(begin, end, w1, out1);
        return;
    }
    kernels::active_table<T>().dot_rows_two(row(begin), dense_.stride, end - begin, w0, w1, cols,
                                            out0, out1);
}

template <Real T>
T RowsView<T>::squared_norm(std::size_t i) const noexcept {
    if (!is_dense_) return sparse_.squared_norm(i);
    return kernels::active_table<T>().dot(row(i), row(i), cols);
}

template <Real T>
double RowsView<T>::distance(std::size_t i, std::size_t j) const noexcept {
    if (!is_dense_) return sparse_.distance(i, j);
    const T* const a = row(i);
    const T* const b = row(j);
    constexpr std::size_t lanes = 8;  // as many sums at once as hide the latency of an addition
    double sums[lanes] = {};
    const auto add = [&](std::size_t lane, std::size_t c) {
        const double difference = static_cast<double>(a[c]) - static_cast<double>(b[c]);
        sums[lane] += difference * difference;
    };
    std::size_t c = 0;
    for (; c + lanes <= cols; c += lanes) {
        for (std::size_t lane = 0; lane < lanes; ++lane) add(lane, c + lane);
    }
    for (; c < cols; ++c) add(0, c);
    return std::sqrt(std::accumulate(sums, sums + lanes, 0.0));
}

template <Real T>
bool RowsView<T>::equals(std::size_t i, const T* values) const noexcept {
    if (!is_dense_) return sparse_.equals(i, values);
    return std::equal(row(i), row(i) + cols, values);
}

template class RowsView<float>;
template class RowsView<double>;

}  // namespace exemplar_svm
