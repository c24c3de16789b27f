#pragma once

#include <cmath>
#include <cstdint>

#include "exemplar_svm/problem.hpp"
#include "exemplar_svm/settings.hpp"
#include "exemplar_svm/solve_report.hpp"

namespace exemplar_svm {

/// The goal of a solver: no violation above tol and a duality gap of at most gap, in at most
/// max_epochs epochs or steps.
struct Goal {
    double tol;
    double gap;
    std::uint32_t max_epochs;

    /// The goal whose gap proves every score to within settings.score_tol.
    template <Real T>
    static Goal of(const SolverSettings& settings, const Problem<T>& problem) noexcept {
        const double square =
            problem.max_squared_norm + problem.intercept_scaling * problem.intercept_scaling;
        const double weights_error = settings.score_tol / std::sqrt(square);
        return {settings.tol, weights_error * weights_error, settings.max_epochs};
    }
};

/// How a solver ended. It leaves dual coefficients within their bounds: another solver's start.
enum class Outcome : std::uint8_t {
    reached,    ///< the goal is reached
    exhausted,  ///< the arithmetic allows no further progress
    limit,      ///< max_epochs did not suffice
    stopped,    ///< the stop condition was reached
    hand_over,  ///< another solver should continue
    cannot,     ///< the problem is too large for this solver
};

/// The status to report for an outcome if no other solver continues.
inline SolveStatus status_of(Outcome outcome) noexcept {
    switch (outcome) {
        case Outcome::reached: return SolveStatus::converged;
        case Outcome::limit: return SolveStatus::epoch_limit;
        case Outcome::stopped: return SolveStatus::deadline;
        default: return SolveStatus::precision_limit;
    }
}

/// The dual coefficients from which a solver starts.
enum class Start : std::uint8_t {
    zeros,     ///< zero
    solution,  ///< those in the solution, clamped to their bounds
};

}  // namespace exemplar_svm
