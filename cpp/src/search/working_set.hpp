#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "exemplar_svm/problem.hpp"
#include "exemplar_svm/profile.hpp"
#include "exemplar_svm/settings.hpp"
#include "exemplar_svm/solve_report.hpp"
#include "exemplar_svm/stop_condition.hpp"
#include "exemplar_svm/top_k.hpp"
#include "model/row_statistics.hpp"
#include "problem/query_problem.hpp"
#include "search/choice.hpp"
#include "search/scanned_scores.hpp"
#include "search/session_memory.hpp"
#include "solve/dual_coordinate_descent.hpp"
#include "solve/outcome.hpp"
#include "solve/panel.hpp"
#include "solve/solution.hpp"

namespace exemplar_svm {

/// Scratch of WorkingSetSearch.
template <Real T>
struct WorkingSetScratch {
    Panel<T> panel;        ///< the working set
    Solution<T> solution;  ///< of the panel's rows
    ChoiceScratch<T> choice;
    ScanScratch<T> scan;

    WorkingSetScratch(const RowsView<T>& rows, std::size_t max_examples);

    bool has_room_for(const RowsView<T>& rows) const noexcept;
};

/// Solves an exemplar SVM over all rows exactly, by coordinate descent over few of them:
///
///   1. choose   guess all scores, and copy the rows with the highest guesses into a panel, the
///               working set
///   2. solve    over the panel, roughly
///   3. scan     score all rows, or their sketch, once under the rough weights; rows at or near the
///               margin join the panel
///   4. solve    over the panel, to the goal
///   5. verify   that no row outside the panel scores above -1. A row's score in the scan and the
///               change of the weights since bound its present score (ScannedScores); few rows are
///               scored again. Violating rows join the panel, and the search returns to 4.
///
/// On a stop, the panel is scored under the present weights. The scan, as far as it got, bounds the
/// scores outside the panel.
///
/// Rows outside the panel have dual coefficients of zero and do not violate the margin. They add
/// nothing to the duality gap, so the gap of the panel is that of all rows. Malisiewicz, Gupta and
/// Efros mine hard negatives in the same way, without an exact stop.
template <Real T>
class WorkingSetSearch {
  public:
    /// @param scores  n_rows values, for the scan
    /// @param memory  null except in a step of a session
    WorkingSetSearch(const Problem<T>& problem, const Candidates& candidates,
                     const SolverSettings& settings, const RowStatistics<T>& statistics,
                     ExecutorRef executor, const StopCondition& stop, WorkingSetScratch<T>& scratch,
                     DescentScratch<T>& descent, SearchProfile& profile, T* scores,
                     const SessionMemory<T>* memory) noexcept;

    /// Does steps 1 and 2. Returns whether there is time for the scan.
    bool prepare() noexcept;

    /// Does steps 4 and 5. May be called again with another goal. Outcome::hand_over: the panel
    /// cannot hold the working set.
    Outcome finish(const Goal& goal, SolveReport& report) noexcept;

    /// Whether all rows were scanned. False only after a stop.
    bool has_seen_all_rows() const noexcept;

    /// Ranks the rows under the present weights, usually without scoring rows outside the panel.
    void rank(TopK<T>& best) noexcept;

    /// Scores rows as rank() does.
    void score(std::span<const RowIndex> rows, T* scores) noexcept;

    void score_all() noexcept;

    /// Whether another search can start from the panel and the dual coefficients of its rows.
    bool can_be_resumed() const noexcept { return stage_ == Stage::solving; }
    double seconds_to_gather() const noexcept { return gathered_before_ + profile_.gather; }

    /// Copies the dual coefficients of the examples and the weights.
    void deliver_weights(Solution<T>& solution) const noexcept;

    /// Copies the dual coefficients of the panel's rows; all others become zero.
    void deliver_dual(Solution<T>& solution) const noexcept;

  private:
    template <Real U>
    friend void scan_together(WorkingSetSearch<U>* const* searches, std::size_t n_searches,
                              ExecutorRef executor) noexcept;

    /// What the search has reached.
    enum class Stage { nothing, guessed, solving };

    bool fill_panel() noexcept;
    bool resume() noexcept;
    Outcome join() noexcept;
    void scan() noexcept;
    void end_scan(double seconds) noexcept;
    std::size_t most_joining() const noexcept;
    void add_highest(std::span<RowIndex> rows) noexcept;
    std::span<RowIndex> collect_violating() noexcept;
    void add(std::span<const RowIndex> rows) noexcept;

    bool has_to_conclude(double seconds = 0.0) const noexcept;
    double seconds_to_conclude() const noexcept;
    double seconds_to_gather(std::size_t n) const noexcept;
    double seconds_over_all_rows() const noexcept;
    Outcome conclude(SolveReport& report) noexcept;
    void add_outside(SolveReport& report) noexcept;
    double rough_tol() const noexcept;
    double slack() const noexcept;

    const Problem<T>& problem_;
    const Candidates& candidates_;
    const SolverSettings& settings_;
    const RowStatistics<T>& statistics_;
    const SessionMemory<T>* memory_;
    ExecutorRef executor_;
    StopCondition stop_;
    WorkingSetScratch<T>& scratch_;
    DescentScratch<T>& descent_;
    SearchProfile& profile_;
    Panel<T>& panel_;
    ScannedScores<T> scanned_;
    std::optional<DualCoordinateDescent<T>> solver_;
    Stage stage_ = Stage::nothing;
    bool has_joined_ = false;  // the rows that the scan found are in the panel
    bool cut_short_ = false;   // the scan did not reach all rows
    bool stopped_ = false;
    double gathered_before_ = 0.0;  // seconds that earlier steps spent on copying the panel's rows
};

/// Scans all rows for at most max_batch searches of the same rows, in one pass.
template <Real T>
void scan_together(WorkingSetSearch<T>* const* searches, std::size_t n_searches,
                   ExecutorRef executor) noexcept;

}  // namespace exemplar_svm
