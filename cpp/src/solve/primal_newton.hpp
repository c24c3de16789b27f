#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/problem.hpp"
#include "exemplar_svm/settings.hpp"
#include "exemplar_svm/solve_report.hpp"
#include "exemplar_svm/stop_condition.hpp"

namespace exemplar_svm {

/// Every buffer that minimise_primal needs, and what it leaves behind.
struct PrimalNewtonScratch {
    /// Problems of more features are not factored: their matrix would take more than 32 MB.
    static constexpr std::size_t max_factored = 2047;

    /// For problems of at most so many rows and examples, and as many features as the rows have.
    template <Real T>
    PrimalNewtonScratch(const RowsView<T>& rows, std::size_t n_examples);

    std::size_t n_groups;  ///< parts of the samples that are summed up by themselves

    // What a solve leaves behind.
    std::vector<double> weights;  ///< per feature; then that of the constant feature, b / s
    std::vector<double> dual;     ///< per row and then per example: 2 C max(0, 1 - y f(x))

    // What it works with. Samples are the rows, and behind them the examples.
    std::vector<double> costs;    ///< per sample; 0 for those left out
    std::vector<double> slacks;   ///< per sample: 1 - y f(x)
    std::vector<double> changes;  ///< per sample: y times that of the score
    std::vector<std::uint8_t> was_active;
    std::vector<std::size_t> active;  ///< samples with a cost and a loss
    std::vector<double> start;        ///< w_0, here and below per weight
    std::vector<double> gradient, step, residual, direction, product, scaled;
    std::vector<double> scales;        ///< square roots of the Hessian's diagonal
    std::vector<double> sums;          ///< per group and weight
    std::vector<double> panel;         ///< a few samples, side by side
    std::unique_ptr<double[]> factor;  ///< touched as it is needed
};

/// Minimises the primal of a problem with the squared hinge by Newton's method. It converges on any
/// finite samples: the dual's coordinates, which the other solvers take one or two at a time, are
/// coupled by C x~_i.x~_j and move slowly where features are unscaled; a Newton step does not mind
/// the scale of a feature, nor that of C.
///
/// The objective is piecewise quadratic and strongly convex. A step solves H s = -gradient with the
/// Hessian H = 1 + sum 2 C_i x~_i x~_i' over the samples that have a loss, and goes along s as far
/// as the objective falls. The system is solved by conjugate gradients, which never form H, scaled
/// by its diagonal (Keerthi and DeCoste, JMLR 6, 2005). Where there are few features, or conjugate
/// gradients take long, H is formed and factored instead; the factor then scales the conjugate
/// gradients of this step, which make up for its rounding, and of the next ones, whose H differ by
/// few samples. What rounding does to H is what it does to a scaling: it costs iterations, never
/// the accuracy of the minimum.
///
/// It ends when the norm of the gradient is below tol min(n_+, n_-) / n times that without weights,
/// which is LIBLINEAR's rule (`dual=False`), and the last step changed neither which samples have a
/// loss nor a score by more than tol / 10, relative to the scores above 1: a large feature
/// dominates the norm of the gradient, which is then small far from the minimum.
///
/// All kinds of rows, examples, masks, the mean and the prior are read as Problem states them; its
/// initial coefficients and squared norms are not. Sums are in double precision, and over fixed
/// groups of samples in order: the number of threads changes no bit.
///
/// @return  epochs are Newton steps; max_epochs may be 0. `precision_limit` is returned where
///          rounding keeps the gradient above the goal, and steps do not improve anything.
///          The gap is that of the dual coefficients in `scratch`, 1/2 ||gradient||^2, and
///          weights_error_bound the norm of the gradient, both without the rounding in it. No
///          bound on the rounding of scores is known: it is infinite. To prove ranks, give the dual
///          coefficients to solve(), as those to start from.
template <Real T>
SolveReport minimise_primal(const Problem<T>& problem, const SolverSettings& settings,
                            ExecutorRef executor, PrimalNewtonScratch& scratch,
                            const StopCondition& stop = {}) noexcept;

}  // namespace exemplar_svm
