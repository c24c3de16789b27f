#pragma once

#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/problem.hpp"
#include "exemplar_svm/settings.hpp"
#include "exemplar_svm/solve_report.hpp"
#include "exemplar_svm/stop_condition.hpp"
#include "exemplar_svm/workspace.hpp"

namespace exemplar_svm {

/// Solves the problem by dual coordinate descent (Hsieh, Chang, Lin, Keerthi, Sundararajan, ICML
/// 2008), in rounds of
///
///   1. descend  epochs over the active rows, with shrinking, until no violation exceeds tol
///   2. refresh  recompute the weights from the dual coefficients in double precision
///   3. verify   score every row under the new weights, in parallel; this gives the violations and
///               the duality gap over all rows
///
/// The rounds end when the verification finds no violation above tol. A verification visits every
/// row; where few of many rows support, Index solves over a working set instead.
///
/// Five techniques shorten the descent where LIBLINEAR's is long:
///
/// * Up to 32 examples are *eliminated*: they are exactly optimal after every step on a row. Each
///   example is coupled to every row, so plain coordinate descent, which visits an example once per
///   epoch, is slow on exemplar SVMs (example_block.hpp). Further examples are visited as ordinary
///   coordinates, one after every few rows.
/// * Dense rows are visited in pairs that share one reading and writing of the weights. The product
///   of the two rows tells how the first step changes the second score.
/// * Where C ||x||^2 is large, epochs progress slowly but few rows support. Newton steps within the
///   bounds then solve for the support vectors together (box_quadratic.hpp).
/// * Where epochs remain slow, Newton's method solves for all samples, whatever the conditioning
///   (primal_newton.hpp).
/// * Weights are float32 while violations are large. Later epochs refine: they work on the change
///   from weights recomputed in float64, so that rounding does not limit the last digits.
///
/// @param scores     n_rows values: receives the scores of the rows under the returned weights
/// @param stop       when to end early. The present weights are then scored, by the deadline as far
///                   as the time can be predicted, and the gap is an upper bound
/// @param start      dual coefficients to start from; null: all are zero
/// @param workspace  made for at least as many rows, features and examples; receives the dual
///                   coefficients and the weights
template <Real T>
SolveReport solve(const Problem<T>& problem, const SolverSettings& settings, ExecutorRef executor,
                  Workspace<T>& workspace, T* scores, const StopCondition& stop = {},
                  const WarmStart& start = {}) noexcept;

}  // namespace exemplar_svm
