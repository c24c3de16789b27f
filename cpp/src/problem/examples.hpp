#pragma once

#include <cstddef>
#include <numeric>

#include "exemplar_svm/problem.hpp"
#include "exemplar_svm/rows_view.hpp"

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

/// mean . w in double precision; 0 without a mean.
template <Real T>
double mean_product(const Problem<T>& problem, const double* w) noexcept {
    if (problem.mean == nullptr) return 0.0;
    return std::inner_product(w, w + problem.examples.cols, problem.mean, 0.0);
}

/// y_j w . (x_j - mean) in double precision: a prepared example less the mean has been rounded to
/// T, which serves to approach the optimum but not to prove it.
/// @param mean_product  mean . w
template <Real T>
double example_product(const Problem<T>& problem, std::size_t j, const double* w,
                       double mean_product) noexcept {
    return example_label(problem, j) * (problem.examples.dot_wide(j, w) - mean_product);
}

/// w += step y_j x_j, likewise. The mean is for the caller to subtract, once for all examples.
template <Real T>
void add_raw_example(const Problem<T>& problem, std::size_t j, double step, double* w) noexcept {
    problem.examples.axpy_wide(example_label(problem, j) * step, j, w);
}

/// w -= multiple mean; nothing without a mean.
template <Real T>
void subtract_mean(const Problem<T>& problem, double multiple, double* w) noexcept {
    if (problem.mean == nullptr) return;
    for (std::size_t c = 0; c < problem.examples.cols; ++c) w[c] -= multiple * problem.mean[c];
}

}  // namespace exemplar_svm
