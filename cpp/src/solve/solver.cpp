#include "exemplar_svm/solver.hpp"

#include "solve/dual_coordinate_descent.hpp"

namespace exemplar_svm {

template <Real T>
SolveReport solve(const Problem<T>& problem, const SolverSettings& settings, ExecutorRef executor,
                  Workspace<T>& workspace, T* scores, const StopCondition& stop) noexcept {
    DualCoordinateDescent<T> solver(problem, settings, executor, workspace, scores, stop);
    solver.start();
    return solver.finish();
}

template SolveReport solve(const Problem<float>&, const SolverSettings&, ExecutorRef,
                           Workspace<float>&, float*, const StopCondition&) noexcept;
template SolveReport solve(const Problem<double>&, const SolverSettings&, ExecutorRef,
                           Workspace<double>&, double*, const StopCondition&) noexcept;

}  // namespace exemplar_svm
