#include "solve/prepared_examples.hpp"

#include <algorithm>

#include "problem/optimality.hpp"

namespace exemplar_svm {

template <Real T>
PreparedExamples<T>::PreparedExamples(const RowsView<T>& rows, std::size_t max_examples,
                                      std::size_t max_entries)
    : dense_(rows.is_dense() ? max_examples * rows.cols : 0),
      sparse_(rows.is_dense() ? 0 : max_examples, rows.is_dense() ? 0 : max_entries, rows.cols),
      mean_products_(max_examples),
      shifts_(max_examples),
      prior_(rows.cols),
      wide_(rows.cols) {}

template <Real T>
void PreparedExamples<T>::prepare(const Samples<T>& samples, double* example_dual) noexcept {
    const double* const mean = samples.problem().mean;
    sign(samples);
    samples.copy_prior(prior_.data());
    for (std::size_t j = 0; j < samples.n_examples(); ++j) {
        const std::size_t sample = samples.n_rows() + j;
        shifts_[j] = rows_.is_dense() ? 0.0 : samples.label(sample) * samples.means_per_row();
        mean_products_[j] = mean == nullptr ? 0.0 : rows_.dot_wide(j, mean);
        example_dual[j] = std::clamp(example_dual[j], 0.0, samples.penalty(sample).upper);
    }
    fill_block(samples, example_dual);
}

template <Real T>
void PreparedExamples<T>::sign(const Samples<T>& samples) noexcept {
    const RowsView<T>& examples = samples.problem().examples;
    const double* const mean = samples.problem().mean;
    const std::size_t n = samples.n_rows(), d = examples.cols;
    if (!examples.is_dense()) {
        sparse_.clear();
        for (std::size_t j = 0; j < examples.rows; ++j) {
            sparse_.add(examples, j, static_cast<T>(samples.label(n + j)));
        }
        rows_ = sparse_.view();
        return;
    }
    for (std::size_t j = 0; j < examples.rows; ++j) {
        const T* const given = examples.row(j);
        T* const signed_example = dense_.data() + j * d;
        const double label = samples.label(n + j);
        for (std::size_t c = 0; c < d; ++c) {
            const double shift = mean == nullptr ? 0.0 : mean[c];
            signed_example[c] = static_cast<T>(label * (static_cast<double>(given[c]) - shift));
        }
    }
    rows_ = {dense_.data(), examples.rows, d, static_cast<std::ptrdiff_t>(d)};
}

template <Real T>
void PreparedExamples<T>::fill_block(const Samples<T>& samples,
                                     const double* example_dual) noexcept {
    const std::size_t n = samples.n_rows(), p = samples.n_examples();
    if (p == 0 || p > ExampleBlock::capacity) return block_.clear();
    double gram[ExampleBlock::capacity * ExampleBlock::capacity];
    double diagonal[ExampleBlock::capacity], upper[ExampleBlock::capacity];
    for (std::size_t j = 0; j < p; ++j) {
        const Penalty bounds = samples.penalty(n + j);
        diagonal[j] = bounds.diagonal;
        upper[j] = bounds.upper;
        samples.widen(n + j, wide_.data());
        const double offset =
            samples.offset(wide_.data(), samples.label(n + j) * samples.bias_square());
        for (std::size_t l = 0; l <= j; ++l) {
            gram[j * p + l] = gram[l * p + j] = samples.product(n + l, wide_.data(), offset);
        }
    }
    block_.reset(p, gram, diagonal, upper);
    for (std::size_t j = 0; j < p; ++j) block_.set_outside(j, example_dual[j]);
    block_.fold();
}

template class PreparedExamples<float>;
template class PreparedExamples<double>;

}  // namespace exemplar_svm
