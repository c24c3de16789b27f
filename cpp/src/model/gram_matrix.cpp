#include "model/gram_matrix.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "exemplar_svm/error.hpp"
#include "exemplar_svm/scan.hpp"

namespace exemplar_svm {

template <Real T>
GramMatrix<T>::GramMatrix(const RowsView<T>& rows, const double* mean, ExecutorRef executor) {
    extend(rows, mean, executor);
}

template <Real T>
void GramMatrix<T>::extend(const RowsView<T>& rows, const double* mean, ExecutorRef executor,
                           const StopCondition& stop) {
    const std::size_t n_before = n_rows_, n = rows.rows, d = rows.cols;
    if (n == n_before) return;
    Buffer<T> products;
    T* const values = products.extend(n * n);
    for (std::size_t i = 0; i < n_before; ++i) std::copy_n(row(i), n_before, values + i * n);
    // With a mean m, (x_i - m).(x_j - m) = x_j.(x_i - m) - m.(x_i - m).
    const RowBlocks blocks = row_blocks(rows);
    std::vector<T> centred(blocks.count() * d);
    std::vector<double> scratch(blocks.count() * n);
    for_each_block(executor, blocks,
                   [&](std::size_t begin, std::size_t end, std::size_t block) noexcept {
                       T* const x = centred.data() + block * d;
                       double* const row = scratch.data() + block * n;
                       for (std::size_t i = begin; i < end && !stop.reached(50); ++i) {
                           rows.copy(i, x);
                           double constant = 0.0;
                           for (std::size_t c = 0; c < d; ++c) {
                               const double m = mean == nullptr ? 0.0 : mean[c];
                               x[c] = static_cast<T>(static_cast<double>(x[c]) - m);
                               constant -= static_cast<double>(x[c]) * m;
                           }
                           // Rounding makes centred products asymmetric. Each row of the matrix is
                           // computed on its own, so that equal rows have equal columns.
                           const std::size_t first = mean == nullptr ? std::max(i, n_before) : 0;
                           multiply_rows(rows.from(first), x, SerialExecutor{}, row);
                           for (std::size_t j = first; j < n; ++j) {
                               const auto product = static_cast<T>(row[j - first] + constant);
                               values[i * n + j] = product;
                               if (mean == nullptr) values[j * n + i] = product;
                           }
                       }
                   });
    values_ = std::move(products);
    n_rows_ = n;
}

template <Real T>
void GramMatrix<T>::require_valid(std::size_t n_rows) {
    n_rows_ = n_rows;
    require(n_rows <= max_gram_rows && values_.size() == n_rows * n_rows,
            "gram has " + std::to_string(values_.size()) + " products, which do not fit " +
                std::to_string(n_rows) + " rows");
}

template <Real T>
double GramMatrix<T>::rounding(std::size_t n_features) noexcept {
    return product_rounding_bound<T>(n_features) +
           2.0 * static_cast<double>(std::numeric_limits<T>::epsilon());
}

template class GramMatrix<float>;
template class GramMatrix<double>;

}  // namespace exemplar_svm
