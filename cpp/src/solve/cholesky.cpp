#include "solve/cholesky.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/dispatch.hpp"

namespace exemplar_svm {
namespace {

/// row += sign * sum over the n vectors v of v[j] * v[j ...], for row j of an upper triangle with m
/// columns. n is a multiple of 4.
void add_products(double sign, const double* vectors, std::size_t n, std::size_t m, std::size_t j,
                  double* row) noexcept {
    const auto& kernels = kernels::active_table<double>();
    for (std::size_t r = 0; r < n; r += 4) {
        double factors[4];
        const double* values[4];
        for (std::size_t k = 0; k < 4; ++k) {
            values[k] = vectors + (r + k) * m + j;
            factors[k] = sign * *values[k];
        }
        kernels.axpy_four(factors, values, row + j, m - j);
    }
}

/// Blocks large enough for a thread each if 32 or more vectors are added to every row.
RowBlocks blocks_of(std::size_t n_rows, std::size_t order) noexcept {
    return {n_rows, order * 1024};
}

}  // namespace

void Cholesky::add(ExecutorRef executor, const double* vectors, std::size_t n) noexcept {
    for_each_block(executor, blocks_of(order_, order_),
                   [&](std::size_t begin, std::size_t end, std::size_t) noexcept {
                       for (std::size_t j = begin; j < end; ++j) {
                           add_products(1.0, vectors, n, order_, j, row(j));
                       }
                   });
}

void Cholesky::factorise(ExecutorRef executor, double lowest) noexcept {
    const auto& kernels = kernels::active_table<double>();
    for (std::size_t j = 0; j < order_; ++j) scales_[j] = std::sqrt(row(j)[j]);
    for (std::size_t j = 0; j < order_; ++j) {
        for (std::size_t c = j; c < order_; ++c) row(j)[c] /= scales_[j] * scales_[c];
    }
    const double raised =
        lowest > 0.0 ? 0.0
                     : 8.0 * std::numeric_limits<double>::epsilon() * static_cast<double>(order_);
    for (std::size_t j = 0; j < order_; ++j) row(j)[j] += raised;
    constexpr std::size_t most = 32;  // rows at a time
    for (std::size_t first = 0; first < order_; first += most) {
        const std::size_t end = std::min(first + most, order_);
        for (std::size_t k = first; k < end; ++k) {
            double* const pivots = row(k);
            for (std::size_t r = first; r < k; ++r) {
                kernels.axpy(-row(r)[k], row(r) + k, pivots + k, order_ - k);
            }
            const double least = std::max(lowest / (scales_[k] * scales_[k]), raised);
            const bool is_lost = !(pivots[k] > (lowest > 0.0 ? least : 0.125 * raised));
            const double pivot = std::sqrt(is_lost ? least : pivots[k]);
            pivots[k] = pivot;
            for (std::size_t c = k + 1; c < order_; ++c) {
                pivots[c] = is_lost && lowest <= 0.0 ? 0.0 : pivots[c] / pivot;
            }
        }
        if (end == order_) break;
        for_each_block(executor, blocks_of(order_ - end, order_),
                       [&](std::size_t begin, std::size_t stop, std::size_t) noexcept {
                           for (std::size_t j = end + begin; j < end + stop; ++j) {
                               add_products(-1.0, row(first), most, order_, j, row(j));
                           }
                       });
    }
}

void Cholesky::solve(double* x) const noexcept {
    const auto& kernels = kernels::active_table<double>();
    for (std::size_t c = 0; c < order_; ++c) x[c] /= scales_[c];
    for (std::size_t k = 0; k < order_; ++k) {
        const double* const r = matrix_ + k * order_;
        x[k] /= r[k];
        kernels.axpy(-x[k], r + k + 1, x + k + 1, order_ - k - 1);
    }
    for (std::size_t k = order_; k-- > 0;) {
        const double* const r = matrix_ + k * order_;
        x[k] = (x[k] - kernels.dot(r + k + 1, x + k + 1, order_ - k - 1)) / r[k];
    }
    for (std::size_t c = 0; c < order_; ++c) x[c] /= scales_[c];
}

}  // namespace exemplar_svm
