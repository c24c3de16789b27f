#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/solve_report.hpp"
#include "exemplar_svm/stop_condition.hpp"
#include "exemplar_svm/top_k.hpp"
#include "model/gaussian_model.hpp"
#include "problem/query_problem.hpp"
#include "problem/samples.hpp"
#include "solve/anderson.hpp"
#include "solve/curvature.hpp"
#include "solve/outcome.hpp"
#include "solve/panel.hpp"
#include "solve/prepared_examples.hpp"
#include "solve/solution.hpp"

namespace exemplar_svm {

/// Estimated speed of a pass over rows in memory.
inline constexpr double seconds_per_byte_of_pass = 3e-10;

/// The most groups of rows with a gradient of their own.
inline constexpr std::size_t max_pass_groups = 64;

/// Scratch of PrimalDescent. Small for sparse rows and for fewer than fewest_primal_rows.
template <Real T>
struct PrimalScratch {
    std::size_t max_examples;
    std::vector<double> coordinates;
    Panel<T> copies;                        ///< copies of support vectors of a sample
    std::unique_ptr<T[]> reach;             ///< per row; not initialised
    std::unique_ptr<RowIndex[]> collected;  ///< rows to score; not initialised

    PrimalScratch(const RowsView<T>& rows, std::size_t max_examples);
};

/// Solves an exemplar SVM with the squared hinge where many rows support, so that no small working
/// set exists: at a small C. Rows are dense, all negatives of one cost; there are at most
/// ExampleBlock::capacity examples.
///
/// Such a problem is nearly a ridge regression. Its curvature I + 2 C sum x~ x~' over the support
/// vectors is close to a known model (Curvature): the identity, the mean and main directions of the
/// rows (GaussianModel), and the examples. One descent step in the metric of this model nearly
/// reaches the minimum. A few more steps, combined as in conjugate gradients (Anderson), bring the
/// gradient to 1e-6. Each step takes one pass over the rows, in double precision, which scores a
/// row and adds it to the gradient while it is in cache. With many rows, a few copied support
/// vectors improve each step.
///
/// Three things make the passes few and short:
///
/// * Early passes read nested samples of the rows, weighted to stand for all. The changes that
///   Anderson learned there carry over.
/// * A row with score f < -1 cannot support before the weights have moved by more than
///   (-1 - f) / ||x~||, and is not read until then.
/// * The primal is 1-strongly convex, so ||w~ - w~*|| <= ||gradient||: the last pass is the proof.
///
/// Newton's method for the primal is Keerthi and DeCoste's (JMLR 6, 2005) and Chapelle's (Neural
/// Computation 19, 2007); LIBLINEAR has it with conjugate gradients (Lin, Weng, Keerthi, JMLR 9,
/// 2008).
template <Real T>
class PrimalDescent {
  public:
    /// @param scores  n_rows values
    PrimalDescent(const Samples<T>& samples, const GaussianModel<T>& gaussian, ExecutorRef executor,
                  const StopCondition& stop, Solution<T>& solution, PreparedExamples<T>& examples,
                  PrimalScratch<T>& scratch, T* scores) noexcept;

    /// Solves until the gap is at most goal.gap, or no longer falls. Leaves the dual coefficients
    /// in the solution, and the weights unless it hands over.
    /// @param duals_agree  continue until the weights are those of the dual coefficients, up to
    ///                     rounding
    Outcome solve(const Goal& goal, bool duals_agree, SolveReport& report) noexcept;

    /// Ranks the rows under the weights.
    void rank(const Candidates& candidates, TopK<T>& best) noexcept;

    /// Updates the scores of all rows.
    void score_all() noexcept;

    /// Updates the scores of some rows.
    void score(std::span<const RowIndex> rows) noexcept;

  private:
    /// Sums of a pass over a group of rows, besides the gradient. Groups are added in order.
    struct Sums {
        double loss = 0.0;
        double dual = 0.0;
        std::size_t n_support = 0;
        std::size_t n_read = 0;
        bool done = false;
    };

    Outcome descend(std::size_t n_sampled, double largest_gradient) noexcept;
    void begin_level(std::size_t n_sampled) noexcept;
    bool pass(ExecutorRef executor) noexcept;
    void set_decision_function() noexcept;
    void pass_group(std::size_t group) noexcept;
    double add_examples() noexcept;
    void model_curvature() noexcept;
    void copy_sample() noexcept;
    void step(double length) noexcept;
    void multiply_by_hessian(const double* x, double* product) const noexcept;
    void conclude() noexcept;
    void fill(SolveReport& report) noexcept;
    RowIndex* collected() const noexcept { return scratch_.collected.get(); }

    std::size_t n_rows() const noexcept { return samples_.n_rows(); }
    std::size_t n_features() const noexcept { return samples_.n_features(); }
    std::size_t order() const noexcept { return n_features() + 1; }
    /// The row at a place of the sample.
    std::size_t row_at(std::size_t place) const noexcept {
        return n_sampled_ == n_rows() ? place : place * n_rows() / n_sampled_;
    }
    bool takes_part(std::size_t i) const noexcept { return samples_.takes_part(i); }
    double norm(std::size_t i) const noexcept;
    double highest_score(std::size_t i) const noexcept;
    double gradient_rounding() const noexcept;
    double seconds_to_conclude() const noexcept;

    Samples<T> samples_;
    Goal goal_{};
    const GaussianModel<T>& gaussian_;
    ExecutorRef executor_;
    StopCondition stop_;
    Solution<T>& solution_;
    PreparedExamples<T>& examples_;
    PrimalScratch<T>& scratch_;
    T* scores_;
    T* reach_;             // per row: its last score minus ||x~_i|| times way_ at that time
    double largest_norm_;  // of the x~_i
    double cost_;          // of a row of the sample

    std::size_t n_sampled_ = 0;
    std::size_t n_groups_ = 0;
    bool reads_all_ = true;
    double way_ = 0.0;     // length of the path of the weights since the level's first pass
    double slack_ = 0.0;   // bound on the rounding of highest_score()
    double offset_ = 0.0;  // of the scores: f(x) = w.x + offset_
    double seconds_per_row_;

    // Coordinates of w~: the features, then the constant feature.
    double* point_;
    double* scored_;  // the point of the last pass
    double* gradient_;
    double* residual_;
    double* image_;
    double* direction_;
    double* product_;
    double* partial_;  // sums of samples, one per group
    Anderson anderson_;
    Curvature curvature_;
    std::array<Sums, max_pass_groups> sums_{};
    Sums total_{};
    double value_ = 0.0;  // the primal objective
    double gradient_norm_ = 0.0;
    double precise_rounding_ = 0.0;  // bound on the rounding of a score in double precision
    double score_rounding_ = 0.0;    // the same after rounding to T
    std::uint32_t passes_ = 0;       // over all rows
};

}  // namespace exemplar_svm
