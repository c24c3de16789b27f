#pragma once

#include <cstdint>

#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/solve_report.hpp"
#include "problem/samples.hpp"
#include "solve/descent_weights.hpp"

namespace exemplar_svm {

enum class Accuracy : std::uint8_t {
    precise,    ///< the gap is free of the rounding of T
    of_scores,  ///< that of the scores in T; faster, for deadlines
};

/// Scores every row under fresh weights, and measures all violations and the gap. Accuracy::precise
/// recomputes in double precision the scores of the few rows that enter the gap, so that the
/// rounding of T does not enter the certificate.
/// @param summaries  one per block of rows
/// @param scores     n_rows values: receives the scores
template <Real T>
BlockSummary verify(const Samples<T>& samples, const DescentWeights<T>& weights, Accuracy accuracy,
                    ExecutorRef executor, BlockSummary* summaries, T* scores) noexcept;

/// Reports what a verification proves, but not status and epochs. The primal is 1-strongly convex,
/// so for any weights w~ and dual coefficients a, ||w~ - w~*||^2 / 2 <= P(w~) - P* <= P(w~) - D(a).
template <Real T>
void report_verified(const BlockSummary& verified, const DescentWeights<T>& weights,
                     SolveReport& report) noexcept;

}  // namespace exemplar_svm
