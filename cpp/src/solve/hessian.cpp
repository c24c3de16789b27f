#include "solve/hessian.hpp"

#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

namespace exemplar_svm {
namespace {

/// Up to this order, the Hessian is factored before any conjugate gradients.
constexpr std::size_t small = 64;

/// Number of samples to add to the Hessian at once: as many as fit in cache.
std::size_t panel_rows(std::size_t width) noexcept {
    return std::clamp<std::size_t>(32768 / width, 32, 512) / 4 * 4;
}

}  // namespace

HessianScratch::HessianScratch(std::size_t max_samples, std::size_t n_features)
    : order(std::min(n_features < max_order ? n_features + 1 : max_samples, max_order)),
      panel_size((n_features < max_order ? panel_rows(n_features + 1) : 1) * (n_features + 1)),
      values(std::make_unique_for_overwrite<double[]>(13 * (n_features + 1) + panel_size + order +
                                                      Cholesky::scratch_size(order))),
      factored(std::make_unique_for_overwrite<RowIndex[]>(order)) {}

template <Real T>
Hessian<T>::Hessian(const Samples<T>& samples, ExecutorRef executor, const StopCondition& stop,
                    HessianScratch& scratch) noexcept
    : samples_(samples),
      executor_(executor),
      stop_(stop),
      kernels_(kernels::active_table<double>()),
      max_order_(scratch.order),
      n_groups_(samples.groups()),
      factored_(scratch.factored.get()) {
    double* at = scratch.values.get();
    for (double** const values : {&step_, &residual_, &direction_, &product_, &scaled_, &scales_}) {
        *values = std::exchange(at, at + width());
    }
    partial_ = std::exchange(at, at + (Samples<T>::max_groups - 1) * samples.n_features());
    widened_ = std::exchange(at, at + scratch.panel_size);
    inner_ = std::exchange(at, at + max_order_);
    factor_ = Cholesky(max_order_, at);
}

template <Real T>
void Hessian<T>::set(const RowIndex* inside, const double* curvatures, std::size_t n_inside,
                     bool is_same) noexcept {
    inside_ = inside;
    curvatures_ = curvatures;
    n_inside_ = n_inside;
    is_current_ = is_current_ && is_same;
}

template <Real T>
double Hessian<T>::begin(const double* gradient) noexcept {
    gradient_ = gradient;
    for (std::size_t c = 0; c < width(); ++c) residual_[c] = -gradient[c];
    if (!has_factor_) find_diagonal();
    precondition();
    return dot(residual_, scaled_);
}

/// Preconditioned by a factor of this H, the norm of the residual is the error. With any other
/// preconditioner the norm may be small too early, so the last iterations must also have reduced
/// the error by little.
template <Real T>
bool Hessian<T>::solve(double accuracy, bool is_accurate) noexcept {
    constexpr std::size_t window = 4;
    const double part = accuracy * accuracy;
    double reductions[window] = {};  // of the square of the error, in the norm of H
    double reduction = 0.0;          // all of them
    std::fill_n(step_, width(), 0.0);
    std::copy_n(scaled_, width(), direction_);
    double square = dot(residual_, scaled_), least = part * square;
    for (std::size_t iteration = 0;; ++iteration) {
        if (stop_.reached()) return false;
        if (iteration >= patience(is_accurate)) {
            if (is_current_ || width() > max_order_) return true;
            if (!form_factor(false, 0.0)) return false;
            precondition();
            square = dot(residual_, scaled_);
            least = part * (square + reduction);
            std::copy_n(scaled_, width(), direction_);
            iteration = 0;
        }
        multiply(direction_, product_);
        const double along = dot(direction_, product_);
        if (!(along > 0.0) || !(square > 0.0)) return true;
        const double length = square / along;
        axpy(length, direction_, step_);
        axpy(-length, product_, residual_);
        precondition();
        const double next = dot(residual_, scaled_);
        reduction += length * square;
        reductions[iteration % window] = length * square;
        if (!(next > least)) {
            if (is_current_) return true;
            // Hestenes and Stiefel (1952): recent reductions bound the earlier error from below.
            const double recent = std::accumulate(reductions, reductions + window, 0.0);
            if (iteration >= window && recent <= part * reduction) return true;
        }
        const double ratio = next / square;
        square = next;
        for (std::size_t c = 0; c < width(); ++c) {
            direction_[c] = scaled_[c] + ratio * direction_[c];
        }
    }
}

/// The number of conjugate gradient iterations that cost as much as forming and factoring H.
template <Real T>
std::size_t Hessian<T>::patience(bool is_accurate) const noexcept {
    if (width() > max_order_ || is_current_) return 500;
    if (is_accurate || (!has_factor_ && width() <= small)) return 0;
    return 3 + width() / 8 + width() * width() / (12 * std::max<std::size_t>(n_inside_, 1));
}

template <Real T>
bool Hessian<T>::refine() noexcept {
    constexpr int most_refinements = 3;
    constexpr double accurate = 1e-26;
    // H has no eigenvalue below 1, and Z Z' + K^-1 none below the lowest of K^-1.
    const bool uses_samples = n_inside_ < width();
    double largest = 1.0;
    for (std::size_t l = 0; uses_samples && l < n_inside_; ++l) {
        largest = l == 0 ? curvatures_[l] : std::max(largest, curvatures_[l]);
    }
    if (!is_current_ && !form_factor(uses_samples, 1.0 / largest)) return false;
    std::fill_n(step_, width(), 0.0);
    double previous = std::numeric_limits<double>::infinity();
    for (int refinement = 0; refinement <= most_refinements; ++refinement) {
        const double square = dot(residual_, residual_);
        if (!(square < previous) || square <= accurate * dot(gradient_, gradient_)) break;
        previous = square;
        precondition();
        axpy(1.0, scaled_, step_);
        multiply(step_, product_);
        for (std::size_t c = 0; c < width(); ++c) residual_[c] = -gradient_[c] - product_[c];
    }
    return true;
}

/// out = H in
template <Real T>
void Hessian<T>::multiply(const double* in, double* out) noexcept {
    const double shift = offset(in);
    sum(
        n_inside_, [&](std::size_t l) noexcept -> std::size_t { return inside_[l]; },
        [&](std::size_t l) noexcept {
            return curvatures_[l] * samples_.product(inside_[l], in, shift);
        },
        out);
    for (std::size_t c = 0; c < width(); ++c) out[c] += in[c];
}

template <Real T>
void Hessian<T>::find_diagonal() noexcept {
    const double s = samples_.problem().intercept_scaling;
    std::fill_n(scales_, width(), 0.0);
    for (std::size_t l = 0; l < n_inside_; ++l) {
        samples_.add_squares(inside_[l], curvatures_[l], scales_, widened_);
        scales_[width() - 1] += curvatures_[l] * s * s;
    }
    for (std::size_t c = 0; c < width(); ++c) scales_[c] = std::sqrt(1.0 + scales_[c]);
}

/// Forms and factors H, or the matrix of samples. Returns whether it ended before the stop.
/// @param lowest  of Cholesky::factorise
template <Real T>
bool Hessian<T>::form_factor(bool uses_samples, double lowest) noexcept {
    uses_samples_ = uses_samples;
    has_factor_ = false;
    factor_.reset(uses_samples ? n_inside_ : width());
    if (!(uses_samples ? form_of_samples() : form_of_features())) return false;
    factor_.factorise(executor_, lowest);
    has_factor_ = is_current_ = true;
    return true;
}

/// I + sum over S of k z z'
template <Real T>
bool Hessian<T>::form_of_features() noexcept {
    const std::size_t most = panel_rows(width());
    std::fill_n(factor_.row(0), width() * width(), 0.0);
    for (std::size_t first = 0; first < n_inside_; first += most) {
        if (stop_.reached()) return false;
        const std::size_t n = (std::min(most, n_inside_ - first) + 3) / 4 * 4;
        const auto fill = [&](std::size_t begin, std::size_t end, std::size_t) noexcept {
            for (std::size_t r = begin; r < end; ++r) {
                double* const values = widened_ + r * width();
                if (first + r >= n_inside_) {  // up to a multiple of four
                    std::fill_n(values, width(), 0.0);
                    continue;
                }
                const std::size_t i = inside_[first + r];
                const double root = std::sqrt(curvatures_[first + r]);
                samples_.widen(i, values);
                values[width() - 1] = samples_.label(i) * samples_.problem().intercept_scaling;
                for (std::size_t c = 0; c < width(); ++c) values[c] *= root;
            }
        };
        for_each_block(executor_, RowBlocks(n, width() * 128), fill);
        factor_.add(executor_, widened_, n);
    }
    for (std::size_t c = 0; c < width(); ++c) factor_.row(c)[c] += 1.0;
    return true;
}

/// Z Z' + K^-1 over S
template <Real T>
bool Hessian<T>::form_of_samples() noexcept {
    std::copy_n(inside_, n_inside_, factored_);
    for (std::size_t a = 0; a < n_inside_; ++a) {
        if (stop_.reached()) return false;
        const std::size_t i = factored_[a];
        samples_.widen(i, widened_);
        const double shift = samples_.offset(widened_, samples_.label(i) * samples_.bias_square());
        double* const row = factor_.row(a);
        for_each_block(executor_, RowBlocks(n_inside_ - a, width() * sizeof(double)),
                       [&](std::size_t begin, std::size_t end, std::size_t) noexcept {
                           for (std::size_t b = a + begin; b < a + end; ++b) {
                               row[b] = samples_.product(factored_[b], widened_, shift);
                           }
                       });
        row[a] += 1.0 / curvatures_[a];
    }
    return true;
}

/// scaled = P residual, P the present approximation of H^-1.
template <Real T>
void Hessian<T>::precondition() noexcept {
    if (!has_factor_) {
        for (std::size_t c = 0; c < width(); ++c) {
            scaled_[c] = residual_[c] / (scales_[c] * scales_[c]);
        }
        return;
    }
    std::copy_n(residual_, width(), scaled_);
    if (!uses_samples_) return factor_.solve(scaled_);
    // Woodbury: H^-1 x = x - Z' (Z Z' + K^-1)^-1 Z x
    const double shift = offset(residual_);
    for_each_block(executor_, RowBlocks(factor_.order(), samples_.problem().rows.bytes_per_row()),
                   [&](std::size_t begin, std::size_t end, std::size_t) noexcept {
                       for (std::size_t a = begin; a < end; ++a) {
                           inner_[a] = samples_.product(factored_[a], residual_, shift);
                       }
                   });
    factor_.solve(inner_);
    SampleSum<T> part(samples_, scaled_);
    for (std::size_t a = 0; a < factor_.order(); ++a) part.add(-inner_[a], factored_[a]);
    scaled_[width() - 1] += samples_.problem().intercept_scaling * part.finish();
}

template class Hessian<float>;
template class Hessian<double>;

}  // namespace exemplar_svm
