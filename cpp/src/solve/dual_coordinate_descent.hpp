#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "base/permutation.hpp"
#include "exemplar_svm/problem.hpp"
#include "exemplar_svm/scan.hpp"
#include "exemplar_svm/solve_report.hpp"
#include "exemplar_svm/stop_condition.hpp"
#include "kernels/dispatch.hpp"
#include "problem/examples.hpp"
#include "problem/optimality.hpp"
#include "solve/example_block.hpp"
#include "solve/outcome.hpp"
#include "solve/prepared_examples.hpp"
#include "solve/primal_newton.hpp"
#include "solve/solution.hpp"

namespace exemplar_svm {

/// The most coordinates that a Newton step of the solver takes together.
inline constexpr std::size_t max_polished = 256;

/// What the solver works with, for problems of at most so many rows, or blocks of rows.
template <Real T>
struct DescentScratch {
    PreparedExamples<T> examples;
    std::vector<RowIndex> active;          ///< rows the next epoch visits come first
    std::vector<std::uint8_t> marks;       ///< per sparse row, 0 between uses
    std::vector<RowIndex> sorted;          ///< sparse rows in order
    std::vector<T> products;               ///< x~_i . x~_j, row by row, for each example j
    std::vector<T> coef;                   ///< weights while they change
    std::vector<double> wide_coef;         ///< weights recomputed in double precision
    std::vector<double> wide_row;          ///< one row in double precision
    std::vector<T> rows;                   ///< four dense rows not in place, or a sparse one
    std::vector<double> polish;            ///< the small quadratic of a Newton step
    std::vector<std::size_t> polish_rows;  ///< its coordinates
    std::vector<BlockSummary> summaries;   ///< one per block of rows
    NewtonScratch newton;
    // Not initialised: memory is taken as it is needed.
    std::unique_ptr<double[]> joint;  ///< of ConjugateGradients

    DescentScratch(const RowsView<T>& rows, std::size_t max_blocks, std::size_t max_examples,
                   std::size_t max_example_entries);
};

/// The solver of solver.hpp, which can also be stopped at a rough solution and go on with more
/// rows.
template <Real T>
class DualCoordinateDescent {
  public:
    DualCoordinateDescent(const Problem<T>& problem, const SolverSettings& settings,
                          ExecutorRef executor, Solution<T>& solution, DescentScratch<T>& scratch,
                          T* scores, const StopCondition& stop = {}) noexcept
        : problem_(problem),
          goal_(Goal::of(settings, problem)),
          executor_(executor),
          solution_(solution),
          scratch_(scratch),
          block_(scratch.examples.block()),
          scores_(scores),
          stop_(stop),
          kernels_(kernels::active_table<T>()),
          blocks_(row_blocks(problem.rows)),
          random_(settings.seed),
          penalty_(penalty(problem.loss, problem.cost)),
          shrinking_(settings.shrinking),
          bias_square_(problem.intercept_scaling * problem.intercept_scaling) {}

    void start(Start from = Start::zeros) noexcept;

    /// Epochs until no visited row violates its optimality condition by more than tol, or until
    /// conclude() has to begin. Looks at no row again, and leaves the weights in the solution.
    void approach(double tol) noexcept;

    /// Goes on with a problem that has more rows behind those of before.
    void extend(const Problem<T>& problem) noexcept;

    /// Solves to the goal, as solve() does.
    Outcome finish(const Goal& goal, SolveReport& report) noexcept;

    /// Ends short of the goal: leaves the present weights in the solution, and the scores under
    /// them. Their primal objective, and the gap to the dual one, which is the bound on their
    /// error then, are upper bounds. There is no violation in the report, and no more to be done
    /// here.
    SolveReport conclude() noexcept;

    /// About how many seconds conclude() takes.
    double seconds_to_conclude() const noexcept { return seconds_to_conclude_; }

  private:
    Outcome solve_in_rounds(SolveReport& report) noexcept;
    void fill(SolveReport& report, const BlockSummary& verified) const noexcept;
    void add_rows(std::size_t begin, Start from) noexcept;
    /// Rows without labels and costs of their own can begin together; sparse ones do.
    bool begins_level() const noexcept {
        return !problem_.rows.is_dense() && eliminates() && problem_.labels == nullptr &&
               problem_.costs == nullptr;
    }
    void level_rows() noexcept;
    std::size_t count_inside() const noexcept;
    bool support_all() const noexcept;
    void multiply_rows_by_examples(std::size_t first) noexcept;

    Outcome descend(const Goal& goal) noexcept;
    EpochSummary epoch() noexcept;
    void order_visits() noexcept;
    void visit_rows(const RowIndex* rows, std::size_t n_visited, bool* stays,
                    EpochSummary& seen) noexcept;
    double visit_row(RowIndex i, double product, bool& stays, EpochSummary& seen) noexcept;
    /// Whether there is no time left for anything, or for what takes `seconds`, but to conclude().
    bool has_to_conclude(double seconds = 0.0) const noexcept {
        return stop_.is_set() && stop_.earlier_by(seconds_to_conclude_ + seconds).reached();
    }
    double seconds_to_polish(std::size_t n_inside) const noexcept;
    void visit_example(std::size_t j, EpochSummary& seen) noexcept;
    void fold() noexcept;
    double resolution() const noexcept;
    bool polish() noexcept;
    Outcome solve_together(const Goal& goal) noexcept;
    bool can_solve_together() const noexcept;
    double epochs_before_newton(std::size_t n_inside) const noexcept;
    double example_norm_at_most(std::size_t j) const noexcept;
    Penalty example_penalty(std::size_t j) const noexcept {
        return penalty(problem_.loss, example_cost(j));
    }
    Outcome solve_jointly(const Goal& goal) noexcept;
    /// Where many coordinates are better solved for together than one by one.
    bool suits_joint_steps() const noexcept {
        return !problem_.rows.is_dense() && eliminates() && problem_.labels == nullptr &&
               problem_.loss == Loss::squared_hinge;
    }
    double widen_sample(std::size_t sample) noexcept;

    void refresh() noexcept;
    double sum_weights(double* weights) noexcept;
    void adopt_weights(double sum) noexcept;
    void keep_example_duals() noexcept;
    double optimise_examples(double sum) noexcept;
    void round_weights(double sum) noexcept;
    void rebase() noexcept;
    enum class Accuracy { precise, of_scores };
    BlockSummary verify(Accuracy accuracy = Accuracy::precise) noexcept;
    double precise_score(std::size_t i) const noexcept;
    void activate_violators(double slack) noexcept;

    std::size_t n_rows() const noexcept { return problem_.rows.rows; }
    std::size_t n_features() const noexcept { return problem_.rows.cols; }
    std::size_t n_examples() const noexcept { return problem_.examples.rows; }
    bool eliminates() const noexcept { return block_.count() > 0; }

    double label(std::size_t i) const noexcept {
        return problem_.labels == nullptr ? -1.0 : static_cast<double>(problem_.labels[i]);
    }
    bool takes_part(std::size_t i) const noexcept {
        return problem_.background == nullptr || problem_.background[i] != 0;
    }
    double cost(std::size_t i) const noexcept {
        if (!takes_part(i)) return 0.0;
        return problem_.costs == nullptr ? problem_.cost : problem_.costs[i];
    }
    Penalty row_penalty(std::size_t i) const noexcept {
        if (problem_.costs == nullptr && takes_part(i)) return penalty_;
        return penalty(problem_.loss, cost(i));
    }
    double example_label(std::size_t j) const noexcept {
        return exemplar_svm::example_label(problem_, j);
    }
    double example_cost(std::size_t j) const noexcept {
        return exemplar_svm::example_cost(problem_, j);
    }
    /// Of a row, or of an example as sample n_rows + j.
    Penalty sample_penalty(std::size_t sample) const noexcept {
        if (sample < n_rows()) return row_penalty(sample);
        return penalty(problem_.loss, example_cost(sample - n_rows()));
    }
    double example_dual(std::size_t j) const noexcept {
        return eliminates() ? block_.dual(j) : solution_.example_dual[j];
    }
    /// How many means come along with an example: none with dense ones, which are centred one by
    /// one.
    double example_shift(std::size_t j) const noexcept {
        return problem_.mean == nullptr || examples_.is_dense() ? 0.0 : example_label(j);
    }
    bool is_outside(std::size_t j) const noexcept { return !eliminates() || !block_.is_member(j); }

    Problem<T> problem_;
    Goal goal_;
    ExecutorRef executor_;
    Solution<T>& solution_;
    DescentScratch<T>& scratch_;
    ExampleBlock& block_;
    T* scores_;
    StopCondition stop_;
    double seconds_to_conclude_ = 0.0;
    const kernels::KernelTable<T>& kernels_;
    RowBlocks blocks_;
    SplitMix64 random_;
    Penalty penalty_;  // of every row, unless the rows have costs of their own
    bool shrinking_;
    // Gradients beyond which a row at a bound leaves the epochs: the extremes of the epoch before.
    double shrink_above_ = std::numeric_limits<double>::infinity();
    double shrink_below_ = -std::numeric_limits<double>::infinity();
    double bias_square_;  // s^2

    RowsView<T> examples_{};  // as they have been prepared
    std::size_t n_active_ = 0;
    std::size_t next_outside_ = 0;
    std::uint32_t epochs_ = 0;
    std::uint32_t since_newton_ = 0;  // epochs
    double largest_norm_ = 0.0;       // of the x~_i

    // The decision function while it changes: the score of a row x_i is
    //     coef . x_i + intercept_ + offset_ - shift_ (mean . x_i) + block_.pending_score(k_i),
    // where coef holds the rows as they are and shift_ counts the means they have brought along.
    // While refining_, scratch_.coef holds only what changes from the weights of the last
    // refresh, and scores_[i] the product of row i with those.
    bool refining_ = false;
    bool is_level_ = false;      // all active rows have the same dual coefficient
    bool is_exhausted_ = false;  // double precision has allowed no more
    bool is_fresh_ = false;      // the weights are those of the dual coefficients, just recomputed
    double sum_ = 0.0;           // of a_i y_i, at the last refresh
    double intercept_ = 0.0;
    double offset_ = 0.0;
    double shift_ = 0.0;
    double mean_square_ = 0.0;

    double refreshed_offset_ = 0.0;
    double coef_rounding_ = 0.0;  // ||coef - its value before rounding to T||
    double prior_norm_ = 0.0;
    double sum_rounding_ = 0.0;      // bound on that of the last sum of rows
    double drift_ = 0.0;             // bound on ||w - w(a)||: of the weights from the coefficients'
    double score_rounding_ = 0.0;    // bound on the rounding of a score in T, and
    double precise_rounding_ = 0.0;  // in double precision: of a row, and per norm of any sample
    double precise_rounding_per_norm_ = 0.0;
};

}  // namespace exemplar_svm
