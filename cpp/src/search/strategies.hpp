#pragma once

#include <span>

#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/problem.hpp"
#include "exemplar_svm/settings.hpp"
#include "exemplar_svm/solve_report.hpp"
#include "exemplar_svm/stop_condition.hpp"
#include "exemplar_svm/top_k.hpp"
#include "model/row_statistics.hpp"
#include "problem/query_problem.hpp"
#include "search/plan.hpp"
#include "search/scratch.hpp"
#include "solve/outcome.hpp"
#include "solve/primal_descent.hpp"

namespace exemplar_svm {

/// The inputs of a strategy. Everything is borrowed.
template <Real T>
struct SearchTask {
    const Problem<T>& problem;
    const Candidates& candidates;
    const SolverSettings& settings;
    const RowStatistics<T>& statistics;
    Purpose purpose;
    ExecutorRef executor;
    const StopCondition& stop;
    SearchScratch<T>& scratch;
    T* scores;  ///< n_rows values
};

// The strategies other than WorkingSetSearch. All four have one interface:
//
//     Outcome finish(const Goal&, SolveReport&);        solve
//     void rank(TopK<T>&);                              offer the candidates to a ranking
//     void score(std::span<const RowIndex>, T* scores); scores of any rows
//     void score_all();                                 scores of all rows, into task.scores
//
// finish() leaves the solution in the scratch; WorkingSetSearch delivers it there.

/// Base of strategies whose finish() leaves the scores of all rows in task.scores.
template <Real T>
class SearchWithAllScores {
  public:
    void rank(TopK<T>& best) const noexcept;
    void score(std::span<const RowIndex> rows, T* scores) const noexcept;
    void score_all() const noexcept {}

  protected:
    SearchWithAllScores(const SearchTask<T>& task, Start from) noexcept
        : task_(task), from_(from) {}

    const SearchTask<T>& task_;
    Start from_;
};

template <Real T>
class FullSearch : public SearchWithAllScores<T> {
  public:
    FullSearch(const SearchTask<T>& task, Start from) noexcept
        : SearchWithAllScores<T>(task, from) {}

    Outcome finish(const Goal& goal, SolveReport& report) noexcept;
};

template <Real T>
class GramSearch : public SearchWithAllScores<T> {
  public:
    GramSearch(const SearchTask<T>& task, Start from) noexcept
        : SearchWithAllScores<T>(task, from) {}

    Outcome finish(const Goal& goal, SolveReport& report) noexcept;
};

template <Real T>
class PrimalSearch {
  public:
    explicit PrimalSearch(const SearchTask<T>& task) noexcept;

    Outcome finish(const Goal& goal, SolveReport& report) noexcept;
    void rank(TopK<T>& best) noexcept { solver_.rank(task_.candidates, best); }
    void score(std::span<const RowIndex> rows, T* scores) noexcept;
    void score_all() noexcept { solver_.score_all(); }

  private:
    const SearchTask<T>& task_;
    PrimalDescent<T> solver_;
};

}  // namespace exemplar_svm
