#pragma once

#include <cstddef>

#include "exemplar_svm/matrix_view.hpp"
#include "exemplar_svm/problem.hpp"
#include "exemplar_svm/workspace.hpp"

namespace exemplar_svm {

template <Real T>
double example_cost(const Problem<T>& problem, std::size_t j) noexcept {
    return problem.example_costs == nullptr ? problem.example_cost : problem.example_costs[j];
}

template <Real T>
double example_label(const Problem<T>& problem, std::size_t j) noexcept {
    return problem.example_labels == nullptr ? 1.0 : static_cast<double>(problem.example_labels[j]);
}

/// The part of example j in the mean of the positives, which the prior is a multiple of.
template <Real T>
double share_in_mean(const Problem<T>& problem, std::size_t j) noexcept {
    double sum = 0.0;
    for (std::size_t l = 0; l < problem.examples.rows; ++l) {
        if (example_label(problem, l) > 0.0) sum += example_cost(problem, l);
    }
    return example_label(problem, j) > 0.0 ? example_cost(problem, j) / sum : 0.0;
}

/// y_j w . (x_j - mean) in double precision: what the workspace holds of a centred example has been
/// rounded to T, which serves to approach the optimum but not to prove it.
template <Real T>
double example_product(const Problem<T>& problem, std::size_t j, const double* w) noexcept {
    const T* const x = problem.examples.row(j);
    double product = 0.0;
    for (std::size_t c = 0; c < problem.examples.cols; ++c) {
        const double mean = problem.mean == nullptr ? 0.0 : problem.mean[c];
        product += w[c] * (static_cast<double>(x[c]) - mean);
    }
    return example_label(problem, j) * product;
}

/// w += step y_j (x_j - mean), likewise.
template <Real T>
void add_example(const Problem<T>& problem, std::size_t j, double step, double* w) noexcept {
    const T* const x = problem.examples.row(j);
    const double signed_step = example_label(problem, j) * step;
    for (std::size_t c = 0; c < problem.examples.cols; ++c) {
        const double mean = problem.mean == nullptr ? 0.0 : problem.mean[c];
        w[c] += signed_step * (static_cast<double>(x[c]) - mean);
    }
}

/// Begins a solve: brings the examples, less the mean and times their label, the prior's weights,
/// and the initial dual coefficients of the examples into the workspace, and puts examples that are
/// few enough into its block. Returns a view of the examples there.
///
/// y (x - mean) with a constant feature of y s is a positive example to the solver, whatever y is.
template <Real T>
DenseView<T> prepare_examples(const Problem<T>& problem, Workspace<T>& workspace) noexcept;

}  // namespace exemplar_svm
