#pragma once

#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/solve_report.hpp"
#include "problem/samples.hpp"
#include "solve/descent_weights.hpp"

namespace exemplar_svm {

enum class Accuracy : std::uint8_t {
    precise,    ///< the gap does not suffer from the rounding of T
    of_scores,  ///< that of the scores in T, for which there is always time
};

/// Scores every row under the weights, which are fresh or have been adopted, and measures all
/// optimality conditions. The rows that enter the gap are few: their scores are computed again in
/// double precision, so that the gap, and with it the certificate, does not suffer from the
/// rounding of T.
/// @param summaries  one per block of rows
/// @param scores     n_rows values: those of the rows
template <Real T>
BlockSummary verify(const Samples<T>& samples, const DescentWeights<T>& weights, Accuracy accuracy,
                    ExecutorRef executor, BlockSummary* summaries, T* scores) noexcept;

/// What a verification proves: for any weights w~ and dual coefficients a, however they have come
/// about, ||w~ - w~*||^2 / 2 is at most P(w~) - P* and so at most P(w~) - D(a) (the primal is
/// 1-strongly convex). Leaves the status and the epochs of the report alone.
template <Real T>
void report_verified(const BlockSummary& verified, const DescentWeights<T>& weights,
                     SolveReport& report) noexcept;

}  // namespace exemplar_svm
