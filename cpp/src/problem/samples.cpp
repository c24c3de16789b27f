#include "problem/samples.hpp"

namespace exemplar_svm {

template <Real T>
double Samples<T>::squared_norm(std::size_t i) const noexcept {
    if (is_row(i)) return row_squared_norm(i);
    const RowsView<T>& examples = problem_.examples;
    const std::size_t j = i - n_rows();
    double square = 0.0;
    if (!examples.is_dense()) {
        examples.sparse().for_each_entry(j, [&](std::size_t c, T value) noexcept {
            const double x = static_cast<double>(value);
            square += x * (x - (problem_.mean == nullptr ? 0.0 : 2.0 * problem_.mean[c]));
        });
        return std::max(square + mean_square_, 0.0) + bias_square_;
    }
    constexpr std::size_t piece = 256;
    double values[piece];
    for (std::size_t first = 0; first < n_features(); first += piece) {
        const std::size_t n = std::min(piece, n_features() - first);
        examples.columns(first, n).widen(j, values);
        for (std::size_t c = 0; c < n; ++c) {
            const double x =
                values[c] - (problem_.mean == nullptr ? 0.0 : problem_.mean[first + c]);
            square += x * x;
        }
    }
    return square + bias_square_;
}

template <Real T>
void Samples<T>::widen(std::size_t i, double* out) const noexcept {
    if (is_row(i)) {
        problem_.rows.widen(i, out);
    } else {
        problem_.examples.widen(i - n_rows(), out);
    }
    subtract_mean(1.0, out);
    if (label(i) > 0.0) return;
    for (std::size_t c = 0; c < n_features(); ++c) out[c] = -out[c];
}

template <Real T>
void Samples<T>::add_squares(std::size_t i, double weight, double* squares,
                             double* scratch) const noexcept {
    const RowsView<T>& rows = is_row(i) ? problem_.rows : problem_.examples;
    if (!rows.is_dense() && problem_.mean == nullptr) {
        const std::size_t row = is_row(i) ? i : i - n_rows();
        rows.sparse().for_each_entry(row, [&](std::size_t c, T value) noexcept {
            squares[c] += weight * static_cast<double>(value) * static_cast<double>(value);
        });
        return;
    }
    widen(i, scratch);
    for (std::size_t c = 0; c < n_features(); ++c) squares[c] += weight * scratch[c] * scratch[c];
}

template <Real T>
double Samples<T>::share_in_mean(std::size_t j) const noexcept {
    double sum = 0.0;
    for (std::size_t i = n_rows(); i < count(); ++i) {
        if (label(i) > 0.0) sum += cost(i);
    }
    return label(n_rows() + j) > 0.0 ? cost(n_rows() + j) / sum : 0.0;
}

template <Real T>
void Samples<T>::copy_prior(double* w) const noexcept {
    std::fill_n(w, n_features(), 0.0);
    for (std::size_t j = 0; problem_.prior > 0.0 && j < n_examples(); ++j) {
        problem_.examples.axpy_wide(problem_.prior * share_in_mean(j), j, w);
    }
}

template class Samples<float>;
template class Samples<double>;

}  // namespace exemplar_svm
