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

/// What Hessian works with. Memory is touched as it is needed.
struct HessianScratch {
    /// Larger matrices are not factored: this one takes 32 MB.
    static constexpr std::size_t max_order = 2048;

    HessianScratch(std::size_t max_samples, std::size_t n_features);

    std::size_t order;       ///< of the largest matrix
    std::size_t panel_size;  ///< values of samples that are added to a matrix together
    std::unique_ptr<double[]> values;
    std::unique_ptr<RowIndex[]> factored;
};

/// H = I + sum over S of k_i z_i z_i', the Hessian of the primal where the samples in S have a loss
/// with the second derivatives k_i, and Newton's step, which solves H s = -gradient.
///
/// Conjugate gradients never form H, and are scaled by its diagonal (Keerthi and DeCoste, JMLR 6,
/// 2005). Where there are few features, or conjugate gradients take long, H is formed and factored
/// instead. The factor then scales the conjugate gradients of this step, which make up for its
/// rounding, and of the next ones, whose H differ by few samples. What rounding does to H is what
/// it does to a scaling: it costs iterations, never the accuracy.
///
/// Vectors have an entry per feature, and a last one for the constant feature.
template <Real T>
class Hessian {
  public:
    Hessian(const Samples<T>& samples, ExecutorRef executor, const StopCondition& stop,
            HessianScratch& scratch) noexcept;

    /// Sets S and k, which are borrowed.
    /// @param is_same  as they were before, up to what rounding makes of S
    void set(const RowIndex* inside, const double* curvatures, std::size_t n_inside,
             bool is_same) noexcept;

    /// Begins with a gradient. Returns its square in the norm of the inverse of H, as well as that
    /// is known.
    double begin(const double* gradient) noexcept;

    /// Solves for the step until its error is down to a part of `accuracy` in the norm of H.
    /// @param is_accurate  only an accurate step gets on, which takes a factor
    /// @returns whether there was time to
    bool solve(double accuracy, bool is_accurate) noexcept;

    /// Solves for the step as accurately as it can be by a factor and iterative refinement. The
    /// matrix is that of the samples in S where these are fewer than features, by Woodbury's
    /// formula: it subtracts what nearly cancels, and is no scaling for conjugate gradients.
    /// @returns whether there was time to
    bool refine() noexcept;

    /// Whether refine() can factor the matrix.
    bool can_refine() const noexcept { return std::min(n_inside_, width()) <= max_order_; }

    bool has_factor() const noexcept { return has_factor_; }  ///< of this H, or one like it
    const double* step() const noexcept { return step_; }

    /// out = sum of a(l) z_i over the first n samples i of a list, at place l.
    template <class At, class Factor>
    void sum(std::size_t n, At&& at, Factor&& factor, double* out) noexcept {
        const auto add = [&](std::size_t begin, std::size_t end, SampleSum<T>& part) noexcept {
            for (std::size_t l = begin; l < end; ++l) part.add(factor(l), at(l));
        };
        const double labels = samples_.sum(executor_, n, n_groups_, out, partial_, add);
        out[width() - 1] = samples_.problem().intercept_scaling * labels;
    }

    /// What vectors add to the products of all samples: see Samples::offset.
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
    std::size_t n_groups_;  // parts of the samples that are summed up by themselves
    const RowIndex* inside_ = nullptr;
    const double* curvatures_ = nullptr;
    std::size_t n_inside_ = 0;
    bool has_factor_ = false;
    bool is_current_ = false;    // the factor is of this H
    bool uses_samples_ = false;  // rather than the features

    const double* gradient_ = nullptr;
    double *step_, *residual_, *direction_, *product_, *scaled_;
    double* scales_;      // square roots of the diagonal of H
    double* partial_;     // sums of groups
    double* panel_;       // a few samples, side by side
    double* inner_;       // per sample of the factor
    RowIndex* factored_;  // samples of the factor
    Cholesky factor_;
};

}  // namespace exemplar_svm
