#pragma once

#include <cstddef>
#include <vector>

#include "exemplar_svm/weights.hpp"

namespace exemplar_svm {

/// The result of a solver, from which another solver may start.
template <Real T>
struct Solution {
    std::vector<double> dual;          ///< per row of the problem
    std::vector<double> example_dual;  ///< per example
    Weights<T> weights;

    Solution(std::size_t n_rows, std::size_t n_features, std::size_t max_examples)
        : dual(n_rows), example_dual(max_examples), weights{std::vector<T>(n_features), 0.0} {}
};

}  // namespace exemplar_svm
