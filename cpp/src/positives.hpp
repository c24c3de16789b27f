#pragma once

#include <cstddef>

#include "exemplar_svm/matrix_view.hpp"
#include "exemplar_svm/problem.hpp"
#include "exemplar_svm/workspace.hpp"

namespace exemplar_svm {

template <Real T>
double positive_cost(const Problem<T>& problem, std::size_t j) noexcept {
    return problem.positive_costs == nullptr ? problem.positive_cost : problem.positive_costs[j];
}

/// Begins a solve: brings the positives, less the mean, the prior's weights, and the initial dual
/// coefficients of the positives into the workspace, and puts positives that are few enough into
/// its block. Returns a view of the positives there.
template <Real T>
DenseView<T> prepare_positives(const Problem<T>& problem, Workspace<T>& workspace) noexcept;

}  // namespace exemplar_svm
