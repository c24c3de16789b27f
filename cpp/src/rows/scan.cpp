#include "exemplar_svm/scan.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/dispatch.hpp"

namespace exemplar_svm {

template <Real T>
void score_block(const RowsOf<T>& rows, std::size_t begin, std::size_t end, WeightsView<T> weights,
                 T* scores) noexcept {
    rows.dot_rows(begin, end, weights.coef, scores);
    for (std::size_t i = 0; i < end - begin; ++i) {
        scores[i] = static_cast<T>(scores[i] + weights.intercept);
    }
}

template <Real T>
void score_block_together(const RowsOf<T>& rows, std::size_t begin, std::size_t end,
                          const WeightsView<T>* weights, std::size_t n_weights,
                          T* const* scores) noexcept {
    std::size_t q = 0;
    for (; q + 2 <= n_weights; q += 2) {
        T* const out[] = {scores[q] + begin, scores[q + 1] + begin};
        rows.dot_rows_two(begin, end, weights[q].coef, weights[q + 1].coef, out[0], out[1]);
        for (std::size_t two = 0; two < 2; ++two) {
            for (std::size_t i = 0; i < end - begin; ++i) {
                out[two][i] = static_cast<T>(out[two][i] + weights[q + two].intercept);
            }
        }
    }
    if (q < n_weights) score_block(rows, begin, end, weights[q], scores[q] + begin);
}

template <Real T>
void score_rows(const RowsOf<T>& rows, WeightsView<T> weights, ExecutorRef executor,
                T* scores) noexcept {
    for_each_block(executor, row_blocks(rows),
                   [&](std::size_t begin, std::size_t end, std::size_t) noexcept {
                       score_block(rows, begin, end, weights, scores + begin);
                   });
}

namespace {

constexpr std::size_t run_of_features = 128;

}  // namespace

template <Real T>
void multiply_rows(const RowsOf<T>& rows, const T* coef, ExecutorRef executor,
                   double* products) noexcept {
    for_each_block(executor, row_blocks(rows),
                   [&](std::size_t begin, std::size_t end, std::size_t) noexcept {
                       constexpr std::size_t few = 16;
                       T part[few];
                       for (std::size_t i = begin; i < end; i += few) {
                           const std::size_t n = std::min(few, end - i);
                           std::fill_n(products + i, n, 0.0);
                           for (std::size_t c = 0; c < rows.cols; c += run_of_features) {
                               const std::size_t run = std::min(run_of_features, rows.cols - c);
                               rows.columns(c, run).dot_rows(i, i + n, coef + c, part);
                               for (std::size_t r = 0; r < n; ++r) {
                                   products[i + r] += static_cast<double>(part[r]);
                               }
                           }
                       }
                   });
}

template <Real T>
double product_rounding_bound(std::size_t n_features) noexcept {
    // By Cauchy-Schwarz, the bounds of all runs add up to at most that of one run under the norms
    // over all features.
    return score_rounding_bound<T>(std::min(n_features, run_of_features)) +
           static_cast<double>(n_features / run_of_features + 1) *
               std::numeric_limits<double>::epsilon();
}

template <Real T>
void square_rows(const RowsOf<T>& rows, ExecutorRef executor, T* squares) noexcept {
    for_each_block(executor, row_blocks(rows),
                   [&](std::size_t begin, std::size_t end, std::size_t) noexcept {
                       for (std::size_t i = begin; i < end; ++i) {
                           squares[i] = rows.squared_norm(i);
                       }
                   });
}

namespace {

/// @param roundings  of a product, with those of the intercept
template <Real U>
double bound_on(double roundings) noexcept {
    const double nu = roundings * 0.5 * static_cast<double>(std::numeric_limits<U>::epsilon());
    return nu / (1.0 - nu);
}

}  // namespace

template <Real T>
double score_rounding_bound(std::size_t n_features) noexcept {
    const auto partial_sums = static_cast<double>(kernels::active_table<T>().partial_sums);
    // The products of one partial sum, the additions of the partial sums, and the intercept with
    // the last rounding.
    return bound_on<T>(std::ceil(static_cast<double>(n_features) / partial_sums) +
                       std::log2(partial_sums) + 2.0);
}

template <Real U, Real T>
double score_rounding_bound(const RowsView<T>& rows) noexcept {
    if (rows.is_dense()) return score_rounding_bound<U>(rows.cols);
    return bound_on<U>(rows.sparse().roundings() + 2.0);
}

template void score_block(const RowsView<float>&, std::size_t, std::size_t, WeightsView<float>,
                          float*) noexcept;
template void score_block(const RowsView<double>&, std::size_t, std::size_t, WeightsView<double>,
                          double*) noexcept;
template void score_block_together(const RowsView<float>&, std::size_t, std::size_t,
                                   const WeightsView<float>*, std::size_t, float* const*) noexcept;
template void score_block_together(const RowsView<double>&, std::size_t, std::size_t,
                                   const WeightsView<double>*, std::size_t,
                                   double* const*) noexcept;
template void score_rows(const RowsView<float>&, WeightsView<float>, ExecutorRef, float*) noexcept;
template void score_rows(const RowsView<double>&, WeightsView<double>, ExecutorRef,
                         double*) noexcept;
template void multiply_rows(const RowsView<float>&, const float*, ExecutorRef, double*) noexcept;
template void multiply_rows(const RowsView<double>&, const double*, ExecutorRef, double*) noexcept;
template double product_rounding_bound<float>(std::size_t) noexcept;
template double product_rounding_bound<double>(std::size_t) noexcept;
template void square_rows(const RowsView<float>&, ExecutorRef, float*) noexcept;
template void square_rows(const RowsView<double>&, ExecutorRef, double*) noexcept;
template double score_rounding_bound<float>(std::size_t) noexcept;
template double score_rounding_bound<double>(std::size_t) noexcept;
template double score_rounding_bound<float>(const RowsView<float>&) noexcept;
template double score_rounding_bound<double>(const RowsView<float>&) noexcept;
template double score_rounding_bound<double>(const RowsView<double>&) noexcept;

}  // namespace exemplar_svm
