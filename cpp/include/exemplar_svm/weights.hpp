#pragma once

#include <cstddef>
#include <vector>

#include "exemplar_svm/real.hpp"

namespace exemplar_svm {

/// Borrowed weights of a linear decision function f(x) = coef . x + intercept.
template <Real T>
struct WeightsView {
    const T* coef = nullptr;
    double intercept = 0.0;
};

/// Weights that own their memory.
template <Real T>
struct Weights {
    std::vector<T> coef;
    double intercept = 0.0;

    WeightsView<T> view() const noexcept { return {coef.data(), intercept}; }
};

}  // namespace exemplar_svm
