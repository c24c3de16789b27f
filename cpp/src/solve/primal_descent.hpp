#pragma once

#include <array>
#include <cstddef>
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

/// About what a pass takes from memory.
inline constexpr double seconds_per_byte_of_pass = 3e-10;

/// The most groups of rows whose gradients are added up apart.
inline constexpr std::size_t max_pass_groups = 64;

/// What PrimalDescent works with; little where no search of so few rows is worth it.
template <Real T>
struct PrimalScratch {
    std::size_t max_examples;
    std::vector<double> coordinates;
    Panel<T> copies;                        ///< of rows of a sample that support
    std::unique_ptr<T[]> reach;             ///< per row; not initialised
    std::unique_ptr<RowIndex[]> collected;  ///< likewise: rows to score

    PrimalScratch(const RowsView<T>& rows, std::size_t max_examples);
};

/// Solves an exemplar SVM with the squared hinge where a large part of the rows supports, so that
/// there is no small working set: at a small C. Rows are dense, all of them negatives of one cost;
/// there are at most ExampleBlock::capacity examples.
///
/// There the problem is nearly a ridge regression. Its primal objective is differentiable, and its
/// curvature I + 2 C sum x~ x~' (over the rows that support) close to the identity plus the rows'
/// mean, their main directions and the examples, all of which are known beforehand (Curvature,
/// GaussianModel). So descent along the gradient in the inverse of this metric nearly arrives in a
/// step, and a few steps more, combined as in conjugate gradients (Anderson), bring the gradient to
/// 1e-6. Each takes one pass over the rows, which scores a row and adds it to the gradient while it
/// is in cache, in double precision. Where rows are many, a step is improved on few of them.
///
/// Three things make the passes few and short:
///
/// * They begin on a sample of the rows, each of which stands for several, as often as that pays;
///   what was learned there of the curvature stays.
/// * A row that was passed over with score f cannot support before the weights have moved by more
///   than (-1 - f) / ||x~||, and is not read until then.
/// * The primal is 1-strongly convex, so that ||w~ - w~*|| <= ||gradient||: the pass that ends the
///   descent is its proof as well.
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

    /// Solves until the gap is at most that of the goal, or nothing improves any more. Leaves the
    /// dual coefficients in the solution, and the weights unless it hands over.
    /// @param duals_agree  go on until the weights are those of the dual coefficients, up to
    ///                     rounding
    Outcome solve(const Goal& goal, bool duals_agree, SolveReport& report) noexcept;

    /// Ranks the rows under the weights.
    void rank(const Candidates& candidates, TopK<T>& best) noexcept;

    /// Brings the scores of all rows up to date.
    void score_all() noexcept;

    /// Those of some rows.
    void score(std::span<const RowIndex> rows) noexcept;

  private:
    /// What a pass adds up over a group of rows, apart from the gradient; over the groups in order.
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
    T* reach_;  // per row: its score, less its norm times the way of the weights until then
    double largest_norm_;  // of the x~_i
    double cost_;          // of a row of the sample

    std::size_t n_sampled_ = 0;
    std::size_t n_groups_ = 0;
    bool reads_all_ = true;
    double way_ = 0.0;     // that the weights have gone since the level's first pass
    double slack_ = 0.0;   // rounding of reach_
    double offset_ = 0.0;  // of the scores: f(x) = w.x + offset_
    double seconds_per_row_;

    // Coordinates of w~: the features, then the constant one.
    double* point_;
    double* scored_;  // where the last pass was
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
    double precise_rounding_ = 0.0;  // of a score before it is rounded to T, and
    double score_rounding_ = 0.0;    // after, at most
    std::uint32_t passes_ = 0;       // over all rows
};

}  // namespace exemplar_svm
