#pragma once

#include <cstdint>

#include "exemplar_svm/settings.hpp"
#include "exemplar_svm/solve_report.hpp"

namespace exemplar_svm {

/// How close a solver is to come, and how far it may go for that.
struct Goal {
    double tol;        ///< largest violation of an optimality condition, in units of the score
    double score_tol;  ///< largest proven error of a score
    std::uint32_t max_epochs;

    static Goal of(const SolverSettings& settings) noexcept {
        return {settings.tol, settings.score_tol, settings.max_epochs};
    }

    /// The duality gap that proves the scores of rows up to this norm.
    double gap(double largest_norm) const noexcept {
        return (score_tol / largest_norm) * (score_tol / largest_norm);
    }
};

/// How a solver ended.
enum class Outcome : std::uint8_t {
    reached,    ///< the goal
    exhausted,  ///< the arithmetic allows no more
    limit,      ///< all epochs are used up
    stopped,    ///< by the stop condition
    hand_over,  ///< progress is slow: another solver goes on from the solution so far
    cannot,     ///< it does not suit the problem: nothing has changed
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
