#include "solve/prepared_examples.hpp"

#include <algorithm>

#include "problem/optimality.hpp"

namespace exemplar_svm {

template <Real T>
PreparedExamples<T>::PreparedExamples(const RowsView<T>& rows, std::size_t max_examples,
                                      std::size_t max_entries)
    : signed_(rows, max_examples, max_entries),
      mean_products_(max_examples),
      shifts_(max_examples),
      prior_(rows.cols),
      wide_(rows.cols) {}

template <Real T>
void PreparedExamples<T>::prepare(const Samples<T>& samples, double* example_dual) noexcept {
    const Problem<T>& problem = samples.problem();
    const std::size_t n = samples.n_rows(), p = samples.n_examples();
    signed_.clear();
    for (std::size_t j = 0; j < p; ++j) {
        signed_.add_signed(problem.examples, j, samples.label(n + j), problem.mean);
    }
    rows_ = signed_.view();
    samples.copy_prior(prior_.data());
    for (std::size_t j = 0; j < p; ++j) {
        shifts_[j] = rows_.is_dense() ? 0.0 : samples.label(n + j) * samples.means_per_row();
        mean_products_[j] = samples.is_centred() ? rows_.dot_wide(j, problem.mean) : 0.0;
        example_dual[j] = std::clamp(example_dual[j], 0.0, samples.penalty(n + j).upper);
    }
    fill_block(samples, example_dual);
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
