#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "exemplar_svm/problem.hpp"
#include "exemplar_svm/solver.hpp"
#include "exemplar_svm/stop_condition.hpp"
#include "exemplar_svm/top_k.hpp"
#include "model/row_statistics.hpp"
#include "model/sketch.hpp"
#include "problem/query_problem.hpp"
#include "search/session_memory.hpp"
#include "solve/dual_coordinate_descent.hpp"
#include "solve/panel.hpp"

namespace exemplar_svm {

/// Solves an exemplar SVM over all rows by looking closely at few of them, exactly:
///
///   1. choose:  guess every score from the sign codes, under a Gaussian approximation of the
///               weights, and copy the rows that seem to score highest into a panel, the working
///               set;
///   2. solve    roughly over the panel;
///   3. scan     all rows once, or their sketch, under these weights: those at or near the margin
///               join the panel;
///   4. solve    over the panel, to the end;
///   5. verify:  no row outside of the panel may score above -1. Its score f_1 in the scan and the
///               change of the weights since then bound its score now,
///               f(x) <= f_1(x) + ||w - w_1|| ||x||, so few rows have to be looked at again. (A
///               sketch x^ adds ||w_1|| ||x - x^|| to the bound.)
///               Those that violate the margin join the panel, and it goes on at 4.
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
    /// Whether a working set is worth looking for: not where most sparse rows will support, which a
    /// solver over all of them does as fast. Of dense rows always, unless PrimalDescent serves
    /// them.
    static bool suits(const Problem<T>& problem, const GaussianModel<T>& gaussian) noexcept;

    /// @param scores  n_rows values, for the scan
    /// @param memory  of the session, if the search is one of its steps
    WorkingSetSearch(const Problem<T>& problem, const Candidates& candidates,
                     const SolverSettings& settings, const RowStatistics<T>& statistics,
                     ExecutorRef executor, const StopCondition& stop, Workspace<T>& workspace,
                     T* scores, const SessionMemory<T>* memory = nullptr) noexcept;

    /// Up to the scan. Returns whether that comes next, scan() or scan_together() with other
    /// searches: if not, there is time left for finish() only.
    bool begin() noexcept;
    void scan() noexcept;

    /// The rest, up to the given tol and score_tol; may go on with others. Returns false if the
    /// panel cannot hold the working set: then a solver over all
    /// rows has to go on from the dual coefficients, which it finds in workspace.dual.
    bool finish(double tol, double score_tol, SolveReport& report) noexcept;

    /// Whether all rows were looked at; always, unless the stop condition was reached.
    bool has_seen_all_rows() const noexcept;

    /// Ranks the rows under the weights that were found, usually without looking at more of them.
    void rank(TopK<T>& best) noexcept;

    /// Scores the first n rows in workspace.collected, any rows, as those that rank() has ranked.
    void score_collected(std::size_t n_collected) noexcept;

    /// Whether the panel and the dual coefficients of its rows are those of a solution, however
    /// rough, from which another search may go on.
    bool can_be_resumed() const noexcept { return stage_ == Stage::solving; }
    double seconds_to_gather() const noexcept {
        return gathered_before_ + workspace_.profile.gather;
    }

    /// Leaves the dual coefficients in workspace.dual, one per row of the problem.
    void scatter_dual() noexcept;

  private:
    template <Real U>
    friend void scan_together(WorkingSetSearch<U>* const* searches, std::size_t n_searches,
                              ExecutorRef executor) noexcept;

    /// What the search has reached.
    enum class Stage { nothing, guessed, solving };

    /// How far scores may be from those of the scan under the present weights: for a row x, by
    /// distance ||x|| + common, and what the scan itself left open.
    struct Drift {
        double distance;
        double common;
    };

    bool has_to_conclude(double seconds = 0.0) const noexcept;
    double seconds_to_conclude() const noexcept;
    void conclude(SolveReport& report) noexcept;
    void add_outside(SolveReport& report) noexcept;
    double outside_loss() const noexcept;
    Drift drift() const noexcept;
    double beyond_scan(std::size_t i, const Drift& drift) const noexcept;
    double beyond_scan_at_most(const Drift& drift) const noexcept;
    double seconds_to_gather(std::size_t n) const noexcept;
    double seconds_over_all_rows() const noexcept;

    bool fill_panel() noexcept;
    bool resume() noexcept;
    std::size_t n_wanted() const noexcept;
    std::size_t choose(ExecutorRef executor) noexcept;
    void leave_out_panel() noexcept;
    void begin_scan() noexcept;
    void end_scan() noexcept;
    bool join() noexcept;
    std::size_t most_joining() const noexcept;
    void add_worst(std::size_t n_collected) noexcept;
    std::size_t collect_near(double threshold) noexcept;
    template <class Test>
    std::size_t collect_reaching(double threshold, Test&& concerns) noexcept;
    template <class Test>
    std::size_t collect(double lowest, Test&& test) noexcept;
    bool is_negative(std::size_t i) const noexcept {
        return problem_.background == nullptr || problem_.background[i] != 0;
    }
    std::span<T> block_highest() const noexcept {
        return std::span(workspace_.block_highest).first(blocks_.count());
    }
    double rough_tol() const noexcept;
    double slack() const noexcept;
    bool reads_sketch() const noexcept { return !sketch_.empty(); }
    std::size_t collect_violating() noexcept;
    void add_collected(std::size_t n) noexcept;

    const Problem<T>& problem_;
    const Candidates& candidates_;
    const SolverSettings& settings_;
    const RowStatistics<T>& statistics_;
    const SessionMemory<T>* memory_;
    const Sketch<T>& sketch_;  // scanned in place of the rows, unless it is empty
    double max_sketch_error_;
    ExecutorRef executor_;
    StopCondition stop_;
    Workspace<T>& workspace_;
    Panel<T>& panel_;
    T* scores_;  // of the scan; -infinity for rows of the panel
    RowBlocks blocks_;
    std::optional<DualCoordinateDescent<T>> solver_;
    Stage stage_ = Stage::nothing;
    bool has_joined_ = false;  // what the scan has found
    bool cut_short_ = false;   // the scan
    bool stopped_ = false;
    double gathered_before_ = 0.0;  // seconds that the panel of the step before has taken

    double largest_norm_ = 0.0;   // of the rows as they are
    double scan_norm_ = 0.0;      // ||coef|| in the scan
    double scan_rounding_ = 0.0;  // bound on the rounding of a score in the scan,
    double rounding_ = 0.0;       // and under the present weights
};

/// Scores all rows under the weights of several searches of the same rows, at most max_batch, in
/// one reading of the rows. Scores have the bits that a scan alone gives.
template <Real T>
void scan_together(WorkingSetSearch<T>* const* searches, std::size_t n_searches,
                   ExecutorRef executor) noexcept;

}  // namespace exemplar_svm
