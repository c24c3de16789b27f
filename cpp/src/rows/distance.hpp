#pragma once

#include <cmath>

namespace exemplar_svm {

/// The distance of two different rows from the sum of squared differences in double precision,
/// rounded up: sums round, and squares below 1e-308 are lost.
inline double distance_at_most(double square) noexcept {
    constexpr double rounding = 1e-9, lost = 1e-150;
    return std::sqrt(square) * (1.0 + rounding) + lost;
}

}  // namespace exemplar_svm
