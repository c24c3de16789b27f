#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>

#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/real.hpp"
#include "exemplar_svm/settings.hpp"
#include "exemplar_svm/solve_report.hpp"
#include "exemplar_svm/stop_condition.hpp"
#include "kernels/dispatch.hpp"
#include "problem/samples.hpp"
#include "solve/hessian.hpp"
#include "solve/outcome.hpp"

namespace exemplar_svm {

/// Scratch of PrimalNewton. Memory is touched as needed.
struct NewtonScratch {
    NewtonScratch(std::size_t n_rows, std::size_t n_features, std::size_t max_examples);

    std::size_t max_samples;
    HessianScratch hessian;
    std::unique_ptr<double[]> values;
    std::unique_ptr<RowIndex[]> listed;
    std::unique_ptr<std::uint8_t[]> was_inside;
};

/// Newton's method for the primal, whatever the conditioning. Coordinate descent is slow where the
/// couplings C z_i.z_j are strong: with rows of large norm, unscaled features, a common offset or a
/// large C. Newton's method moves all samples at once.
///
/// The dual coefficient of a sample under weights w is
///
///     a_i(w) = min(U_i, max(0, (1 - z_i.w + e c_i) / (D_i + e))).
///
/// The primal gradient is w - w_0 - sum a_i(w) z_i. With S the samples off their bounds, the
/// Hessian is H = I + sum_S z_i z_i' / (D_i + e). For the squared hinge e = 0, and this is Newton's
/// method with an exact line search (Keerthi and DeCoste, JMLR 6, 2005). The hinge has D = 0: the
/// proximal term e (a - c)^2 / 2 around the last dual coefficients c smooths it, and e falls as the
/// solution is approached (the proximal point method; Li, Sun and Toh, SIAM J. Optim. 28, 2018,
/// solve SVMs this way).
///
/// Sums are in double precision, over fixed groups of samples in order: the number of threads
/// changes no bit.
template <Real T>
class PrimalNewton {
  public:
    PrimalNewton(const Samples<T>& samples, ExecutorRef executor, const StopCondition& stop,
                 NewtonScratch& scratch) noexcept;

    /// Solves until no violation exceeds tol and the duality gap is at most gap_tol. Starts from
    /// the given dual coefficients, unless zeros are better, and overwrites them. Updates weights()
    /// separately, since the rounded sum of large, nearly cancelling samples may be less accurate
    /// than the weights: weights() only nearly equal the sum of the dual coefficients.
    Outcome prove(double tol, double gap_tol, std::uint32_t most_steps, double* dual,
                  double* example_dual) noexcept;

    /// Solves the squared hinge without dual coefficients or squared norms. Ends when two
    /// conditions hold. First, the norm of the gradient is below tol min(n_+, n_-) / n times its
    /// norm at zero weights: LIBLINEAR's rule (`dual=False`). Second, the last step changed neither
    /// the set of samples with a loss nor any score by more than tol / 10, relative to scores
    /// above 1. The first alone may hold far from the minimum if a large feature dominates the
    /// gradient.
    ///
    /// @return  epochs are Newton steps; max_epochs may be 0. `precision_limit`: rounding keeps the
    ///          gradient above the goal, and steps no longer improve it. The gap is that of
    ///          duals(), 1/2 ||gradient||^2, and weights_error_bound is ||gradient||, both without
    ///          rounding. score_rounding_bound is infinite. To prove ranks, start solve() from
    ///          duals().
    SolveReport minimise(const SolverSettings& settings) noexcept;

    /// Per feature, then the weight of the constant feature: the intercept divided by s.
    const double* weights() const noexcept { return weights_; }
    /// a_i(w) of the last weights of minimise(), per row, then per example.
    const double* duals() const noexcept { return duals_; }
    std::uint32_t steps() const noexcept { return steps_; }

    /// Estimated multiplications of a step with a factor.
    static double work_of_step(std::size_t n_inside, std::size_t n_features) noexcept;

  private:
    static constexpr double infinity = std::numeric_limits<double>::infinity();

    struct Distance {
        double violation;
        double gap;
    };
    struct Slope {
        double derivative;
        double curvature;
        double sensitivity;  // to the rounding of slacks
    };

    std::size_t count() const noexcept { return samples_.count(); }
    std::size_t width() const noexcept { return samples_.n_features() + 1; }
    double dot(const double* a, const double* b) const noexcept {
        return kernels_.dot(a, b, width());
    }
    void axpy(double alpha, const double* x, double* y) const noexcept {
        kernels_.axpy(alpha, x, y, width());
    }

    /// 1 / (D + e): the weight of a sample of S in H.
    double curvature(std::size_t i) const noexcept {
        return smooths_ ? 1.0 / proximal_ : 2.0 * costs_[i];
    }
    /// The dual coefficient a_i for a slack, before clamping to the bounds.
    double wanted(std::size_t i, double slack) const noexcept {
        return smooths_ ? centres_[i] + slack / proximal_ : 2.0 * costs_[i] * slack;
    }
    double upper(std::size_t i) const noexcept { return smooths_ ? costs_[i] : infinity; }

    void multiply_samples(const double* weights, double* products) const noexcept;
    void compute_slacks() noexcept;
    void sum_duals() noexcept;
    bool find_inside() noexcept;
    void find_gradient() noexcept;
    double objective() const noexcept;

    Slope slope_at(double length, double linear, double square) const noexcept;
    double search_line(double accepted) const noexcept;

    // Parts of prove() alone, then of minimise() alone.
    void begin_at_duals() noexcept;
    void choose_proximal() noexcept;
    void lower_proximal() noexcept;
    double resolution() const noexcept;
    Distance measure() noexcept;
    double move(double length) noexcept;
    void keep_best() noexcept;
    void restore_best() noexcept;
    void scale_duals() noexcept;
    double largest_gradient(double tol) noexcept;
    double largest_change(double length) const noexcept;
    void conclude(SolveReport& report) noexcept;

    Samples<T> samples_;
    ExecutorRef executor_;
    StopCondition stop_;
    const kernels::KernelTable<double>& kernels_;
    Hessian<T> hessian_;
    bool smooths_;  // the hinge
    std::uint32_t steps_ = 0;
    double proximal_ = 0.0;  // e
    double lowest_proximal_ = 0.0;
    bool has_lowered_ = false;  // e was lowered since find_inside()

    std::size_t n_listed_ = 0;
    RowIndex* listed_;  // S, then samples at their upper bounds
    std::uint8_t* was_inside_;
    // Per sample:
    double* costs_;  // 0 for samples that take no part
    double *duals_, *best_duals_;
    double* centres_;     // c
    double* slacks_;      // 1 - z.w
    double* changes_;     // z.step
    double* curvatures_;  // of the listed samples
    // Per feature, then for the constant feature:
    double *prior_, *weights_, *best_weights_, *gradient_;
    double* sum_;  // of a_i z_i
};

}  // namespace exemplar_svm
