#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>

#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/real.hpp"
#include "exemplar_svm/stop_condition.hpp"
#include "kernels/dispatch.hpp"
#include "problem/samples.hpp"
#include "solve/cholesky.hpp"

namespace exemplar_svm {

/// Scratch of Hessian. Memory is touched as needed.
struct HessianScratch {
    /// Largest order of a factor: 32 MB.
    static constexpr std::size_t max_order = 2048;

    HessianScratch(std::size_t max_samples, std::size_t n_features);

    std::size_t order;       ///< of the largest matrix
    std::size_t panel_size;  ///< values of the samples that are added to a matrix at once
    std::unique_ptr<double[]> values;
    std::unique_ptr<RowIndex[]> factored;
};

/// The Hessian H = I + sum over S of k_i z_i z_i' of the primal, where S are the samples with a
/// loss and k_i its second derivative, and the Newton step s, which solves H s = -gradient.
///
/// Conjugate gradients, preconditioned by the diagonal of H, never form H (Keerthi and DeCoste,
/// JMLR 6, 2005). With few features, or when conjugate gradients take long, H is formed and
/// factored. The factor then preconditions the conjugate gradients of this step and of later ones,
/// whose H differ by few samples. Rounding of the factor costs iterations, never accuracy.
///
/// Vectors have an entry per feature, and a last one for the constant feature.
template <Real T>
class Hessian {
  public:
    Hessian(const Samples<T>& samples, ExecutorRef executor, const StopCondition& stop,
            HessianScratch& scratch) noexcept;

    /// Sets S and k, which are borrowed.
    /// @param is_same  whether S and k are unchanged, up to rounding
    void set(const RowIndex* inside, const double* curvatures, std::size_t n_inside,
             bool is_same) noexcept;

    /// Sets the gradient. Returns gradient' P gradient, P the present approximation of H^-1.
    double begin(const double* gradient) noexcept;

    /// Solves for the step with a relative error of `accuracy` in the norm of H.
    /// @param is_accurate  factor H at once: only an accurate step makes progress
    /// @returns whether it ended before the stop
    bool solve(double accuracy, bool is_accurate) noexcept;

    /// Solves for the step by a factor and iterative refinement, as accurately as possible. If S
    /// has fewer samples than there are features, factors the matrix of samples in Woodbury's
    /// formula. The formula cancels, so such a factor must not precondition conjugate gradients.
    /// @returns whether it ended before the stop
    bool refine() noexcept;

    /// Whether refine() can factor the matrix.
    bool can_refine() const noexcept { return std::min(n_inside_, width()) <= max_order_; }

    bool has_factor() const noexcept { return has_factor_; }  ///< of this or an earlier H
    const double* step() const noexcept { return step_; }

    /// out = sum of factor(l) z_i over l < n, with i = at(l).
    template <class At, class Factor>
    void sum(std::size_t n, At&& at, Factor&& factor, double* out) noexcept {
        const auto add = [&](std::size_t begin, std::size_t end, SampleSum<T>& part) noexcept {
            for (std::size_t l = begin; l < end; ++l) part.add(factor(l), at(l));
        };
        const double labels = samples_.sum(executor_, n, n_groups_, out, partial_, add);
        out[width() - 1] = samples_.problem().intercept_scaling * labels;
    }

    /// The offset of products with x: see Samples::offset.
    double offset(const double* x) const noexcept {
        return samples_.offset(x, samples_.problem().intercept_scaling * x[width() - 1]);
    }

  private:
    std::size_t width() const noexcept { return samples_.n_features() + 1; }
    double dot(const double* a, const double* b) const noexcept {
        return kernels_.dot(a, b, width());
    }
    void axpy(double alpha, const double* x, double* y) const noexcept {
        kernels_.axpy(alpha, x, y, width());
    }
    void multiply(const double* in, double* out) noexcept;
    void find_diagonal() noexcept;
    bool form_factor(bool uses_samples, double lowest) noexcept;
    bool form_of_features() noexcept;
    bool form_of_samples() noexcept;
    void precondition() noexcept;
    std::size_t patience(bool is_accurate) const noexcept;

    const Samples<T>& samples_;
    ExecutorRef executor_;
    const StopCondition& stop_;
    const kernels::KernelTable<double>& kernels_;
    std::size_t max_order_;
    std::size_t n_groups_;  // of Samples::sum
    const RowIndex* inside_ = nullptr;
    const double* curvatures_ = nullptr;
    std::size_t n_inside_ = 0;
    bool has_factor_ = false;
    bool is_current_ = false;    // the factor is of this H
    bool uses_samples_ = false;  // the factor has the order of S, not of the features

    const double* gradient_ = nullptr;
    double *step_, *residual_, *direction_, *product_, *scaled_;
    double* scales_;      // square roots of the diagonal of H
    double* partial_;     // scratch of Samples::sum
    double* widened_;     // a few samples in double precision
    double* inner_;       // per sample of the factor
    RowIndex* factored_;  // samples of the factor
    Cholesky factor_;
};

}  // namespace exemplar_svm
