#pragma once

#include <cstddef>
#include <cstdint>

#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/problem.hpp"
#include "exemplar_svm/stop_condition.hpp"
#include "problem/optimality.hpp"
#include "solve/outcome.hpp"
#include "solve/solution.hpp"

namespace exemplar_svm {

/// Solves for all samples together, whatever the conditioning: where rows of large norm, common
/// offsets or a large C make coordinate descent slow. Samples are the rows and the examples,
/// z_i = y_i [x_i - mean, s].
///
/// With the dual coefficient that a weight vector asks for,
///
///     a_i(w) = min(U_i, max(0, (1 - z_i.w + e c_i) / (D_i + e))),
///
/// the primal gradient is w - w_0 - sum a_i(w) z_i, and where S are the samples off their bounds
/// the curvature is H = I + sum_S z_i z_i' / (D_i + e). For the squared hinge e = 0, and this is
/// Newton's method for the primal with an exact line search (Keerthi and DeCoste, JMLR 6, 2005).
/// The hinge has D = 0: the proximal term e (a - c)^2 / 2 around the last dual coefficients c
/// smooths it, and e falls as the solution is approached (the proximal point method; Li, Sun and
/// Toh, SIAM J. Optim. 28, 2018, solve SVMs in this way).
///
/// H is factored by Cholesky, in double precision, as a matrix of the features, or by Woodbury's
/// formula as a matrix of the samples in S if they are fewer; iterative refinement against the
/// samples themselves makes up for what the squared condition number takes. The weights are kept
/// apart from the dual coefficients, and corrected on their own: where large samples nearly cancel,
/// their sum is rounded by more than the weights may be.
template <Real T>
class ProximalNewton {
  public:
    /// The largest matrix: 32 MB, which is touched as it is needed.
    static constexpr std::size_t max_order = 2048;

    static std::size_t largest_order(std::size_t n_rows, std::size_t n_features,
                                     std::size_t max_examples) noexcept;
    static std::size_t scratch_size(std::size_t n_rows, std::size_t n_features,
                                    std::size_t max_examples) noexcept;

    /// About how many multiplications a step takes, with so many samples off their bounds.
    static double work_of_step(std::size_t n_inside, std::size_t n_features) noexcept;

    /// @param prior    w_0
    /// @param weights  n_features values: the weights that it leaves
    /// @param rows     four rows of scratch
    /// @param scratch  scratch_size() values
    ProximalNewton(const Problem<T>& problem, ExecutorRef executor, const StopCondition& stop,
                   Solution<T>& solution, const double* prior, double* weights, T* rows,
                   double* scratch) noexcept;

    /// Begins at the dual coefficients in the solution, unless zeros are better, and
    /// leaves others there, and weights that are nearly
    /// theirs; until no optimality condition is violated by more than tol, and the duality gap is
    /// at most gap_tol. Outcome::cannot if more samples are off their bounds than can be solved
    /// for.
    Outcome solve(double tol, double gap_tol, std::uint32_t most_steps) noexcept;

    /// The weight of the constant feature, the intercept divided by s.
    double bias() const noexcept { return bias_; }
    std::uint32_t steps() const noexcept { return steps_; }

  private:
    struct Distance {
        double violation;
        double gap;
    };
    struct Slope {
        double value;
        double rounding;
    };

    void start() noexcept;
    void widen(std::size_t sample, double* out) const noexcept;
    void multiply_samples(const double* weights, double bias, double* products) const noexcept;
    template <class Factor>
    void sum_samples(Factor&& factor, double* sum) const noexcept;
    double objective() const noexcept;
    Distance measure() noexcept;
    void find_gradient() noexcept;
    Outcome factorise() noexcept;
    bool factorise_features() noexcept;
    bool factorise_samples() noexcept;
    void find_step() noexcept;
    void apply_inverse(double* x) noexcept;
    Slope slope(double length) const noexcept;
    double line_search() const noexcept;
    void move(double length) noexcept;
    void choose_proximal() noexcept;
    void keep_best() noexcept;
    void restore_best() noexcept;
    void scale_duals() noexcept;
    double resolution() const noexcept;

    std::size_t n_rows() const noexcept { return problem_.rows.rows; }
    std::size_t n_features() const noexcept { return problem_.rows.cols; }
    std::size_t n_samples() const noexcept { return n_rows() + problem_.examples.rows; }
    std::size_t order() const noexcept { return n_features() + 1; }
    double label(std::size_t sample) const noexcept;
    double cost(std::size_t sample) const noexcept;
    double& dual(std::size_t sample) const noexcept;
    /// D + e.
    double diagonal(Penalty bounds) const noexcept { return bounds.diagonal + proximal_; }
    Penalty bounds(std::size_t sample) const noexcept {
        return penalty(problem_.loss, cost(sample));
    }
    /// The dual coefficient that a slack asks for, whatever the bounds.
    double wanted(std::size_t sample, Penalty bounds, double slack) const noexcept {
        return (slack + proximal_ * centres_[sample]) / diagonal(bounds);
    }
    bool is_inside(std::size_t sample, Penalty bounds) const noexcept {
        const double target = wanted(sample, bounds, 1.0 - margins_[sample]);
        return target > 0.0 && target < bounds.upper;
    }

    const Problem<T>& problem_;
    ExecutorRef executor_;
    StopCondition stop_;
    Solution<T>& solution_;
    const double* prior_;
    double* weights_;
    T* rows_;
    double bias_ = 0.0;
    double proximal_ = 0.0;  // e
    double lowest_proximal_ = 0.0;
    std::uint32_t steps_ = 0;
    double last_move_ = 0.0;     // of a margin by the last step; infinity unless it was a full one
    bool uses_samples_ = false;  // rather than the features
    std::size_t n_inside_ = 0;
    // Per sample:
    double* centres_;  // c
    double* margins_;  // z.w
    double* changes_;  // z.step
    double* best_duals_;
    // Per feature, and for the constant one:
    double* gradient_;
    double* step_;
    double* residual_;
    double* best_weights_;
    double* wide_;  // four samples
    // The factor, row by row:
    std::size_t max_order_;
    double* inner_;
    double* factor_;
};

}  // namespace exemplar_svm
