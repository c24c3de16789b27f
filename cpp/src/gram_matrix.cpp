#include "gram_matrix.hpp"

#include <limits>

#include "exemplar_svm/scan.hpp"

namespace exemplar_svm {

template <Real T>
GramMatrix<T>::GramMatrix(const RowsView<T>& rows, const double* mean, ExecutorRef executor)
    : n_rows_(rows.rows), values_(rows.rows * rows.rows) {
    const std::size_t n = rows.rows, d = rows.cols;
    // With a mean m, (x_i - m).(x_j - m) = x_j.(x_i - m) - m.(x_i - m).
    const RowBlocks blocks = row_blocks(rows);
    std::vector<T> centred(blocks.count() * d);
    std::vector<double> products(blocks.count() * n);
    for_each_block(
        executor, blocks, [&](std::size_t begin, std::size_t end, std::size_t block) noexcept {
            T* const x = centred.data() + block * d;
            double* const row = products.data() + block * n;
            for (std::size_t i = begin; i < end; ++i) {
                rows.copy(i, x);
                double constant = 0.0;
                for (std::size_t c = 0; c < d; ++c) {
                    const double m = mean == nullptr ? 0.0 : mean[c];
                    x[c] = static_cast<T>(static_cast<double>(x[c]) - m);
                    constant -= static_cast<double>(x[c]) * m;
                }
                multiply_rows(rows.from(i), x, SerialExecutor{}, row);
                for (std::size_t j = i; j < n; ++j) {
                    values_[i * n + j] = values_[j * n + i] = static_cast<T>(row[j - i] + constant);
                }
            }
        });
}

template <Real T>
double GramMatrix<T>::rounding(std::size_t n_features) noexcept {
    return product_rounding_bound<T>(n_features) +
           2.0 * static_cast<double>(std::numeric_limits<T>::epsilon());
}

template class GramMatrix<float>;
template class GramMatrix<double>;

}  // namespace exemplar_svm
