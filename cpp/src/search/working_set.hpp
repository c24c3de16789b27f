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

/// What a search by working set works with.
template <Real T>
struct WorkingSetScratch {
    Panel<T> panel;        ///< the working set
    Solution<T> solution;  ///< of the panel's rows
    ChoiceScratch<T> choice;
    ScanScratch<T> scan;

    WorkingSetScratch(const RowsView<T>& rows, std::size_t max_examples);

    bool has_room_for(const RowsView<T>& rows) const noexcept;
};

/// Solves an exemplar SVM over all rows by looking closely at few of them, exactly:
///
///   1. choose:  guess every score, and copy the rows that seem to score highest into a panel, the
///               working set;
///   2. solve    roughly over the panel;
///   3. scan     all rows once, or their sketch, under these weights: those at or near the margin
///               join the panel;
///   4. solve    over the panel, to the end;
///   5. verify:  no row outside of the panel may score above -1. Its score in the scan and the
///               change of the weights since then bound its score now (ScannedScores), so few rows
///               have to be looked at again. Those that violate the margin join the panel, and the
///               search goes on at 4.
///
/// Where a stop condition is reached on the way, the panel is scored under the weights so far and
/// the scan, or as much of it as there is, bounds the scores of the rows outside.
///
/// The rows outside have dual coefficients of zero and do not violate their margins, so they add
/// nothing to the duality gap: that of the panel is that of all rows. Malisiewicz, Gupta and Efros
/// mine hard negatives in the same way, without an exact stop.
template <Real T>
class WorkingSetSearch {
  public:
    /// @param scores  n_rows values, for the scan
    /// @param memory  of the session, if the search is one of its steps
    WorkingSetSearch(const Problem<T>& problem, const Candidates& candidates,
                     const SolverSettings& settings, const RowStatistics<T>& statistics,
                     ExecutorRef executor, const StopCondition& stop, WorkingSetScratch<T>& scratch,
                     DescentScratch<T>& descent, SearchProfile& profile, T* scores,
                     const SessionMemory<T>* memory) noexcept;

    /// Up to the scan. Returns whether that comes next: if not, there is time left for finish()
    /// only.
    bool prepare() noexcept;

    /// The rest; may go on to another goal. Outcome::hand_over if the panel cannot hold the working
    /// set.
    Outcome finish(const Goal& goal, SolveReport& report) noexcept;

    /// Whether all rows were looked at; always, unless the stop condition was reached.
    bool has_seen_all_rows() const noexcept;

    /// Ranks the rows under the weights that were found, usually without looking at more of them.
    void rank(TopK<T>& best) noexcept;

    /// Scores of any rows, as those that rank() has ranked.
    void score(std::span<const RowIndex> rows, T* scores) noexcept;

    /// Scores of all rows.
    void score_all() noexcept;

    /// Whether another search may go on from the panel and the dual coefficients of its rows.
    bool can_be_resumed() const noexcept { return stage_ == Stage::solving; }
    double seconds_to_gather() const noexcept { return gathered_before_ + profile_.gather; }

    /// Copies the dual coefficients of the examples and the weights.
    void deliver(Solution<T>& solution) const noexcept;

    /// Copies the dual coefficients of the panel's rows; those of the others are zero.
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
    void add_worst(std::span<RowIndex> rows) noexcept;
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
    bool has_joined_ = false;  // what the scan has found
    bool cut_short_ = false;   // the scan
    bool stopped_ = false;
    double gathered_before_ = 0.0;  // seconds that the panel of the step before has taken
};

/// Scans all rows for several searches of the same rows, at most max_batch, in one reading.
template <Real T>
void scan_together(WorkingSetSearch<T>* const* searches, std::size_t n_searches,
                   ExecutorRef executor) noexcept;

}  // namespace exemplar_svm
