#include "solve/prepared_examples.hpp"

#include <algorithm>

#include "problem/examples.hpp"
#include "problem/optimality.hpp"

namespace exemplar_svm {

template <Real T>
PreparedExamples<T>::PreparedExamples(const RowsView<T>& rows, std::size_t max_examples,
                                      std::size_t max_entries)
    : dense_(rows.is_dense() ? max_examples * rows.cols : 0),
      sparse_(rows.is_dense() ? 0 : max_examples, rows.is_dense() ? 0 : max_entries, rows.cols),
      mean_products_(max_examples),
      prior_(rows.cols),
      wide_(rows.cols) {}

template <Real T>
void PreparedExamples<T>::prepare(const Problem<T>& problem, double* example_dual) noexcept {
    sign(problem);
    std::ranges::fill(prior_, 0.0);
    for (std::size_t j = 0; j < problem.examples.rows; ++j) {
        if (problem.prior > 0.0) {
            problem.examples.axpy_wide(problem.prior * share_in_mean(problem, j), j, prior_.data());
        }
        mean_products_[j] = problem.mean == nullptr ? 0.0 : rows_.dot_wide(j, problem.mean);
        example_dual[j] =
            std::clamp(example_dual[j], 0.0, penalty(problem.loss, example_cost(problem, j)).upper);
    }
    fill_block(problem, example_dual);
}

template <Real T>
void PreparedExamples<T>::sign(const Problem<T>& problem) noexcept {
    const std::size_t p = problem.examples.rows, d = problem.examples.cols;
    if (!problem.examples.is_dense()) {
        sparse_.clear();
        for (std::size_t j = 0; j < p; ++j) {
            sparse_.add(problem.examples, j, static_cast<T>(example_label(problem, j)));
        }
        rows_ = sparse_.view();
        return;
    }
    for (std::size_t j = 0; j < p; ++j) {
        const T* const given = problem.examples.row(j);
        T* const signed_example = dense_.data() + j * d;
        const double label = example_label(problem, j);
        for (std::size_t c = 0; c < d; ++c) {
            const double mean = problem.mean == nullptr ? 0.0 : problem.mean[c];
            signed_example[c] = static_cast<T>(label * (static_cast<double>(given[c]) - mean));
        }
    }
    rows_ = {dense_.data(), p, d, static_cast<std::ptrdiff_t>(d)};
}

template <Real T>
void PreparedExamples<T>::fill_block(const Problem<T>& problem,
                                     const double* example_dual) noexcept {
    const std::size_t p = problem.examples.rows;
    if (p == 0 || p > ExampleBlock::capacity) return block_.clear();
    double gram[ExampleBlock::capacity * ExampleBlock::capacity];
    double diagonal[ExampleBlock::capacity], upper[ExampleBlock::capacity];
    const double bias_square = problem.intercept_scaling * problem.intercept_scaling;
    for (std::size_t j = 0; j < p; ++j) {
        const Penalty bounds = penalty(problem.loss, example_cost(problem, j));
        diagonal[j] = bounds.diagonal;
        upper[j] = bounds.upper;
        double* const wide = wide_.data();
        std::ranges::fill(wide_, 0.0);
        add_raw_example(problem, j, 1.0, wide);
        subtract_mean(problem, example_label(problem, j), wide);
        const double mean_part = exemplar_svm::mean_product(problem, wide);
        for (std::size_t l = 0; l <= j; ++l) {
            const double bias = example_label(problem, j) * example_label(problem, l) * bias_square;
            gram[j * p + l] = gram[l * p + j] = bias + example_product(problem, l, wide, mean_part);
        }
    }
    block_.reset(p, gram, diagonal, upper);
    for (std::size_t j = 0; j < p; ++j) block_.set_outside(j, example_dual[j]);
    block_.fold();
}

template class PreparedExamples<float>;
template class PreparedExamples<double>;

}  // namespace exemplar_svm
