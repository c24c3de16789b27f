#include "solve/primal_newton.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace exemplar_svm {
namespace {

constexpr double epsilon = std::numeric_limits<double>::epsilon();

// The proximal term e of the hinge: first value per mean squared norm of the rows, factor per
// round, and lowest value relative to the first. A lower e would lose H's smallest eigenvalue, 1,
// to rounding.
constexpr double first_proximal = 0.1, proximal_factor = 0.3, lowest_proximal = 1e-12;

// Steps of prove() allowed without halving the lowest gap or lowering the objective by a noticeable
// fraction. Newton steps converge quadratically on the squared hinge; the hinge needs rounds.
constexpr int patience_squared = 4, patience_hinge = 60;
constexpr double noticeable = 1e-13;

// The most steps in a round of the smoothed hinge.
constexpr int most_in_round = 300;

/// After this many steps of minimise() without progress, rounding is the cause. Fewer may also fail
/// because samples enter and leave S.
constexpr int patience_with_rounding = 10;

}  // namespace

NewtonScratch::NewtonScratch(std::size_t n_rows, std::size_t n_features, std::size_t max_examples)
    : max_samples(n_rows + max_examples),
      hessian(max_samples, n_features),
      values(std::make_unique_for_overwrite<double[]>(7 * max_samples + 5 * (n_features + 1))),
      listed(std::make_unique_for_overwrite<RowIndex[]>(max_samples)),
      was_inside(std::make_unique_for_overwrite<std::uint8_t[]>(max_samples)) {}

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
      hessian_(samples_, executor, stop_, scratch.hessian),
      smooths_(samples.problem().loss == Loss::hinge),
      listed_(scratch.listed.get()),
      was_inside_(scratch.was_inside.get()) {
    double* at = scratch.values.get();
    for (double** const values :
         {&costs_, &duals_, &best_duals_, &centres_, &slacks_, &changes_, &curvatures_}) {
        *values = std::exchange(at, at + scratch.max_samples);
    }
    for (double** const values : {&prior_, &weights_, &best_weights_, &gradient_, &sum_}) {
        *values = std::exchange(at, at + width());
    }
    for (std::size_t i = 0; i < count(); ++i) costs_[i] = samples_.cost(i);
    samples_.copy_prior(prior_);
    prior_[width() - 1] = 0.0;
    std::fill_n(was_inside_, count(), std::uint8_t{0});
}

template <Real T>
Outcome PrimalNewton<T>::prove(double tol, double gap_tol, std::uint32_t most_steps, double* dual,
                               double* example_dual) noexcept {
    constexpr double accepted_slope = 0.1;
    std::copy_n(dual, samples_.n_rows(), duals_);
    std::copy_n(example_dual, samples_.n_examples(), duals_ + samples_.n_rows());
    begin_at_duals();
    keep_best();
    double lowest_gap = infinity, lowest_merit = infinity;
    double lowest_value = std::numeric_limits<double>::max();
    double last_move = infinity;  // largest change of a slack by the last step, if a full one
    int fruitless = 0, steps_in_round = 0;
    Outcome outcome = Outcome::reached;
    for (steps_ = 0;; ++steps_) {
        const Distance distance = measure();
        if (distance.violation <= tol && distance.gap <= gap_tol) {
            outcome = Outcome::reached;
            keep_best();
            break;
        }
        // For the squared hinge, every step is a round.
        const bool ends_round = ++steps_in_round >= most_in_round ||
                                last_move <= std::max(0.1 * distance.violation, 0.25 * tol);
        ++fruitless;
        const double value = objective();
        if (distance.gap < 0.5 * lowest_gap) {
            fruitless = 0;
            lowest_gap = distance.gap;
        }
        // The optimum is at least zero, so the objective also bounds the weights' error when the
        // gap is useless.
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
        find_inside();
        find_gradient();
        hessian_.begin(gradient_);
        outcome = hessian_.can_refine() ? Outcome::stopped : Outcome::cannot;
        if (outcome == Outcome::cannot || !hessian_.refine()) break;
        multiply_samples(hessian_.step(), changes_);
        const double length = search_line(accepted_slope);
        // A step that rounding keeps from lowering the objective still corrects dual coefficients.
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
    double change = infinity;                       // largest change of a score by the last step
    double left = 1.0;                              // fraction of the error after the last step
    double lowest = infinity, shortest = infinity;  // objective, and square of the gradient
    int in_vain = 0;                                // steps that lowered neither
    bool was_cut_short = false;                     // the last step
    for (steps_ = 0;; ++steps_) {
        const bool is_same = find_inside();
        find_gradient();
        const double square = hessian_.begin(gradient_);
        const double length_square = dot(gradient_, gradient_);
        const bool is_small = length_square <= largest * largest;
        // A sample that enters or leaves S matters however small its change.
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
        if (!hessian_.solve(accuracy, was_cut_short)) {
            report.status = SolveStatus::deadline;
            break;
        }
        multiply_samples(hessian_.step(), changes_);
        const double length = search_line(accepted_slope);
        if (length == 0.0) {
            report.status = end;
            break;
        }
        // Samples that enter S cut a step short. Only an accurate step keeps others from following.
        was_cut_short = length < 0.5;
        // A short step does not mean that the minimum is near.
        change = largest_change(std::max(length, 1.0));
        // If a factor was needed, small errors may change scores much: the next step decides.
        left = length == 1.0 && !hessian_.has_factor() ? accuracy : 1.0;
        axpy(length, hessian_.step(), weights_);
        compute_slacks();
    }
    report.epochs = steps_;
    conclude(report);
    return report;
}

/// products[i] = z_i . weights
template <Real T>
void PrimalNewton<T>::multiply_samples(const double* weights, double* products) const noexcept {
    samples_.multiply(executor_, weights, hessian_.offset(weights), products);
}

template <Real T>
void PrimalNewton<T>::compute_slacks() noexcept {
    multiply_samples(weights_, slacks_);
    for (std::size_t i = 0; i < count(); ++i) slacks_[i] = 1.0 - slacks_[i];
}

/// sum = sum of a_i z_i
template <Real T>
void PrimalNewton<T>::sum_duals() noexcept {
    hessian_.sum(count(), std::identity(), [&](std::size_t i) noexcept { return duals_[i]; }, sum_);
}

/// Lists the samples with a_i(w) > 0, S first. Returns whether S is unchanged, up to rounding.
template <Real T>
bool PrimalNewton<T>::find_inside() noexcept {
    bool is_same = true;
    std::size_t n_inside = 0, n_capped = 0;
    RowIndex* const end = listed_ + count();
    for (std::size_t i = 0; i < count(); ++i) {
        const double target = costs_[i] > 0.0 ? wanted(i, slacks_[i]) : 0.0;
        const bool is_capped = smooths_ && target >= costs_[i] && target > 0.0;
        const bool is_inside = target > 0.0 && !is_capped;
        if (is_capped) {
            end[-static_cast<std::ptrdiff_t>(++n_capped)] = static_cast<RowIndex>(i);
        } else {
            listed_[n_inside] = static_cast<RowIndex>(i);  // overwritten by the next unless inside
            curvatures_[n_inside] = curvature(i);
            n_inside += is_inside ? 1 : 0;
        }
        const bool has_changed = is_inside != (was_inside_[i] != 0);
        is_same = is_same && !(has_changed && std::abs(slacks_[i]) > 4.0 * epsilon);
        was_inside_[i] = is_inside ? 1 : 0;
    }
    std::copy(end - n_capped, end, listed_ + n_inside);
    n_listed_ = n_inside + n_capped;
    hessian_.set(listed_, curvatures_, n_inside, is_same && !has_lowered_);
    has_lowered_ = false;
    return is_same;
}

template <Real T>
void PrimalNewton<T>::find_gradient() noexcept {
    const auto at = [&](std::size_t l) noexcept -> std::size_t { return listed_[l]; };
    const auto dual = [&](std::size_t l) noexcept {
        return std::min(wanted(listed_[l], slacks_[listed_[l]]), upper(listed_[l]));
    };
    hessian_.sum(n_listed_, at, dual, gradient_);
    for (std::size_t c = 0; c < width(); ++c) {
        gradient_[c] = (weights_[c] - prior_[c]) - gradient_[c];
    }
}

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

/// The derivatives of the (smoothed) objective along the step. The quadratic term contributes
/// linear + length * square.
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

/// The length of the step at which the derivative vanishes, by Newton's method within a bracket:
/// the objective is convex, so the derivative rises. Returns 0 if the objective does not fall.
/// @param accepted  fraction of the first slope that may remain, unless rounding leaves more
template <Real T>
double PrimalNewton<T>::search_line(double accepted) const noexcept {
    const double* const step = hessian_.step();
    double linear = 0.0;
    for (std::size_t c = 0; c < width(); ++c) linear += (weights_[c] - prior_[c]) * step[c];
    const double square = dot(step, step);
    const Slope first = slope_at(0.0, linear, square);
    if (!(first.derivative < 0.0)) return 0.0;
    const double enough = std::max(-accepted * first.derivative, first.sensitivity * resolution());
    double low = 0.0, high = infinity, length = 1.0;
    for (int round = 0; round < 60; ++round) {
        const Slope slope = slope_at(length, linear, square);
        if (!std::isfinite(slope.derivative)) return low;
        if (std::abs(slope.derivative) <= enough) return length;
        (slope.derivative < 0.0 ? low : high) = length;
        // The smoothed hinge has so many kinks that bisection takes fewer Newton steps in all.
        const double newton = smooths_ ? 0.0 : length - slope.derivative / slope.curvature;
        const double middle = high < infinity ? 0.5 * (low + high) : 4.0 * low;
        length = newton > low && newton < high ? newton : middle;
    }
    return low;
}

/// Starts from the dual coefficients, or from zeros if those have the lower objective.
template <Real T>
void PrimalNewton<T>::begin_at_duals() noexcept {
    bool is_zero = true;
    for (std::size_t i = 0; i < count(); ++i) {
        // NaN becomes zero.
        const bool is_off_zero = costs_[i] > 0.0 && duals_[i] > 0.0;
        duals_[i] = is_off_zero ? std::min(duals_[i], upper(i)) : 0.0;
        is_zero = is_zero && duals_[i] == 0.0;
    }
    const auto begin = [&]() noexcept {
        std::copy_n(prior_, width(), weights_);
        sum_duals();
        axpy(1.0, sum_, weights_);
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
        squares += samples_.row_squared_norm(i);
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
    has_lowered_ = true;
}

/// The smallest violation that double precision distinguishes from zero.
template <Real T>
double PrimalNewton<T>::resolution() const noexcept {
    const double largest =
        std::sqrt(samples_.problem().max_squared_norm) + samples_.problem().intercept_scaling;
    return 4.0 * epsilon * (1.0 + std::sqrt(dot(weights_, weights_)) * largest);
}

/// Violation and gap of the weights and the dual coefficients. The gap has a term per sample, and
/// 1/2 ||w - w(a)||^2 for the distance from the weights of the dual coefficients.
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
    sum_duals();
    double square = 0.0;
    for (std::size_t c = 0; c < width(); ++c) {
        const double drift = weights_[c] - prior_[c] - sum_[c];
        square += drift * drift;
    }
    distance.gap += 0.5 * square;
    // The drift changes scores by up to this, so it counts as a violation.
    const double largest = samples_.problem().max_squared_norm + samples_.bias_square();
    distance.violation = std::max(distance.violation, std::sqrt(square * largest));
    return distance;
}

/// Moves the weights. After a full step, the dual coefficients are those of the linear system.
/// Returns the largest change of a slack, or infinity unless the step was full.
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
    axpy(length, hessian_.step(), weights_);
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

/// Scales the dual coefficients by the t that maximises the dual objective along their ray,
/// t sum a (1 - z.w_0) - t^2 (||u||^2 + sum D a^2) / 2 with u = sum a z.
template <Real T>
void PrimalNewton<T>::scale_duals() noexcept {
    compute_slacks();
    sum_duals();
    double linear = 0.0, quadratic = dot(sum_, sum_);
    for (std::size_t c = 0; c < width(); ++c) linear += (weights_[c] - prior_[c]) * sum_[c];
    for (std::size_t i = 0; i < count(); ++i) {
        linear += duals_[i] * slacks_[i];
        quadratic += samples_.penalty(i).diagonal * duals_[i] * duals_[i];
    }
    // Near the optimum the two are equal up to rounding.
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
    // The weights of the dual coefficients are w - gradient.
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
