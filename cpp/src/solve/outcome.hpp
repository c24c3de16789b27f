#pragma once

#include <cmath>
#include <cstdint>

#include "exemplar_svm/problem.hpp"
#include "exemplar_svm/settings.hpp"
#include "exemplar_svm/solve_report.hpp"

namespace exemplar_svm {

/// What a solver is asked for: that no optimality condition is violated by more than tol, and that
/// the duality gap is at most gap, in at most max_epochs epochs or steps.
struct Goal {
    double tol;
    double gap;
    std::uint32_t max_epochs;

    /// With the gap that proves every score to within settings.score_tol.
    template <Real T>
    static Goal of(const SolverSettings& settings, const Problem<T>& problem) noexcept {
        const double square =
            problem.max_squared_norm + problem.intercept_scaling * problem.intercept_scaling;
        const double weights_error = settings.score_tol / std::sqrt(square);
        return {settings.tol, weights_error * weights_error, settings.max_epochs};
    }
};

/// How a solver has ended. The dual coefficients that it leaves are within their bounds: another
/// solver may begin there.
enum class Outcome : std::uint8_t {
    reached,    ///< the goal
    exhausted,  ///< the arithmetic allows no more
    limit,      ///< max_epochs were not enough
    stopped,    ///< by the stop condition
    hand_over,  ///< progress is slow: another solver should go on
    cannot,     ///< the problem is too large for this solver
};

/// What a report says of an outcome, unless another solver goes on.
inline SolveStatus status_of(Outcome outcome) noexcept {
    switch (outcome) {
        case Outcome::reached: return SolveStatus::converged;
        case Outcome::limit: return SolveStatus::epoch_limit;
        case Outcome::stopped: return SolveStatus::deadline;
        default: return SolveStatus::precision_limit;
    }
}

/// Where a solver begins.
enum class Start : std::uint8_t {
    zeros,     ///< all dual coefficients are zero
    solution,  ///< at those in the solution, moved into their bounds
};

}  // namespace exemplar_svm
