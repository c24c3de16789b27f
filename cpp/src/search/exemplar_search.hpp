#pragma once

#include <cstddef>
#include <cstdint>
#include <variant>

#include "exemplar_svm/certificate.hpp"
#include "exemplar_svm/problem.hpp"
#include "exemplar_svm/query.hpp"
#include "exemplar_svm/search_report.hpp"
#include "exemplar_svm/settings.hpp"
#include "exemplar_svm/solve_report.hpp"
#include "exemplar_svm/stop_condition.hpp"
#include "exemplar_svm/workspace.hpp"
#include "model/row_statistics.hpp"
#include "problem/query_problem.hpp"
#include "search/plan.hpp"
#include "search/session_memory.hpp"
#include "search/strategies.hpp"
#include "search/working_set.hpp"

namespace exemplar_svm {

/// One search from its query to its report:
///
///   plan      state the problem, choose a strategy             the constructor
///   prepare   choose a working set, solve roughly              prepare()
///   scan      score all rows, if the strategy needs it         scan(), for several searches
///   finish    solve to the end; the strategy may hand over     rank() or fit()
///   report    what was done, what is certified                 rank() or fit()
template <Real T>
class ExemplarSearch {
  public:
    /// Everything is borrowed.
    /// @param scores  n_rows values: the scores of all rows after fit(), otherwise scratch
    /// @param memory  null except in a step of a session. The search starts from what the last step
    ///                left in `memory` and the workspace; rank() updates both
    ExemplarSearch(const RowsView<T>& rows, const RowStatistics<T>& statistics,
                   const IndexSettings& index, const SearchSettings& settings,
                   const Query<T>& query, Purpose purpose, ExecutorRef executor,
                   const StopCondition& stop, Workspace<T>& workspace, T* scores,
                   SessionMemory<T>* memory = nullptr) noexcept;

    void prepare() noexcept;

    /// For Purpose::ranking: returns the best k rows.
    SearchReport rank(std::size_t k, T* scores_out, RowNumber* rows_out) noexcept;

    /// For Purpose::model: leaves the solution in the workspace, and the scores of all rows.
    SearchReport fit() noexcept;

  private:
    template <Real U>
    friend void scan(ExemplarSearch<U>* const* searches, std::size_t n_searches,
                     ExecutorRef executor) noexcept;

    void begin(Strategy strategy, Start from) noexcept;
    void finish(Goal goal) noexcept;
    std::size_t rank_at(const Goal& goal, std::size_t n_returned, std::size_t& n_ranked) noexcept;
    WorkingSetSearch<T>* working_set() noexcept {
        return std::get_if<WorkingSetSearch<T>>(&search_);
    }
    void standardize(T* scores, std::size_t n) noexcept;
    void remember() noexcept;
    void forget() noexcept;
    ScoreError score_error() const noexcept;
    SearchReport report() const noexcept;

    const RowsView<T>& rows_;
    const RowStatistics<T>& statistics_;
    const IndexSettings& index_;
    const SearchSettings& settings_;
    StopCondition stop_;
    SearchScratch<T>& scratch_;
    SessionMemory<T>* memory_;
    InvalidInput reason_;  // none, or why nothing is searched

    Problem<T> problem_;
    Candidates candidates_;
    SolverSettings solver_settings_;
    SearchTask<T> task_;
    Situation situation_;
    Strategy strategy_ = Strategy::full;
    std::variant<std::monostate, FullSearch<T>, GramSearch<T>, PrimalSearch<T>, WorkingSetSearch<T>>
        search_;
    bool wants_scan_ = false;
    std::uint32_t epochs_before_ = 0;  // of strategies that have handed over
    SolveReport solved_;
};

/// Reads the rows once for all of at most max_batch searches of the same rows that want a scan.
template <Real T>
void scan(ExemplarSearch<T>* const* searches, std::size_t n_searches,
          ExecutorRef executor) noexcept;

template <Real T>
void scan_alone(ExemplarSearch<T>& search, ExecutorRef executor) noexcept {
    ExemplarSearch<T>* const alone[] = {&search};
    scan(alone, 1, executor);
}

}  // namespace exemplar_svm
