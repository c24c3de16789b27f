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

/// A trained two-class linear SVM.
template <Real T>
struct LinearSvc {
    Weights<T> weights;
    std::vector<double> dual;  ///< per row
    SolveReport report;
};

/// Which problem the solver works on.
enum class Formulation : std::uint8_t {
    /// The dual if there are fewer rows than features or the loss is the hinge, otherwise the
    /// primal. If the dual does not converge soon, the squared hinge continues with the primal.
    automatic,
    primal,  ///< Newton's method, insensitive to the scale of features; squared hinge only
    dual,    ///< dual coordinate descent, as solve() does
};

/// Trains the two-class linear SVM of Problem on any labels.
///
/// @param labels  +1 or -1 per row
/// @param costs   C_i per row; a row with cost 0 takes no part
/// @param intercept_scaling  0 for no intercept
/// @param settings  max_epochs = 0 returns zero weights. An epoch of the primal is a Newton step.
/// @param stop    when to return the current iterate, with status `deadline`
/// @throws std::invalid_argument for settings out of range, or the hinge with Formulation::primal;
///         std::bad_alloc; Stopped if there is no iterate yet
template <Real T>
LinearSvc<T> train_linear_svc(const RowsView<T>& rows, const std::int8_t* labels,
                              const double* costs, Loss loss, double intercept_scaling,
                              const SolverSettings& settings, ExecutorRef executor,
                              Formulation formulation = Formulation::automatic,
                              const StopCondition& stop = {});

}  // namespace exemplar_svm
