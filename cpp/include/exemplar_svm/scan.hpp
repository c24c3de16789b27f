#pragma once

#include <cmath>
#include <cstddef>
#include <limits>

#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/rows_view.hpp"
#include "exemplar_svm/top_k.hpp"
#include "exemplar_svm/weights.hpp"

namespace exemplar_svm {

/// The blocks of every scan of these rows.
template <Real T>
RowBlocks row_blocks(const RowsView<T>& rows) noexcept {
    return {rows.rows, rows.bytes_per_row()};
}

/// scores[i - begin] = coef . x_i + intercept for begin <= i < end. The bits of a score do not
/// depend on the other rows of the call.
template <Real T>
void score_block(const RowsOf<T>& rows, std::size_t begin, std::size_t end, WeightsView<T> weights,
                 T* scores) noexcept;

/// score_block under several weights, scores[q] for weights[q], with the same bits and one reading
/// of the rows from memory.
template <Real T>
void score_block_together(const RowsOf<T>& rows, std::size_t begin, std::size_t end,
                          const WeightsView<T>* weights, std::size_t n_weights,
                          T* const* scores) noexcept;

/// scores[i] = coef . x_i + intercept for every row.
template <Real T>
void score_rows(const RowsOf<T>& rows, WeightsView<T> weights, ExecutorRef executor,
                T* scores) noexcept;

/// products[i] = coef . x_i for every row. Short runs of features are summed in T, the sums of runs
/// in double precision: nearly as fast as score_rows, and far more accurate on many features.
template <Real T>
void multiply_rows(const RowsOf<T>& rows, const T* coef, ExecutorRef executor,
                   double* products) noexcept;

/// Bound on |computed - exact| / (||coef|| ||x||) for multiply_rows.
template <Real T>
double product_rounding_bound(std::size_t n_features) noexcept;

/// squares[i] = ||x_i||^2.
template <Real T>
void square_rows(const RowsOf<T>& rows, ExecutorRef executor, T* squares) noexcept;

/// Bound on |computed - exact| / (||coef|| ||x||) for a score of n_features products: n roundings
/// of unit roundoff u contribute at most n u / (1 - n u) (Higham, Accuracy and Stability of
/// Numerical Algorithms, 2002, section 3.1), and each partial sum of a kernel sees only its share.
template <Real T>
double score_rounding_bound(std::size_t n_features) noexcept;

/// The same for the products of these rows (of sparse rows, those of their entries), summed in the
/// arithmetic of U: T or double precision.
template <Real U, Real T>
double score_rounding_bound(const RowsView<T>& rows) noexcept;

/// Bound on |computed - exact| for a score.
/// @param norms  ||coef|| ||x||
template <Real U, Real T>
double score_rounding_bound(const RowsView<T>& rows, double norms, double intercept) noexcept {
    return score_rounding_bound<U>(rows) * norms +
           static_cast<double>(std::numeric_limits<U>::epsilon()) * std::abs(intercept);
}

/// Offers the scored rows of one block, skipping those that cannot enter the ranking.
template <Real T>
void offer_block(const T* scores, std::size_t begin, std::size_t end, TopK<T>& ranking) noexcept {
    T threshold = ranking.threshold();
    for (std::size_t i = begin; i < end; ++i) {
        if (scores[i] >= threshold) {
            ranking.offer(scores[i], static_cast<RowNumber>(i));
            threshold = ranking.threshold();
        }
    }
}

}  // namespace exemplar_svm
