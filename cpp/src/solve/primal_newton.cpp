#include "solve/primal_newton.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <utility>

namespace exemplar_svm {
namespace {

constexpr double epsilon = std::numeric_limits<double>::epsilon();

/// Up to this order, the Hessian is factored at once.
constexpr std::size_t small = 64;

// The proximal term of the hinge begins with this part of the samples' mean square, and is so much
// smaller in every round. Below the lowest, nothing would be left of H's smallest eigenvalue, 1.
constexpr double first_proximal = 0.1, proximal_factor = 0.1, lowest_proximal = 1e-12;

// Steps of prove() that neither halve the lowest gap nor lower the objective by a noticeable part:
// of the squared hinge, whose Newton steps converge quadratically in the end, and of the hinge,
// which gets there in rounds.
constexpr int patience_squared = 4, patience_hinge = 60;
constexpr double noticeable = 1e-13;

// Steps until the smoothed hinge changes, whether or not they have arrived.
constexpr int most_in_round = 300;

/// Steps of minimise() that improved nothing, after which rounding is taken to keep them from it:
/// single ones may be in vain where samples come and go.
constexpr int patience_with_rounding = 10;

/// Samples that are added to the Hessian together, so that they stay in a cache.
std::size_t panel_rows(std::size_t width) noexcept {
    return std::clamp<std::size_t>(32768 / width, 32, 512) / 4 * 4;
}

}  // namespace

NewtonScratch::NewtonScratch(std::size_t n_rows, std::size_t n_features, std::size_t max_examples)
    : max_samples(n_rows + max_examples),
      order(std::min(n_features < max_order ? n_features + 1 : max_samples, max_order)),
      panel_size((n_features < max_order ? panel_rows(n_features + 1) : 1) * (n_features + 1)),
      values(std::make_unique_for_overwrite<double[]>(6 * max_samples + 17 * (n_features + 1) +
                                                      panel_size + order +
                                                      Cholesky::scratch_size(order))),
      indices(std::make_unique_for_overwrite<RowIndex[]>(max_samples + order)),
      flags(std::make_unique_for_overwrite<std::uint8_t[]>(max_samples)) {}

template <Real T>
double PrimalNewton<T>::work_of_step(std::size_t n_inside, std::size_t n_features) noexcept {
    const auto m = static_cast<double>(n_inside), d = static_cast<double>(n_features);
    const double order = std::min(m, d);
    return 0.5 * m * d * order + order * order * order / 6.0;
}

template <Real T>
PrimalNewton<T>::PrimalNewton(const Samples<T>& samples, ExecutorRef executor,
                              const StopCondition& stop, NewtonScratch& scratch) noexcept
    : samples_(samples),
      executor_(executor),
      stop_(stop),
      kernels_(kernels::active_table<double>()),
      smooths_(samples.problem().loss == Loss::hinge),
      max_order_(scratch.order),
      n_groups_(samples.groups()),
      listed_(scratch.indices.get()),
      factored_(listed_ + scratch.max_samples),
      was_inside_(scratch.flags.get()) {
    double* at = scratch.values.get();
    for (double** const values : {&costs_, &duals_, &best_duals_, &centres_, &slacks_, &changes_}) {
        *values = std::exchange(at, at + scratch.max_samples);
    }
    for (double** const values : {&prior_, &weights_, &best_weights_, &gradient_, &step_,
                                  &residual_, &direction_, &product_, &scaled_, &scales_}) {
        *values = std::exchange(at, at + width());
    }
    partial_ = std::exchange(at, at + (Samples<T>::max_groups - 1) * samples.n_features());
    panel_ = std::exchange(at, at + scratch.panel_size);
    inner_ = std::exchange(at, at + max_order_);
    factor_ = Cholesky(max_order_, at);
    for (std::size_t i = 0; i < count(); ++i) costs_[i] = samples_.cost(i);
    samples_.copy_prior(prior_);
    prior_[width() - 1] = 0.0;
    std::fill_n(was_inside_, count(), std::uint8_t{0});
}

template <Real T>
Outcome PrimalNewton<T>::prove(double tol, double gap_tol, std::uint32_t most_steps, double* dual,
                               double* example_dual) noexcept {
    constexpr double accepted_slope = 0.1;
    takes_samples_ = true;
    std::copy_n(dual, samples_.n_rows(), duals_);
    std::copy_n(example_dual, samples_.n_examples(), duals_ + samples_.n_rows());
    begin_at_duals();
    keep_best();
    double lowest_gap = infinity, lowest_merit = infinity;
    double lowest_value = std::numeric_limits<double>::max();
    double last_move = infinity;  // of a slack by the last step, if it was a full one
    int fruitless = 0, steps_in_round = 0;
    Outcome outcome = Outcome::reached;
    for (steps_ = 0;; ++steps_) {
        const Distance distance = measure();
        if (distance.violation <= tol && distance.gap <= gap_tol) {
            outcome = Outcome::reached;
            keep_best();
            break;
        }
        // Every step of the squared hinge is a round of its own.
        const bool ends_round = ++steps_in_round >= most_in_round ||
                                last_move <= std::max(0.1 * distance.violation, 0.25 * tol);
        ++fruitless;
        const double value = objective();
        if (distance.gap < 0.5 * lowest_gap) {
            fruitless = 0;
            lowest_gap = distance.gap;
        }
        // The optimal objective is not below zero: where the coefficients prove nothing, the value
        // bounds the weights' error.
        const double merit = std::min(distance.gap, value);
        if (merit < lowest_merit) {
            lowest_merit = merit;
            keep_best();
        }
        if (value < lowest_value - noticeable * std::abs(lowest_value)) {
            fruitless = 0;
            lowest_value = value;
        }
        const bool is_patient = smooths_ && distance.violation > resolution();
        const bool is_exhausted = fruitless >= (is_patient ? patience_hinge : patience_squared);
        outcome = stop_.reached()        ? Outcome::stopped
                  : steps_ >= most_steps ? Outcome::limit
                  : is_exhausted         ? Outcome::exhausted
                                         : Outcome::reached;
        if (outcome != Outcome::reached) break;
        if (smooths_ && ends_round) {
            lower_proximal();
            steps_in_round = 0;
        }
        if (!find_inside()) factor_is_current_ = false;
        find_gradient();
        if (!can_factor()) {
            outcome = Outcome::cannot;
            break;
        }
        outcome = Outcome::stopped;
        if (!factor_is_current_ && !form_factor()) break;
        refine();
        multiply_samples(step_, changes_);
        const double length = search_line(accepted_slope);
        // A step that lowers nothing that can be seen still corrects the coefficients.
        last_move = move(length > 0.0 ? length : 1.0);
    }
    const bool is_reached = outcome == Outcome::reached;
    restore_best();
    if (!is_reached) scale_duals();
    std::copy_n(duals_, samples_.n_rows(), dual);
    std::copy_n(duals_ + samples_.n_rows(), samples_.n_examples(), example_dual);
    return outcome;
}

template <Real T>
SolveReport PrimalNewton<T>::minimise(const SolverSettings& settings) noexcept {
    constexpr double accepted_slope = 0.01;
    SolveReport report;
    report.score_rounding_bound = infinity;
    const double largest = largest_gradient(settings.tol);
    std::copy_n(prior_, width(), weights_);
    compute_slacks();
    double change = infinity;                       // of a score, by the last step
    double left = 1.0;                              // the part of its error that the last step left
    double lowest = infinity, shortest = infinity;  // objective, and square of the gradient
    int in_vain = 0;                                // steps that lowered neither
    for (steps_ = 0;; ++steps_) {
        const bool is_same = find_inside();
        if (!is_same) factor_is_current_ = false;
        find_gradient();
        if (!has_factor_) find_diagonal();
        precondition();
        const double square = dot(residual_, scaled_);
        const double length_square = dot(gradient_, gradient_);
        const bool is_small = length_square <= largest * largest;
        // A sample that joins or leaves may matter however little the step moved it.
        const bool is_near = is_same && left * change <= 0.1 * settings.tol;
        if (square == 0.0 || (is_small && is_near)) break;
        if (steps_ == settings.max_epochs) {
            report.status = SolveStatus::epoch_limit;
            break;
        }
        const double value = objective();
        const bool is_lower = value < (1.0 - 4.0 * epsilon) * lowest;
        in_vain = is_lower || length_square < 0.25 * shortest ? 0 : in_vain + 1;
        lowest = std::min(lowest, value);
        shortest = std::min(shortest, length_square);
        const SolveStatus end = is_small ? SolveStatus::converged : SolveStatus::precision_limit;
        if (!std::isfinite(square) || in_vain > patience_with_rounding) {
            report.status = end;
            break;
        }
        const double accuracy = std::clamp(std::sqrt(square / std::max(value, square)), 1e-3, 0.1);
        if (!solve_for_step(accuracy)) {
            report.status = SolveStatus::deadline;
            break;
        }
        multiply_samples(step_, changes_);
        const double length = search_line(accepted_slope);
        if (length == 0.0) {
            report.status = end;
            break;
        }
        was_cut_short_ = length < 0.5;
        // A step that was cut short is no sign of being near.
        change = largest_change(std::max(length, 1.0));
        // Where a factor was needed, small errors may move scores far: the next step is to tell.
        left = length == 1.0 && !has_factor_ ? accuracy : 1.0;
        axpy(length, step_, weights_);
        compute_slacks();
    }
    report.epochs = steps_;
    conclude(report);
    return report;
}

/// products[i] = z_i . weights
template <Real T>
void PrimalNewton<T>::multiply_samples(const double* weights, double* products) const noexcept {
    const double offset = samples_.offset(weights, constant() * weights[width() - 1]);
    samples_.multiply(executor_, weights, offset, products);
}

template <Real T>
void PrimalNewton<T>::compute_slacks() noexcept {
    multiply_samples(weights_, slacks_);
    for (std::size_t i = 0; i < count(); ++i) slacks_[i] = 1.0 - slacks_[i];
}

/// out = sum of factor(i) z_i over the samples i at the first n places.
template <Real T>
template <class Places, class Factor>
void PrimalNewton<T>::sum(std::size_t n, Places&& at, Factor&& factor, double* out) noexcept {
    const auto add = [&](std::size_t begin, std::size_t end, SampleSum<T>& part) noexcept {
        for (std::size_t l = begin; l < end; ++l) part.add(factor(at(l)), at(l));
    };
    out[width() - 1] = constant() * samples_.sum(executor_, n, n_groups_, out, partial_, add);
}

template <Real T>
void PrimalNewton<T>::sum_duals(double* out) noexcept {
    sum(count(), std::identity(), [&](std::size_t i) noexcept { return duals_[i]; }, out);
}

template <Real T>
template <class Factor>
void PrimalNewton<T>::sum_listed(std::size_t n, Factor&& factor, double* out) noexcept {
    sum(n, [&](std::size_t l) noexcept -> std::size_t { return listed_[l]; }, factor, out);
}

/// Lists the samples that the weights ask a dual coefficient of, those in S first. Whether S is
/// that of the last time, up to rounding.
template <Real T>
bool PrimalNewton<T>::find_inside() noexcept {
    bool is_same = true;
    std::size_t n_capped = 0;
    RowIndex* const end = listed_ + count();
    n_inside_ = 0;
    for (std::size_t i = 0; i < count(); ++i) {
        const double target = costs_[i] > 0.0 ? wanted(i, slacks_[i]) : 0.0;
        const bool is_capped = smooths_ && target >= costs_[i] && target > 0.0;
        const bool is_inside = target > 0.0 && !is_capped;
        if (is_capped) {
            end[-static_cast<std::ptrdiff_t>(++n_capped)] = static_cast<RowIndex>(i);
        } else {
            listed_[n_inside_] = static_cast<RowIndex>(i);  // stays if it is
            n_inside_ += is_inside ? 1 : 0;
        }
        const bool has_changed = is_inside != (was_inside_[i] != 0);
        is_same = is_same && !(has_changed && std::abs(slacks_[i]) > 4.0 * epsilon);
        was_inside_[i] = is_inside ? 1 : 0;
    }
    std::copy(end - n_capped, end, listed_ + n_inside_);
    n_listed_ = n_inside_ + n_capped;
    return is_same;
}

/// The gradient, and `residual_` for a step of nothing.
template <Real T>
void PrimalNewton<T>::find_gradient() noexcept {
    sum_listed(
        n_listed_,
        [&](std::size_t i) noexcept { return std::min(wanted(i, slacks_[i]), upper(i)); },
        gradient_);
    for (std::size_t c = 0; c < width(); ++c) {
        gradient_[c] = (weights_[c] - prior_[c]) - gradient_[c];
        residual_[c] = -gradient_[c];
    }
}

/// The primal objective.
template <Real T>
double PrimalNewton<T>::objective() const noexcept {
    double value = 0.0;
    for (std::size_t c = 0; c < width(); ++c) {
        const double way = weights_[c] - prior_[c];
        value += 0.5 * way * way;
    }
    for (std::size_t i = 0; i < count(); ++i) {
        value += loss_term(samples_.problem().loss, costs_[i], slacks_[i]);
    }
    return value;
}

template <Real T>
void PrimalNewton<T>::multiply_by_hessian(const double* in, double* out) noexcept {
    const double offset = samples_.offset(in, constant() * in[width() - 1]);
    sum_listed(
        n_inside_,
        [&](std::size_t i) noexcept { return curvature(i) * samples_.product(i, in, offset); },
        out);
    for (std::size_t c = 0; c < width(); ++c) out[c] += in[c];
}

/// The square roots of the diagonal of the Hessian, by which conjugate gradients are scaled.
template <Real T>
void PrimalNewton<T>::find_diagonal() noexcept {
    std::fill_n(scales_, width(), 0.0);
    for (std::size_t l = 0; l < n_inside_; ++l) {
        const double weight = curvature(listed_[l]);
        samples_.add_squares(listed_[l], weight, scales_, panel_);
        scales_[width() - 1] += weight * constant() * constant();
    }
    for (std::size_t c = 0; c < width(); ++c) scales_[c] = std::sqrt(1.0 + scales_[c]);
}

/// Forms the Hessian, or what stands for it, and factors it. Whether there was time to.
template <Real T>
bool PrimalNewton<T>::form_factor() noexcept {
    uses_samples_ = takes_samples_ && n_inside_ < width();
    has_factor_ = false;
    factor_.reset(uses_samples_ ? n_inside_ : width());
    if (!(uses_samples_ ? form_of_samples() : form_of_features())) return false;
    factor_.factorise(executor_);
    has_factor_ = factor_is_current_ = true;
    return true;
}

/// I + sum over S of z z' / (D + e)
template <Real T>
bool PrimalNewton<T>::form_of_features() noexcept {
    const std::size_t most = panel_rows(width());
    std::fill_n(factor_.row(0), width() * width(), 0.0);
    for (std::size_t first = 0; first < n_inside_; first += most) {
        if (stop_.reached()) return false;
        const std::size_t n = (std::min(most, n_inside_ - first) + 3) / 4 * 4;
        const auto fill = [&](std::size_t begin, std::size_t end, std::size_t) noexcept {
            for (std::size_t r = begin; r < end; ++r) {
                double* const values = panel_ + r * width();
                if (first + r >= n_inside_) {  // up to a multiple of four
                    std::fill_n(values, width(), 0.0);
                    continue;
                }
                const std::size_t i = listed_[first + r];
                const double root = std::sqrt(curvature(i));
                samples_.widen(i, values);
                values[width() - 1] = samples_.label(i) * constant();
                for (std::size_t c = 0; c < width(); ++c) values[c] *= root;
            }
        };
        for_each_block(executor_, RowBlocks(n, width() * 128), fill);
        factor_.add(executor_, panel_, n);
    }
    for (std::size_t c = 0; c < width(); ++c) factor_.row(c)[c] += 1.0;
    return true;
}

/// Z Z' + D + e over S
template <Real T>
bool PrimalNewton<T>::form_of_samples() noexcept {
    std::copy_n(listed_, n_inside_, factored_);
    for (std::size_t a = 0; a < n_inside_; ++a) {
        if (stop_.reached()) return false;
        const std::size_t i = factored_[a];
        samples_.widen(i, panel_);
        const double offset = samples_.offset(panel_, samples_.label(i) * samples_.bias_square());
        double* const row = factor_.row(a);
        for_each_block(executor_, RowBlocks(n_inside_ - a, width() * sizeof(double)),
                       [&](std::size_t begin, std::size_t end, std::size_t) noexcept {
                           for (std::size_t b = a + begin; b < a + end; ++b) {
                               row[b] = samples_.product(factored_[b], panel_, offset);
                           }
                       });
        row[a] += 1.0 / curvature(i);
    }
    return true;
}

/// scaled = the residual, times the inverse of what approximates the Hessian.
template <Real T>
void PrimalNewton<T>::precondition() noexcept {
    if (!has_factor_) {
        for (std::size_t c = 0; c < width(); ++c) {
            scaled_[c] = residual_[c] / (scales_[c] * scales_[c]);
        }
        return;
    }
    std::copy_n(residual_, width(), scaled_);
    if (!uses_samples_) return factor_.solve(scaled_);
    // Woodbury: H^-1 x = x - Z' (Z Z' + D + e)^-1 Z x
    const double offset = samples_.offset(residual_, constant() * residual_[width() - 1]);
    for_each_block(executor_, RowBlocks(factor_.order(), samples_.problem().rows.bytes_per_row()),
                   [&](std::size_t begin, std::size_t end, std::size_t) noexcept {
                       for (std::size_t a = begin; a < end; ++a) {
                           inner_[a] = samples_.product(factored_[a], residual_, offset);
                       }
                   });
    factor_.solve(inner_);
    SampleSum<T> part(samples_, scaled_);
    for (std::size_t a = 0; a < factor_.order(); ++a) part.add(-inner_[a], factored_[a]);
    scaled_[width() - 1] += constant() * part.finish();
}

/// So many iterations of conjugate gradients take as long as forming and decomposing the matrix.
/// Where samples that a step brings back cut it short, only accurate steps get on: others bring
/// back one sample after the other.
template <Real T>
std::size_t PrimalNewton<T>::patience() const noexcept {
    if (!can_factor() || factor_is_current_) return 500;
    if (was_cut_short_ || (!has_factor_ && width() <= small)) return 0;
    return 3 + width() / 8 + width() * width() / (12 * std::max<std::size_t>(n_inside_, 1));
}

/// Solves for the step, for a residual of -gradient, until the error is down to a part of
/// `accuracy` in the norm of the Hessian: the norm of the residual says so, as a factor of this
/// very Hessian scales it. With any other scaling that norm may be small too early, and the last
/// iterations must have reduced the error by a small part besides. Whether there was time to.
template <Real T>
bool PrimalNewton<T>::solve_for_step(double accuracy) noexcept {
    constexpr std::size_t window = 4;
    const double part = accuracy * accuracy;
    double reductions[window] = {};  // of the square of the error, in the norm of the Hessian
    double reduction = 0.0;          // all of them
    std::fill_n(step_, width(), 0.0);
    std::copy_n(scaled_, width(), direction_);
    double square = dot(residual_, scaled_), least = part * square;
    for (std::size_t iteration = 0;; ++iteration) {
        if (stop_.reached()) return false;
        if (iteration >= patience()) {
            if (factor_is_current_ || !can_factor()) return true;
            if (!form_factor()) return false;
            precondition();
            square = dot(residual_, scaled_);
            least = part * (square + reduction);
            std::copy_n(scaled_, width(), direction_);
            iteration = 0;
        }
        multiply_by_hessian(direction_, product_);
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
            if (factor_is_current_) return true;
            // Hestenes and Stiefel (1952): so much more than this was there to be reduced.
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

/// Solves for the step with the factor alone, by iterative refinement. Woodbury's formula subtracts
/// what nearly cancels, which is no scaling for conjugate gradients.
template <Real T>
void PrimalNewton<T>::refine() noexcept {
    constexpr int most_refinements = 3;
    constexpr double accurate = 1e-26;
    std::fill_n(step_, width(), 0.0);
    double previous = infinity;
    for (int refinement = 0; refinement <= most_refinements; ++refinement) {
        const double square = dot(residual_, residual_);
        if (!(square < previous) || square <= accurate * dot(gradient_, gradient_)) break;
        previous = square;
        precondition();
        axpy(1.0, scaled_, step_);
        multiply_by_hessian(step_, product_);
        for (std::size_t c = 0; c < width(); ++c) residual_[c] = -gradient_[c] - product_[c];
    }
}

/// The derivatives of the (smoothed) objective along the step, of which the first part of the
/// objective has linear + length * square.
template <Real T>
auto PrimalNewton<T>::slope_at(double length, double linear,
                               double square) const noexcept -> Slope {
    Slope slope{linear + length * square, square, 0.0};
    for (std::size_t i = 0; i < count(); ++i) {
        const double cost = costs_[i], change = changes_[i];
        if (cost <= 0.0) continue;
        const double target = wanted(i, slacks_[i] - length * change);
        if (!(target > 0.0)) continue;
        const double limit = upper(i);
        slope.derivative -= std::min(target, limit) * change;
        if (target >= limit) continue;
        const double weighted = curvature(i) * change;
        slope.curvature += weighted * change;
        slope.sensitivity += std::abs(weighted);
    }
    return slope;
}

/// How far to go along the step: to where the derivative vanishes, which Newton's method on it
/// finds, between bounds on it; the objective is convex, and its slope rises. 0 if the objective
/// does not fall.
/// @param accepted  the part of the slope that may be left, unless rounding leaves more
template <Real T>
double PrimalNewton<T>::search_line(double accepted) const noexcept {
    double linear = 0.0;
    for (std::size_t c = 0; c < width(); ++c) linear += (weights_[c] - prior_[c]) * step_[c];
    const double square = dot(step_, step_);
    const Slope first = slope_at(0.0, linear, square);
    if (!(first.derivative < 0.0)) return 0.0;
    const double enough = std::max(-accepted * first.derivative, first.sensitivity * resolution());
    double low = 0.0, high = infinity, length = 1.0;
    for (int round = 0; round < 60; ++round) {
        const Slope slope = slope_at(length, linear, square);
        if (!std::isfinite(slope.derivative)) return low;
        if (std::abs(slope.derivative) <= enough) return length;
        (slope.derivative < 0.0 ? low : high) = length;
        length -= slope.derivative / slope.curvature;
        if (!(length > low && length < high)) length = 0.5 * (low + high);
    }
    return low;
}

/// Takes over the dual coefficients, if they are better than none.
template <Real T>
void PrimalNewton<T>::begin_at_duals() noexcept {
    bool is_zero = true;
    for (std::size_t i = 0; i < count(); ++i) {
        // What is not a number becomes zero, too.
        const bool is_off_zero = costs_[i] > 0.0 && duals_[i] > 0.0;
        duals_[i] = is_off_zero ? std::min(duals_[i], upper(i)) : 0.0;
        is_zero = is_zero && duals_[i] == 0.0;
    }
    const auto begin = [&]() noexcept {
        std::copy_n(prior_, width(), weights_);
        sum_duals(residual_);
        axpy(1.0, residual_, weights_);
        compute_slacks();
        return objective();
    };
    std::copy_n(duals_, count(), best_duals_);
    std::fill_n(duals_, count(), 0.0);
    const double at_zero = begin();
    if (!is_zero) {
        std::copy_n(best_duals_, count(), duals_);
        if (!(begin() <= at_zero)) {
            std::fill_n(duals_, count(), 0.0);
            begin();
        }
    }
    std::copy_n(duals_, count(), centres_);
    if (smooths_) choose_proximal();
}

template <Real T>
void PrimalNewton<T>::choose_proximal() noexcept {
    double squares = 0.0, n = 0.0;
    for (std::size_t i = 0; i < samples_.n_rows(); ++i) {
        if (costs_[i] <= 0.0) continue;
        squares += samples_.squared_norm(i);
        n += 1.0;
    }
    proximal_ = first_proximal * (n > 0.0 ? squares / n : samples_.bias_square());
    if (!(proximal_ > 0.0)) proximal_ = 1.0;
    lowest_proximal_ = lowest_proximal * proximal_;
}

template <Real T>
void PrimalNewton<T>::lower_proximal() noexcept {
    std::copy_n(duals_, count(), centres_);
    proximal_ = std::max(proximal_factor * proximal_, lowest_proximal_);
    factor_is_current_ = false;
}

/// The smallest violation that double precision tells from zero.
template <Real T>
double PrimalNewton<T>::resolution() const noexcept {
    const double largest = std::sqrt(samples_.problem().max_squared_norm) + constant();
    return 4.0 * epsilon * (1.0 + std::sqrt(dot(weights_, weights_)) * largest);
}

/// How far the weights and the dual coefficients are from optimal. The gap has a term for each
/// sample, and 1/2 ||w - w(a)||^2 for weights that are not those of the dual coefficients.
template <Real T>
auto PrimalNewton<T>::measure() noexcept -> Distance {
    Distance distance{0.0, 0.0};
    const Loss loss = samples_.problem().loss;
    for (std::size_t i = 0; i < count(); ++i) {
        const double cost = costs_[i];
        if (cost <= 0.0) continue;
        const Penalty bounds = samples_.penalty(i);
        const double gradient = bounds.diagonal * duals_[i] - slacks_[i];
        distance.violation =
            std::max(distance.violation, std::abs(projected(gradient, duals_[i], bounds.upper)));
        distance.gap += gap_term(loss, cost, bounds.diagonal, duals_[i], slacks_[i]);
    }
    sum_duals(residual_);
    double square = 0.0;
    for (std::size_t c = 0; c < width(); ++c) {
        const double drift = weights_[c] - prior_[c] - residual_[c];
        square += drift * drift;
    }
    distance.gap += 0.5 * square;
    // Coefficients of other weights are as far from optimal as these would move the scores.
    const double largest = samples_.problem().max_squared_norm + samples_.bias_square();
    distance.violation = std::max(distance.violation, std::sqrt(square * largest));
    return distance;
}

/// Moves the weights. After a full step the dual coefficients are those that it has solved for.
/// Returns by how much it has moved a slack at most; infinity unless it was a full step.
template <Real T>
double PrimalNewton<T>::move(double length) noexcept {
    double largest = 0.0;
    for (std::size_t i = 0; i < count(); ++i) {
        if (costs_[i] <= 0.0) continue;
        largest = std::max(largest, std::abs(changes_[i]));
        double dual = wanted(i, slacks_[i]);
        if (length != 1.0) {
            dual = wanted(i, slacks_[i] - length * changes_[i]);
        } else if (was_inside_[i] != 0) {
            dual -= curvature(i) * changes_[i];
        }
        duals_[i] = std::clamp(dual, 0.0, upper(i));
    }
    axpy(length, step_, weights_);
    compute_slacks();
    return length == 1.0 ? largest : infinity;
}

template <Real T>
void PrimalNewton<T>::keep_best() noexcept {
    std::copy_n(duals_, count(), best_duals_);
    std::copy_n(weights_, width(), best_weights_);
}

template <Real T>
void PrimalNewton<T>::restore_best() noexcept {
    std::copy_n(best_duals_, count(), duals_);
    std::copy_n(best_weights_, width(), weights_);
}

/// Multiplies the dual coefficients by what proves most: the dual objective along their ray,
/// t sum a (1 - z.w_0) - t^2 (||u||^2 + sum D a^2) / 2 with u = sum a z, has its maximum there.
template <Real T>
void PrimalNewton<T>::scale_duals() noexcept {
    compute_slacks();
    sum_duals(residual_);
    double linear = 0.0, quadratic = dot(residual_, residual_);
    for (std::size_t c = 0; c < width(); ++c) linear += (weights_[c] - prior_[c]) * residual_[c];
    for (std::size_t i = 0; i < count(); ++i) {
        linear += duals_[i] * slacks_[i];
        quadratic += samples_.penalty(i).diagonal * duals_[i] * duals_[i];
    }
    // Close to the optimum they are equal, and their difference is rounding.
    if (!(linear < 0.5 * quadratic)) return;
    const double factor = std::max(linear, 0.0) / quadratic;
    for (std::size_t i = 0; i < count(); ++i) duals_[i] *= factor;
}

/// The largest norm of the gradient at which LIBLINEAR's trust region method ends.
template <Real T>
double PrimalNewton<T>::largest_gradient(double tol) noexcept {
    std::size_t positives = 0, negatives = 0;
    for (std::size_t i = 0; i < count(); ++i) {
        if (costs_[i] > 0.0) ++(samples_.label(i) > 0.0 ? positives : negatives);
    }
    const double rarer =
        static_cast<double>(std::max<std::size_t>(std::min(positives, negatives), 1));
    const double all = static_cast<double>(std::max<std::size_t>(positives + negatives, 1));
    std::fill_n(weights_, width(), 0.0);
    std::fill_n(slacks_, count(), 1.0);
    find_inside();
    find_gradient();
    return tol * rarer / all * std::sqrt(dot(gradient_, gradient_));
}

/// The largest change of a score, relative to the scores above 1.
template <Real T>
double PrimalNewton<T>::largest_change(double length) const noexcept {
    double largest = 0.0;
    for (std::size_t i = 0; i < count(); ++i) {
        const double score = std::max(std::abs(1.0 - slacks_[i]), 1.0);
        largest = std::max(largest, std::abs(length * changes_[i]) / score);
    }
    return largest;
}

template <Real T>
void PrimalNewton<T>::conclude(SolveReport& report) noexcept {
    std::fill_n(duals_, count(), 0.0);
    for (std::size_t l = 0; l < n_listed_; ++l) {
        const std::size_t i = listed_[l];
        duals_[i] = wanted(i, slacks_[i]);
        report.n_support += samples_.is_row(i) ? 1 : 0;
    }
    const double square = dot(gradient_, gradient_);
    report.primal = objective();
    report.gap = 0.5 * square;
    report.weights_error_bound = std::sqrt(square);
    // The dual's weights are w - gradient, so this is what the gradient does to scores.
    multiply_samples(gradient_, changes_);
    for (std::size_t i = 0; i < count(); ++i) {
        if (costs_[i] <= 0.0) continue;
        // The dual's gradient, y f(x) - 1 + D a, under its own weights.
        const double gradient = std::max(-slacks_[i], 0.0) - changes_[i];
        const double violation = duals_[i] > 0.0 ? std::abs(gradient) : std::max(-gradient, 0.0);
        report.violation = std::max(report.violation, violation);
    }
}

template class PrimalNewton<float>;
template class PrimalNewton<double>;

}  // namespace exemplar_svm
