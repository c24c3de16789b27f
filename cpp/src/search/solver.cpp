#include "exemplar_svm/solver.hpp"

#include <algorithm>

#include "search/scratch.hpp"
#include "solve/dual_coordinate_descent.hpp"

namespace exemplar_svm {

template <Real T>
SolveReport solve(const Problem<T>& problem, const SolverSettings& settings, ExecutorRef executor,
                  Workspace<T>& workspace, T* scores, const StopCondition& stop,
                  const WarmStart& start) noexcept {
    SearchScratch<T>& scratch = workspace.scratch();
    Solution<T>& solution = scratch.solution;
    if (start.dual != nullptr) {
        const std::size_t p = problem.examples.rows;
        std::copy_n(start.dual, problem.rows.rows, solution.dual.begin());
        std::fill_n(solution.example_dual.begin(), p, 0.0);
        if (start.example_dual != nullptr) {
            std::copy_n(start.example_dual, p, solution.example_dual.begin());
        }
    }
    DualCoordinateDescent<T> solver(problem, settings, executor,
                                    start.dual == nullptr ? Start::zeros : Start::solution,
                                    solution, scratch.descent, scores, stop);
    SolveReport report;
    solver.finish(Goal::of(settings, problem), report);
    return report;
}

template SolveReport solve(const Problem<float>&, const SolverSettings&, ExecutorRef,
                           Workspace<float>&, float*, const StopCondition&,
                           const WarmStart&) noexcept;
template SolveReport solve(const Problem<double>&, const SolverSettings&, ExecutorRef,
                           Workspace<double>&, double*, const StopCondition&,
                           const WarmStart&) noexcept;

}  // namespace exemplar_svm
