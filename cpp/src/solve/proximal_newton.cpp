#include "solve/proximal_newton.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "exemplar_svm/scan.hpp"
#include "kernels/dispatch.hpp"
#include "problem/examples.hpp"
#include "rows/row_sum.hpp"

namespace exemplar_svm {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// The proximal term of the hinge begins with this part of the samples' mean square, and is so much
// smaller in every round. Below the lowest, nothing would be left of H's smallest eigenvalue, 1.
constexpr double first_proximal = 0.1, proximal_factor = 0.1, lowest_proximal = 1e-12;

// Steps that neither halve the lowest gap nor lower the objective by a noticeable part: of the
// squared hinge, whose Newton steps converge quadratically in the end, and of the hinge, which gets
// there in rounds.
constexpr int patience_squared = 4, patience_hinge = 60;
constexpr double noticeable = 1e-13;

// Steps until the smoothed hinge changes, whether or not they have arrived.
constexpr int most_in_round = 300;

// A full step is taken if it leaves so much of the slope, or less.
constexpr double accepted_slope = 0.1;

constexpr int most_refinements = 3;

/// A = L L' in the lower triangle, row by row. Pivots cannot be below `lowest` but by rounding.
void factorise_in_place(double* matrix, std::size_t order, double lowest) noexcept {
    const auto& kernels = kernels::active_table<double>();
    for (std::size_t a = 0; a < order; ++a) {
        double* const row = matrix + a * order;
        for (std::size_t b = 0; b < a; ++b) {
            const double* const other = matrix + b * order;
            row[b] = (row[b] - kernels.dot(row, other, b)) / other[b];
        }
        row[a] = std::sqrt(std::max(row[a] - kernels.dot(row, row, a), lowest));
    }
}

/// x = (L L')^-1 x
void solve_in_place(const double* factor, std::size_t order, double* x) noexcept {
    const auto& kernels = kernels::active_table<double>();
    for (std::size_t a = 0; a < order; ++a) {
        x[a] = (x[a] - kernels.dot(factor + a * order, x, a)) / factor[a * order + a];
    }
    for (std::size_t a = order; a-- > 0;) {
        x[a] /= factor[a * order + a];
        kernels.axpy(-x[a], factor + a * order, x, a);
    }
}

}  // namespace

template <Real T>
std::size_t ProximalNewton<T>::largest_order(std::size_t n_rows, std::size_t n_features,
                                             std::size_t max_examples) noexcept {
    return std::min({n_rows + max_examples, n_features + 1, max_order});
}

template <Real T>
std::size_t ProximalNewton<T>::scratch_size(std::size_t n_rows, std::size_t n_features,
                                            std::size_t max_examples) noexcept {
    const std::size_t order = largest_order(n_rows, n_features, max_examples);
    return 4 * (n_rows + max_examples) + 8 * (n_features + 1) + order * (order + 1);
}

template <Real T>
double ProximalNewton<T>::work_of_step(std::size_t n_inside, std::size_t n_features) noexcept {
    const auto m = static_cast<double>(n_inside), d = static_cast<double>(n_features);
    const double order = std::min(m, d);
    return 0.5 * m * d * order + order * order * order / 6.0;
}

template <Real T>
ProximalNewton<T>::ProximalNewton(const Problem<T>& problem, ExecutorRef executor,
                                  const StopCondition& stop, Workspace<T>& workspace) noexcept
    : problem_(problem),
      executor_(executor),
      stop_(stop),
      workspace_(workspace),
      weights_(workspace.wide_coef.data()),
      centres_(workspace.newton_scratch.get()),
      margins_(centres_ + n_samples()),
      changes_(margins_ + n_samples()),
      best_duals_(changes_ + n_samples()),
      gradient_(best_duals_ + n_samples()),
      step_(gradient_ + order()),
      residual_(step_ + order()),
      best_weights_(residual_ + order()),
      wide_(best_weights_ + order()),
      max_order_(largest_order(problem.rows.rows, problem.rows.cols, problem.examples.rows)),
      solution_(wide_ + 4 * order()),
      factor_(solution_ + max_order_) {}

template <Real T>
auto ProximalNewton<T>::solve(double tol, double gap_tol,
                              std::uint32_t most_steps) noexcept -> Outcome {
    const bool smooths = problem_.loss == Loss::hinge;
    start();
    keep_best();
    double lowest_gap = infinity, lowest_merit = infinity;
    double lowest_value = std::numeric_limits<double>::max();
    int fruitless = 0, steps_in_round = 0;
    last_move_ = infinity;
    Outcome outcome = Outcome::reached;
    for (steps_ = 0;; ++steps_) {
        const Distance distance = measure();
        if (distance.violation <= tol && distance.gap <= gap_tol) return Outcome::reached;
        // Every step of the squared hinge is a round of its own.
        const bool ends_round = !smooths || ++steps_in_round >= most_in_round ||
                                last_move_ <= std::max(0.1 * distance.violation, 0.25 * tol);
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
        if (steps_ >= most_steps || stop_.reached()) {
            outcome = stop_.reached() ? Outcome::stopped : Outcome::step_limit;
            break;
        }
        const bool is_patient = smooths && distance.violation > resolution();
        if (fruitless >= (is_patient ? patience_hinge : patience_squared)) {
            outcome = Outcome::exhausted;
            break;
        }
        if (smooths && ends_round) {
            for (std::size_t i = 0; i < n_samples(); ++i) centres_[i] = dual(i);
            proximal_ = std::max(proximal_factor * proximal_, lowest_proximal_);
            steps_in_round = 0;
        }
        find_gradient();
        outcome = factorise();
        if (outcome != Outcome::reached) break;
        find_step();
        move(line_search());
    }
    restore_best();
    scale_duals();
    return outcome;
}

/// Multiplies the dual coefficients by what proves most: the dual objective along their ray,
/// t sum a (1 - z.w_0) - t^2 (||u||^2 + sum D a^2) / 2 with u = sum a z, has its maximum there.
template <Real T>
void ProximalNewton<T>::scale_duals() noexcept {
    multiply_samples(weights_, bias_, margins_);
    sum_samples([&](std::size_t i) { return dual(i); }, residual_);
    double linear = bias_ * residual_[n_features()], quadratic = 0.0;
    for (std::size_t c = 0; c < n_features(); ++c) {
        linear += (weights_[c] - workspace_.prior_coef[c]) * residual_[c];
    }
    for (std::size_t c = 0; c < order(); ++c) quadratic += residual_[c] * residual_[c];
    for (std::size_t i = 0; i < n_samples(); ++i) {
        linear += dual(i) * (1.0 - margins_[i]);
        quadratic += bounds(i).diagonal * dual(i) * dual(i);
    }
    // Close to the optimum they are equal, and their difference is rounding.
    if (!(linear < 0.5 * quadratic)) return;
    const double factor = std::max(linear, 0.0) / quadratic;
    for (std::size_t i = 0; i < n_samples(); ++i) dual(i) *= factor;
}

template <Real T>
void ProximalNewton<T>::keep_best() noexcept {
    for (std::size_t i = 0; i < n_samples(); ++i) best_duals_[i] = dual(i);
    std::copy_n(weights_, n_features(), best_weights_);
    best_weights_[n_features()] = bias_;
}

template <Real T>
void ProximalNewton<T>::restore_best() noexcept {
    for (std::size_t i = 0; i < n_samples(); ++i) dual(i) = best_duals_[i];
    std::copy_n(best_weights_, n_features(), weights_);
    bias_ = best_weights_[n_features()];
}

/// The smallest violation that double precision tells from zero.
template <Real T>
double ProximalNewton<T>::resolution() const noexcept {
    const auto& kernels = kernels::active_table<double>();
    const double norm = std::sqrt(kernels.dot(weights_, weights_, n_features()) + bias_ * bias_);
    const double largest = std::sqrt(problem_.max_squared_norm) + problem_.intercept_scaling;
    return 4.0 * std::numeric_limits<double>::epsilon() * (1.0 + norm * largest);
}

/// Takes over the dual coefficients, if they are better than none.
template <Real T>
void ProximalNewton<T>::start() noexcept {
    bool is_zero = true;
    for (std::size_t i = 0; i < n_samples(); ++i) {
        // What is not a number becomes zero, too.
        dual(i) = dual(i) > 0.0 ? std::min(dual(i), bounds(i).upper) : 0.0;
        is_zero = is_zero && dual(i) == 0.0;
    }
    const auto begin = [&](auto&& coefficient) noexcept {
        sum_samples(coefficient, residual_);
        for (std::size_t c = 0; c < n_features(); ++c) {
            weights_[c] = workspace_.prior_coef[c] + residual_[c];
        }
        bias_ = residual_[n_features()];
        multiply_samples(weights_, bias_, margins_);
        return objective();
    };
    const double at_zero = begin([](std::size_t) { return 0.0; });
    if (!is_zero && !(begin([&](std::size_t i) { return dual(i); }) <= at_zero)) {
        for (std::size_t i = 0; i < n_samples(); ++i) dual(i) = 0.0;
        begin([](std::size_t) { return 0.0; });
    }
    for (std::size_t i = 0; i < n_samples(); ++i) centres_[i] = dual(i);
    proximal_ = 0.0;
    if (problem_.loss == Loss::hinge) choose_proximal();
}

template <Real T>
void ProximalNewton<T>::choose_proximal() noexcept {
    double squares = 0.0, n = 0.0;
    for (std::size_t i = 0; i < n_rows(); ++i) {
        if (cost(i) <= 0.0) continue;
        squares += static_cast<double>(problem_.squared_norms[i]);
        n += 1.0;
    }
    const double bias_square = problem_.intercept_scaling * problem_.intercept_scaling;
    proximal_ = first_proximal * (squares / std::max(n, 1.0) + bias_square);
    if (!(proximal_ > 0.0)) proximal_ = 1.0;
    lowest_proximal_ = lowest_proximal * proximal_;
}

template <Real T>
double ProximalNewton<T>::label(std::size_t sample) const noexcept {
    if (sample >= n_rows()) return example_label(problem_, sample - n_rows());
    return problem_.labels == nullptr ? -1.0 : static_cast<double>(problem_.labels[sample]);
}

template <Real T>
double ProximalNewton<T>::cost(std::size_t sample) const noexcept {
    if (sample >= n_rows()) return example_cost(problem_, sample - n_rows());
    if (problem_.background != nullptr && problem_.background[sample] == 0) return 0.0;
    return problem_.costs == nullptr ? problem_.cost : problem_.costs[sample];
}

template <Real T>
double& ProximalNewton<T>::dual(std::size_t sample) const noexcept {
    return sample < n_rows() ? workspace_.dual[sample] : workspace_.example_dual[sample - n_rows()];
}

/// [x - mean, s] of a sample, without its label.
template <Real T>
void ProximalNewton<T>::widen(std::size_t sample, double* out) const noexcept {
    if (sample < n_rows()) {
        problem_.rows.widen(sample, out);
    } else {
        problem_.examples.widen(sample - n_rows(), out);
    }
    subtract_mean(problem_, 1.0, out);
    out[n_features()] = problem_.intercept_scaling;
}

/// products[i] = z_i . [weights, bias]
template <Real T>
void ProximalNewton<T>::multiply_samples(const double* weights, double bias,
                                         double* products) const noexcept {
    const double offset = problem_.intercept_scaling * bias - mean_product(problem_, weights);
    for_each_block(
        executor_, row_blocks(problem_.rows),
        [&](std::size_t begin, std::size_t end, std::size_t) noexcept {
            for (std::size_t i = begin; i < end; ++i) {
                products[i] =
                    cost(i) > 0.0 ? label(i) * (problem_.rows.dot_wide(i, weights) + offset) : 0.0;
            }
        });
    for (std::size_t i = n_rows(); i < n_samples(); ++i) {
        products[i] = label(i) * (problem_.examples.dot_wide(i - n_rows(), weights) + offset);
    }
}

/// sum = sum of factor(i) z_i; factors of zero cost nothing.
template <Real T>
template <class Factor>
void ProximalNewton<T>::sum_samples(Factor&& factor, double* sum) const noexcept {
    std::fill_n(sum, order(), 0.0);
    double labels = 0.0;
    RowSum<T> row_sum(problem_.rows, sum);
    for (std::size_t i = 0; i < n_rows(); ++i) {
        const double multiple = cost(i) > 0.0 ? label(i) * factor(i) : 0.0;
        if (multiple == 0.0) continue;
        row_sum.add(multiple, i);
        labels += multiple;
    }
    row_sum.finish();
    for (std::size_t i = n_rows(); i < n_samples(); ++i) {
        const double multiple = label(i) * factor(i);
        if (multiple == 0.0) continue;
        problem_.examples.axpy_wide(multiple, i - n_rows(), sum);
        labels += multiple;
    }
    subtract_mean(problem_, labels, sum);
    sum[n_features()] = labels * problem_.intercept_scaling;
}

/// The primal objective.
template <Real T>
double ProximalNewton<T>::objective() const noexcept {
    double value = bias_ * bias_;
    for (std::size_t c = 0; c < n_features(); ++c) {
        const double way = weights_[c] - workspace_.prior_coef[c];
        value += way * way;
    }
    value *= 0.5;
    for (std::size_t i = 0; i < n_samples(); ++i) {
        value += loss_term(problem_.loss, cost(i), 1.0 - margins_[i]);
    }
    return value;
}

/// How far the weights and the dual coefficients are from optimal. The gap has a term for each
/// sample, and 1/2 ||w - w(a)||^2 for weights that are not those of the dual coefficients.
template <Real T>
auto ProximalNewton<T>::measure() noexcept -> Distance {
    Distance distance{0.0, 0.0};
    for (std::size_t i = 0; i < n_samples(); ++i) {
        const double c = cost(i);
        if (c <= 0.0) continue;
        const Penalty limits = bounds(i);
        const double slack = 1.0 - margins_[i], gradient = limits.diagonal * dual(i) - slack;
        distance.violation =
            std::max(distance.violation, std::abs(projected(gradient, dual(i), limits.upper)));
        distance.gap += gap_term(problem_.loss, c, limits.diagonal, dual(i), slack);
    }
    sum_samples([&](std::size_t i) { return dual(i); }, residual_);
    double square = (bias_ - residual_[n_features()]) * (bias_ - residual_[n_features()]);
    for (std::size_t c = 0; c < n_features(); ++c) {
        const double drift = weights_[c] - workspace_.prior_coef[c] - residual_[c];
        square += drift * drift;
    }
    distance.gap += 0.5 * square;
    // Coefficients of other weights are as far from optimal as these would move the scores.
    const double bias_square = problem_.intercept_scaling * problem_.intercept_scaling;
    const double moved = std::sqrt(square * (problem_.max_squared_norm + bias_square));
    distance.violation = std::max(distance.violation, moved);
    return distance;
}

template <Real T>
void ProximalNewton<T>::find_gradient() noexcept {
    n_inside_ = 0;
    sum_samples(
        [&](std::size_t i) noexcept {
            const Penalty limits = bounds(i);
            const double target = wanted(i, limits, 1.0 - margins_[i]);
            n_inside_ += target > 0.0 && target < limits.upper ? 1 : 0;
            return std::clamp(target, 0.0, limits.upper);
        },
        gradient_);
    for (std::size_t c = 0; c < n_features(); ++c) {
        gradient_[c] = weights_[c] - workspace_.prior_coef[c] - gradient_[c];
    }
    gradient_[n_features()] = bias_ - gradient_[n_features()];
}

/// Returns `reached` unless it cannot.
template <Real T>
auto ProximalNewton<T>::factorise() noexcept -> Outcome {
    uses_samples_ = n_inside_ < order();
    if (std::min(n_inside_, order()) > max_order_) return Outcome::too_large;
    return (uses_samples_ ? factorise_samples() : factorise_features()) ? Outcome::reached
                                                                        : Outcome::stopped;
}

/// I + sum_S z z' / (D + e). Labels cancel.
template <Real T>
bool ProximalNewton<T>::factorise_features() noexcept {
    constexpr std::size_t at_once = 4;
    const auto& kernels = kernels::active_table<double>();
    const std::size_t q = order();
    for (std::size_t a = 0; a < q; ++a) {
        std::fill_n(factor_ + a * q, a, 0.0);
        factor_[a * q + a] = 1.0;
    }
    const double* waiting[at_once];
    double scales[at_once];
    std::size_t n_waiting = 0;
    const auto flush = [&]() noexcept {
        for (std::size_t a = 0; a < q; ++a) {
            double factors[at_once];
            for (std::size_t r = 0; r < n_waiting; ++r) factors[r] = scales[r] * waiting[r][a];
            if (n_waiting == at_once) {
                kernels.axpy_wide_four(factors, waiting, factor_ + a * q, a + 1);
            } else {
                for (std::size_t r = 0; r < n_waiting; ++r) {
                    kernels.axpy(factors[r], waiting[r], factor_ + a * q, a + 1);
                }
            }
        }
        n_waiting = 0;
    };
    for (std::size_t i = 0; i < n_samples(); ++i) {
        if (cost(i) <= 0.0) continue;
        const Penalty limits = bounds(i);
        if (!is_inside(i, limits)) continue;
        widen(i, wide_ + n_waiting * q);
        waiting[n_waiting] = wide_ + n_waiting * q;
        scales[n_waiting] = 1.0 / diagonal(limits);
        if (++n_waiting < at_once) continue;
        flush();
        if (stop_.reached()) return false;
    }
    flush();
    factorise_in_place(factor_, q, 1.0);
    return true;
}

/// Z Z' + D + e over S.
template <Real T>
bool ProximalNewton<T>::factorise_samples() noexcept {
    const std::size_t m = n_inside_;
    const double bias_square = problem_.intercept_scaling * problem_.intercept_scaling;
    double lowest = infinity;
    std::size_t a = 0;
    for (std::size_t i = 0; i < n_samples(); ++i) {
        if (cost(i) <= 0.0 || !is_inside(i, bounds(i))) continue;
        widen(i, wide_);
        const double mean_part = mean_product(problem_, wide_);
        double* const row = factor_ + a * m;
        std::size_t b = 0;
        for (std::size_t j = 0; j <= i; ++j) {
            if (cost(j) <= 0.0 || !is_inside(j, bounds(j))) continue;
            const double product = j < n_rows() ? problem_.rows.dot_wide(j, wide_)
                                                : problem_.examples.dot_wide(j - n_rows(), wide_);
            row[b++] = label(i) * label(j) * (product - mean_part + bias_square);
        }
        row[a] += diagonal(bounds(i));
        lowest = std::min(lowest, diagonal(bounds(i)));
        ++a;
        if (stop_.reached()) return false;
    }
    factorise_in_place(factor_, m, lowest);
    return true;
}

/// x = H^-1 x, as well as the factor says.
template <Real T>
void ProximalNewton<T>::apply_inverse(double* x) noexcept {
    if (!uses_samples_) return solve_in_place(factor_, order(), x);
    // Woodbury: H^-1 x = x - Z' (Z Z' + D + e)^-1 Z x
    multiply_samples(x, x[n_features()], changes_);
    std::size_t a = 0;
    for (std::size_t i = 0; i < n_samples(); ++i) {
        if (cost(i) > 0.0 && is_inside(i, bounds(i))) solution_[a++] = changes_[i];
    }
    solve_in_place(factor_, n_inside_, solution_);
    a = 0;
    sum_samples(
        [&](std::size_t i) noexcept { return is_inside(i, bounds(i)) ? solution_[a++] : 0.0; },
        wide_);
    kernels::active_table<double>().axpy(-1.0, wide_, x, order());
}

/// step = -H^-1 gradient, refined, and its products with all samples.
template <Real T>
void ProximalNewton<T>::find_step() noexcept {
    const auto& kernels = kernels::active_table<double>();
    std::fill_n(step_, order(), 0.0);
    std::copy_n(gradient_, order(), residual_);
    double previous = infinity;
    for (int refinement = 0; refinement <= most_refinements; ++refinement) {
        const double square = kernels.dot(residual_, residual_, order());
        constexpr double accurate = 1e-26;
        if (!(square < previous) || square <= accurate * kernels.dot(gradient_, gradient_, order()))
            break;
        previous = square;
        apply_inverse(residual_);
        kernels.axpy(-1.0, residual_, step_, order());
        multiply_samples(step_, step_[n_features()], changes_);
        // gradient + H step
        sum_samples(
            [&](std::size_t i) noexcept {
                const Penalty limits = bounds(i);
                return is_inside(i, limits) ? changes_[i] / diagonal(limits) : 0.0;
            },
            residual_);
        kernels.axpy(1.0, step_, residual_, order());
        kernels.axpy(1.0, gradient_, residual_, order());
    }
}

/// The derivative of the smoothed objective along the step.
template <Real T>
auto ProximalNewton<T>::slope(double length) const noexcept -> Slope {
    double slope = (bias_ + length * step_[n_features()]) * step_[n_features()];
    for (std::size_t c = 0; c < n_features(); ++c) {
        slope += (weights_[c] - workspace_.prior_coef[c] + length * step_[c]) * step_[c];
    }
    double sensitivity = 0.0;
    for (std::size_t i = 0; i < n_samples(); ++i) {
        if (cost(i) <= 0.0 || changes_[i] == 0.0) continue;
        const Penalty limits = bounds(i);
        const double target = wanted(i, limits, 1.0 - margins_[i] - length * changes_[i]);
        slope -= std::clamp(target, 0.0, limits.upper) * changes_[i];
        if (target > 0.0 && target < limits.upper) {
            sensitivity += std::abs(changes_[i]) / diagonal(limits);
        }
    }
    return {slope, sensitivity * resolution()};
}

/// The objective is convex and piecewise quadratic along the step: its slope rises.
template <Real T>
double ProximalNewton<T>::line_search() const noexcept {
    constexpr int most_bisections = 50, most_doublings = 30;
    const Slope first = slope(0.0);
    const double enough = std::max(accepted_slope * std::abs(first.value), first.rounding);
    double low = 0.0, high = 1.0, at_high = slope(high).value;
    if (!(first.value < 0.0) || std::abs(at_high) <= enough) return 1.0;
    for (int i = 0; i < most_doublings && at_high < -enough; ++i) {
        low = high;
        high *= 4.0;
        at_high = slope(high).value;
    }
    if (std::abs(at_high) <= enough) return high;
    for (int i = 0; i < most_bisections; ++i) {
        const double middle = 0.5 * (low + high), at_middle = slope(middle).value;
        if (std::abs(at_middle) <= enough) return middle;
        (at_middle < 0.0 ? low : high) = middle;
    }
    return high;
}

/// Moves the weights. After a full step the dual coefficients are those that it has solved for.
template <Real T>
void ProximalNewton<T>::move(double length) noexcept {
    const auto coefficient = [&](std::size_t i) noexcept {
        const Penalty limits = bounds(i);
        if (length != 1.0) {
            return wanted(i, limits, 1.0 - margins_[i] - length * changes_[i]);
        }
        const double target = wanted(i, limits, 1.0 - margins_[i]);
        const bool inside = target > 0.0 && target < limits.upper;
        return inside ? target - changes_[i] / diagonal(limits) : target;
    };
    for (std::size_t i = 0; i < n_samples(); ++i) {
        dual(i) = cost(i) > 0.0 ? std::clamp(coefficient(i), 0.0, bounds(i).upper) : 0.0;
    }
    last_move_ = 0.0;
    for (std::size_t i = 0; i < n_samples(); ++i) {
        last_move_ = std::max(last_move_, std::abs(changes_[i]));
    }
    if (length != 1.0) last_move_ = infinity;
    kernels::active_table<double>().axpy(length, step_, weights_, n_features());
    bias_ += length * step_[n_features()];
    multiply_samples(weights_, bias_, margins_);
}

template class ProximalNewton<float>;
template class ProximalNewton<double>;

}  // namespace exemplar_svm
