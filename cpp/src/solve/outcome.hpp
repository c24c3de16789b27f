#pragma once

#include <cstdint>

namespace exemplar_svm {

/// What a solver is asked for: that no optimality condition is violated by more than tol, and that
/// the duality gap is at most gap, in at most max_epochs epochs or steps.
struct Goal {
    double tol;
    double gap;
    std::uint32_t max_epochs;
};

/// How a solver has ended. Whatever it is, the dual coefficients that it leaves are within their
/// bounds, and others may begin there.
enum class Outcome : std::uint8_t {
    reached,    ///< the goal
    exhausted,  ///< the arithmetic allows no more
    limit,      ///< max_epochs were not enough
    stopped,    ///< by the stop condition
    hand_over,  ///< slow progress: another solver should go on
    cannot,     ///< the problem is too large for this solver
};

}  // namespace exemplar_svm
