#include "search/strategies.hpp"

#include <algorithm>

#include "exemplar_svm/profile.hpp"
#include "solve/dual_coordinate_descent.hpp"
#include "solve/gram_descent.hpp"

namespace exemplar_svm {

template <Real T>
void SearchWithAllScores<T>::rank(TopK<T>& best) const noexcept {
    task_.candidates.offer(task_.scores, task_.problem.rows.rows, best);
}

template <Real T>
void SearchWithAllScores<T>::score(std::span<const RowIndex> rows, T* scores) const noexcept {
    std::ranges::transform(rows, scores, [&](RowIndex i) { return task_.scores[i]; });
}

template <Real T>
Outcome FullSearch<T>::finish(const Goal& goal, SolveReport& report) noexcept {
    const SearchTask<T>& task = this->task_;
    SearchScratch<T>& scratch = task.scratch;
    const Stopwatch stopwatch(scratch.profile.solve);
    DualCoordinateDescent<T> solver(task.problem, task.settings, task.executor, this->from_,
                                    scratch.solution, scratch.descent, task.scores, task.stop);
    return solver.finish(goal, report);
}

template <Real T>
Outcome GramSearch<T>::finish(const Goal& goal, SolveReport& report) noexcept {
    const SearchTask<T>& task = this->task_;
    SearchScratch<T>& scratch = task.scratch;
    const Stopwatch stopwatch(scratch.profile.solve);
    GramDescent<T> solver(task.problem, task.settings, task.statistics.gram, task.executor,
                          scratch.solution, scratch.descent.examples, scratch.gram, task.scores,
                          task.stop);
    return solver.solve(this->from_, goal, report);
}

template <Real T>
PrimalSearch<T>::PrimalSearch(const SearchTask<T>& task) noexcept
    : task_(task),
      solver_(task.problem, task.statistics.gaussian, task.executor, task.stop,
              task.scratch.solution, task.scratch.descent.examples, task.scratch.primal,
              task.scores) {}

template <Real T>
Outcome PrimalSearch<T>::finish(const Goal& goal, SolveReport& report) noexcept {
    const Stopwatch stopwatch(task_.scratch.profile.solve);
    return solver_.solve(goal, task_.purpose == Purpose::model, report);
}

template <Real T>
void PrimalSearch<T>::score(std::span<const RowIndex> rows, T* scores) noexcept {
    solver_.score(rows);
    std::ranges::transform(rows, scores, [&](RowIndex i) { return task_.scores[i]; });
}

template class SearchWithAllScores<float>;
template class SearchWithAllScores<double>;
template class FullSearch<float>;
template class FullSearch<double>;
template class GramSearch<float>;
template class GramSearch<double>;
template class PrimalSearch<float>;
template class PrimalSearch<double>;

}  // namespace exemplar_svm
