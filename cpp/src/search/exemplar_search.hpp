#pragma once

#include <cstddef>
#include <optional>

#include "exemplar_svm/certificate.hpp"
#include "exemplar_svm/problem.hpp"
#include "exemplar_svm/query.hpp"
#include "exemplar_svm/search_report.hpp"
#include "exemplar_svm/settings.hpp"
#include "exemplar_svm/solver.hpp"
#include "exemplar_svm/stop_condition.hpp"
#include "exemplar_svm/workspace.hpp"
#include "model/row_statistics.hpp"
#include "problem/query_problem.hpp"
#include "search/session_memory.hpp"
#include "search/working_set.hpp"
#include "solve/primal_descent.hpp"

namespace exemplar_svm {

/// One search from its query to its report, in two parts with a scan of all rows between them,
/// so that several searches can share the scan.
template <Real T>
class ExemplarSearch {
  public:
    /// Everything is borrowed. @param scores  n_rows values: of every row after fit(), else scratch
    /// @param memory  of the session, if the search is one of its steps: what the last step has
    /// left
    ///                there, and in the workspace, is begun with, and rank() leaves it anew
    ExemplarSearch(const RowsView<T>& rows, const RowStatistics<T>& statistics,
                   const IndexSettings& index, const SearchSettings& settings,
                   const Query<T>& query, ExecutorRef executor, const StopCondition& stop,
                   Workspace<T>& workspace, T* scores, SessionMemory<T>* memory = nullptr) noexcept;

    /// Returns whether a scan of all rows has to come next: see WorkingSetSearch.
    bool begin() noexcept;
    WorkingSetSearch<T>& working_set() noexcept { return *working_set_; }

    /// Goes on to the end and returns the best k rows.
    SearchReport rank(std::size_t k, T* scores_out, RowNumber* rows_out) noexcept;

    /// Goes on to the end, leaving the weights and dual coefficients in the workspace, and the
    /// scores of all rows.
    SearchReport fit() noexcept;

  private:
    std::size_t rank_at(double tol, double score_tol, std::size_t n_returned,
                        std::size_t& n_ranked) noexcept;
    void forget() noexcept;
    void solve(double tol, double score_tol, TopK<T>* best) noexcept;
    bool solve_with_gram_matrix(TopK<T>* best) noexcept;
    bool solve_with_working_set(double tol, double score_tol, TopK<T>* best) noexcept;
    void start_in_primal() noexcept;
    bool solve_in_primal(TopK<T>* best) noexcept;
    void solve_over_all_rows(TopK<T>* best) noexcept;
    SolverSettings settings_left() const noexcept;
    void standardize(T* scores, std::size_t n) noexcept;
    void remember() noexcept;
    ScoreError score_error() const noexcept;
    SearchReport report() const noexcept;

    const RowsView<T>& rows_;
    const RowStatistics<T>& statistics_;
    const IndexSettings& index_;
    const SearchSettings& search_;
    ExecutorRef executor_;
    StopCondition stop_;
    Workspace<T>& workspace_;
    T* scores_;
    SessionMemory<T>* memory_;
    InvalidInput reason_;  // why nothing is searched; none: it is

    Problem<T> problem_;
    Candidates candidates_;
    SolverSettings settings_;
    std::optional<WorkingSetSearch<T>> working_set_;
    std::optional<PrimalDescent<T>> primal_;  // rather than that
    SolveReport solved_;
};

}  // namespace exemplar_svm
