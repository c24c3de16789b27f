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
///   1. descend: epochs over the active rows, shrinking them, until their violations are within
///   tol;
///   2. refresh: recompute the weights from the dual coefficients in double precision;
///   3. verify:  score every row under these weights (in parallel: this is where the threads go),
///               which gives the violations and the duality gap over all rows, and the scores.
///
/// The rounds end when the verification finds no violation above tol. It visits every row; where
/// there are many and few of them matter, Index solves over a working set of them instead.
///
/// Five things more make the descent short where LIBLINEAR's is long:
///
/// * Up to 32 positives are *eliminated*: after every step on a row they are exactly optimal given
///   the rows. They are coupled to every row, so that visiting them once per epoch, as plain
///   coordinate descent does, is what makes it slow on exemplar SVMs (example_block.hpp). More
///   positives than that are visited as ordinary coordinates, one after every few rows.
/// * Rows are visited two at a time, which share the reading and writing of the weights; their
///   product says what the first step does to the second row's score.
/// * Where C ||x||^2 is large, coordinates are strongly coupled to each other and epochs progress
///   slowly, but few rows support: now and then these are solved for together, by a Newton step
///   within the bounds (box_quadratic.hpp).
/// * Where that is not enough, whatever the conditioning, all samples are solved for together
///   (primal_newton.hpp).
/// * float32 weights serve while violations are large; then the epochs work on the change from
///   weights that were recomputed in float64, so that the last digits are not spent on rounding.
///
/// @param scores  n_rows values: the scores of the rows under the returned weights
/// @param stop  when to end short of that: the weights so far are then scored, in time for the
///              deadline as far as that can be told beforehand, and the gap is an upper bound
/// @param start      dual coefficients to begin at; without any, all are zero
/// @param workspace  made for at least these rows, features and positives; holds the dual
///                   coefficients and the weights afterwards
template <Real T>
SolveReport solve(const Problem<T>& problem, const SolverSettings& settings, ExecutorRef executor,
                  Workspace<T>& workspace, T* scores, const StopCondition& stop = {},
                  const WarmStart& start = {}) noexcept;

}  // namespace exemplar_svm
