#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace exemplar_svm {

enum class SolveStatus : std::uint8_t {
    converged,        ///< no violation exceeds tol
    epoch_limit,      ///< max_epochs passes did not suffice
    precision_limit,  ///< the arithmetic does not resolve tol: no step helps any further
    deadline,         ///< the stop condition was reached first
};

/// The name of a status's constant.
constexpr std::string_view to_string(SolveStatus status) noexcept {
    switch (status) {
        case SolveStatus::converged: return "converged";
        case SolveStatus::epoch_limit: return "epoch_limit";
        case SolveStatus::precision_limit: return "precision_limit";
        case SolveStatus::deadline: return "deadline";
    }
    return "unknown";
}

/// The result of a solve. Objectives are those of weights recomputed from the dual coefficients, in
/// float64.
struct SolveReport {
    SolveStatus status = SolveStatus::converged;
    std::uint32_t epochs = 0;
    std::size_t n_support = 0;  ///< rows whose dual coefficient is not zero
    double violation = 0.0;     ///< largest absolute projected gradient of the dual
    double primal = 0.0;
    double gap = 0.0;  ///< primal - dual, computed without cancellation: accurate when tiny

    /// Bound on the rounding of the score of any row, including the rounding of the weights to T.
    double score_rounding_bound = 0.0;

    /// Bound on ||w~ - w~*||, the distance of the weights from the optimal ones (certificate.hpp).
    double weights_error_bound = 0.0;

    double dual() const noexcept { return primal - gap; }
};

}  // namespace exemplar_svm
