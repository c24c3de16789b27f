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

/// Begins a solve: brings the examples, less the mean, the prior's weights, and the initial dual
/// coefficients of the examples into the workspace, and puts examples that are few enough into
/// its block. Returns a view of the examples there.
template <Real T>
DenseView<T> prepare_examples(const Problem<T>& problem, Workspace<T>& workspace) noexcept;

}  // namespace exemplar_svm
