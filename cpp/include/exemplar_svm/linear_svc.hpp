#pragma once

#include <cstdint>
#include <vector>

#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/rows_view.hpp"
#include "exemplar_svm/settings.hpp"
#include "exemplar_svm/solve_report.hpp"
#include "exemplar_svm/stop_condition.hpp"
#include "exemplar_svm/weights.hpp"

namespace exemplar_svm {

/// What training a two-class linear SVM gives.
template <Real T>
struct LinearSvc {
    Weights<T> weights;
    std::vector<double> dual;  ///< per row
    SolveReport report;
};

/// What is solved to find the weights.
enum class Formulation : std::uint8_t {
    /// The primal, unless there are fewer rows than features, or the loss is the hinge. Where the
    /// dual does not converge soon and there is a primal, that.
    automatic,
    primal,  ///< by Newton's method, which does not mind unscaled features; squared hinge only
    dual,    ///< by dual coordinate descent, as solve() does
};

/// Trains the two-class linear SVM of Problem on any labels.
///
/// @param labels  +1 or -1 per row
/// @param costs   C_i per row; a row with cost 0 takes no part
/// @param intercept_scaling  0 for no intercept
/// @param settings  max_epochs may be 0: the weights are zeros then. An epoch of the primal is a
///                  Newton step.
/// @param stop    when to answer with the iterate reached by then: the status is then `deadline`
/// @throws std::invalid_argument for settings out of range, or the hinge with Formulation::primal;
///         std::bad_alloc; Stopped if there is no iterate
template <Real T>
LinearSvc<T> train_linear_svc(const RowsView<T>& rows, const std::int8_t* labels,
                              const double* costs, Loss loss, double intercept_scaling,
                              const SolverSettings& settings, ExecutorRef executor,
                              Formulation formulation = Formulation::automatic,
                              const StopCondition& stop = {});

}  // namespace exemplar_svm
