#include "solve/primal_descent.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "base/stoppable_executor.hpp"
#include "exemplar_svm/profile.hpp"
#include "exemplar_svm/scan.hpp"
#include "kernels/dispatch.hpp"
#include "model/row_statistics.hpp"
#include "solve/example_block.hpp"

namespace exemplar_svm {
namespace {

/// Sizes of samples: an eighth of the rows, an eighth of that, and so on, down to the fewest.
constexpr std::size_t sample_part = 8, fewest_sampled = 512;

/// Descent on a sample ends at a gradient of this fraction of ||w~ - w~_0||: the sample's optimum
/// is much farther from that of all rows.
constexpr double sample_tol = 2e-3;
constexpr std::uint32_t most_sample_passes = 24;

/// Number of a sample's support vectors that are copied for steps, if all support vectors are at
/// least support_per_copy times as many. More copies hardly save passes.
constexpr std::size_t n_copied = 1024, support_per_copy = 12;
constexpr int step_iterations = 2;

double norm_of(const double* x, std::size_t n) noexcept {
    return std::sqrt(kernels::active_table<double>().dot(x, x, n));
}

/// The background's directions, the mean, and the examples.
std::size_t curvature_capacity(std::size_t max_examples) noexcept {
    return gaussian_rank + 1 + std::min(max_examples, ExampleBlock::capacity);
}

std::size_t scratch_size(std::size_t order, std::size_t max_examples) noexcept {
    return 7 * order + Anderson::scratch_size(order) +
           Curvature::scratch_size(order, curvature_capacity(max_examples)) +
           max_pass_groups * order;
}

template <Real T>
bool serves(const RowsView<T>& rows) noexcept {
    return rows.is_dense() && rows.rows >= fewest_primal_rows;
}

}  // namespace

template <Real T>
PrimalScratch<T>::PrimalScratch(const RowsView<T>& rows, std::size_t n_examples)
    : max_examples(n_examples),
      coordinates(serves(rows) ? scratch_size(rows.cols + 1, n_examples) : 0),
      copies(rows, serves(rows) ? n_copied : 0),
      reach(std::make_unique_for_overwrite<T[]>(serves(rows) ? rows.rows : 0)),
      collected(std::make_unique_for_overwrite<RowIndex[]>(serves(rows) ? rows.rows : 0)) {}

template <Real T>
PrimalDescent<T>::PrimalDescent(const Samples<T>& samples, const GaussianModel<T>& gaussian,
                                ExecutorRef executor, const StopCondition& stop,
                                Solution<T>& solution, PreparedExamples<T>& examples,
                                PrimalScratch<T>& scratch, T* scores) noexcept
    : samples_(samples),
      gaussian_(gaussian),
      executor_(executor),
      stop_(stop),
      solution_(solution),
      examples_(examples),
      scratch_(scratch),
      scores_(scores),
      reach_(scratch.reach.get()),
      largest_norm_(std::sqrt(samples.problem().max_squared_norm + samples.bias_square())),
      cost_(samples.problem().cost),
      seconds_per_row_(seconds_per_byte_of_pass *
                       static_cast<double>(samples.problem().rows.bytes_per_row())),
      point_(scratch.coordinates.data()),
      scored_(point_ + order()),
      gradient_(scored_ + order()),
      residual_(gradient_ + order()),
      image_(residual_ + order()),
      direction_(image_ + order()),
      product_(direction_ + order()),
      partial_(product_ + order()),
      anderson_(order(), partial_ + max_pass_groups * n_features()),
      curvature_(order(), curvature_capacity(scratch.max_examples),
                 partial_ + max_pass_groups * n_features() + Anderson::scratch_size(order())) {}

template <Real T>
Outcome PrimalDescent<T>::solve(const Goal& goal, bool duals_agree, SolveReport& report) noexcept {
    goal_ = goal;
    std::fill_n(solution_.example_dual.begin(), samples_.n_examples(), 0.0);
    examples_.prepare(samples_, solution_.example_dual.data());
    std::copy_n(examples_.prior().data(), n_features(), point_);
    point_[n_features()] = 0.0;
    anderson_.reset();
    scratch_.copies.clear(samples_.problem().rows);

    std::size_t part = 1;
    while (n_rows() / (part * sample_part) >= fewest_sampled) part *= sample_part;
    Outcome outcome = Outcome::reached;
    for (; part > 1 && outcome != Outcome::stopped; part /= sample_part) {
        outcome = descend(n_rows() / part, std::numeric_limits<double>::infinity());
    }
    if (outcome != Outcome::stopped) {
        copy_sample();
        double gradient = std::sqrt(goal.gap);
        if (duals_agree) {
            // ||gradient|| is the distance from the weights of the dual coefficients.
            gradient =
                std::min(gradient, std::max<double>(std::numeric_limits<T>::epsilon(), 1e-12) *
                                       norm_of(point_, order()));
        }
        outcome = descend(n_rows(), gradient);
    }
    report.epochs = std::min(passes_, goal_.max_epochs);
    if (outcome == Outcome::hand_over) return outcome;
    if (outcome == Outcome::stopped) conclude();
    fill(report);
    report.status = status_of(outcome);
    return outcome;
}

/// Descends on a sample, or on all rows until the norm of the gradient is at most largest_gradient.
template <Real T>
Outcome PrimalDescent<T>::descend(std::size_t n_sampled, double largest_gradient) noexcept {
    constexpr int most_retreats = 6;
    constexpr std::uint32_t patience = 4;  // passes that do not halve the lowest gradient
    constexpr double infinity = std::numeric_limits<double>::infinity();
    const bool is_sample = n_sampled < n_rows();
    begin_level(n_sampled);
    anderson_.depart();
    double lowest_value = infinity, lowest_norm = infinity, length = 1.0;
    int retreats = 0;
    std::uint32_t fruitless = 0;
    for (std::uint32_t passes = 1;; ++passes) {
        if (!pass(StoppableExecutor(executor_, stop_.earlier_by(seconds_to_conclude())))) {
            return Outcome::stopped;
        }
        if (is_sample) {
            double square = point_[n_features()] * point_[n_features()];
            for (std::size_t c = 0; c < n_features(); ++c) {
                const double way = point_[c] - examples_.prior()[c];
                square += way * way;
            }
            largest_gradient = sample_tol * std::sqrt(square);
        } else {
            ++passes_;
        }
        if (gradient_norm_ <= largest_gradient) return Outcome::reached;
        if (!std::isfinite(gradient_norm_)) return Outcome::hand_over;
        if (is_sample && passes == most_sample_passes) return Outcome::reached;
        // The first pass evaluates the start; at least one step follows, whatever the limit.
        if (!is_sample && passes > goal_.max_epochs) return Outcome::limit;

        fruitless = gradient_norm_ < 0.5 * lowest_norm ? 0 : fruitless + 1;
        if (fruitless == 0) lowest_norm = gradient_norm_;
        if (!is_sample && fruitless >= patience) {
            const bool within_tol = largest_norm_ * gradient_norm_ <= goal_.tol;
            return within_tol ? Outcome::reached : Outcome::hand_over;
        }
        // 1e-12 covers the rounding of the values.
        if (value_ > lowest_value + 1e-12 * std::abs(lowest_value)) {
            if (++retreats > most_retreats)
                return is_sample ? Outcome::reached : Outcome::hand_over;
            anderson_.restore(point_, gradient_);
            anderson_.reset();
            length *= 0.5;
        } else {
            lowest_value = value_;
            model_curvature();
        }
        anderson_.add(point_, gradient_);
        std::copy_n(gradient_, order(), residual_);
        anderson_.combine(curvature_, point_, residual_);
        step(length);
    }
}

template <Real T>
void PrimalDescent<T>::begin_level(std::size_t n_sampled) noexcept {
    n_sampled_ = n_sampled;
    const RowBlocks blocks(n_sampled, samples_.problem().rows.bytes_per_row());
    n_groups_ = std::min(blocks.count(), max_pass_groups);
    cost_ =
        samples_.problem().cost * static_cast<double>(n_rows()) / static_cast<double>(n_sampled);
    reads_all_ = true;
    way_ = 0.0;
    std::copy_n(point_, order(), scored_);
}

/// Scores the rows that may support, and computes the objective and its gradient. Returns false if
/// a stop made the executor skip a group.
template <Real T>
bool PrimalDescent<T>::pass(ExecutorRef executor) noexcept {
    set_decision_function();
    double seconds = 0.0;
    std::optional<Stopwatch> stopwatch(std::in_place, seconds);
    const RowBlocks groups = RowBlocks::one_by_one(n_groups_);
    for (std::size_t g = 0; g < n_groups_; ++g) sums_[g].done = false;
    for_each_block(executor, groups, [&](std::size_t, std::size_t, std::size_t group) noexcept {
        pass_group(group);
    });
    stopwatch.reset();

    const auto& kernels = kernels::active_table<double>();
    total_ = Sums{};
    std::copy_n(point_, order(), gradient_);
    kernels.axpy(-1.0, examples_.prior().data(), gradient_, n_features());
    value_ = 0.5 * kernels.dot(gradient_, gradient_, order());
    for (std::size_t g = 0; g < n_groups_; ++g) {
        if (!sums_[g].done) return false;
        total_.loss += sums_[g].loss;
        total_.dual += sums_[g].dual;
        total_.n_support += sums_[g].n_support;
        total_.n_read += sums_[g].n_read;
        kernels.axpy(-1.0, partial_ + g * n_features(), gradient_, n_features());
    }
    if (reads_all_) seconds_per_row_ = seconds / static_cast<double>(n_sampled_);
    reads_all_ = false;
    value_ += total_.loss;
    const double labels = add_examples() - total_.dual;
    samples_.subtract_mean(-labels, gradient_);
    gradient_[n_features()] -= samples_.problem().intercept_scaling * labels;
    gradient_norm_ = norm_of(gradient_, order());
    return true;
}

template <Real T>
void PrimalDescent<T>::set_decision_function() noexcept {
    const std::size_t d = n_features();
    double square = 0.0;
    for (std::size_t c = 0; c < order(); ++c) {
        const double change = point_[c] - scored_[c];
        square += change * change;
        scored_[c] = point_[c];
    }
    way_ += std::sqrt(square);
    const double intercept = samples_.problem().intercept_scaling * point_[d];
    offset_ = samples_.offset(point_, intercept);

    const double raw_norm = largest_norm_ + std::sqrt(samples_.mean_square());
    const double norms = norm_of(point_, d) * raw_norm;
    constexpr auto epsilon = static_cast<double>(std::numeric_limits<T>::epsilon());
    slack_ = 4.0 * epsilon * (1.0 + norms + std::abs(intercept) + way_ * largest_norm_);

    precise_rounding_ =
        score_rounding_bound<double>(samples_.problem().rows, norms, std::abs(intercept) + norms);
    score_rounding_ = precise_rounding_ + epsilon * (norms + std::abs(intercept));
}

template <Real T>
void PrimalDescent<T>::pass_group(std::size_t group) noexcept {
    constexpr std::size_t chunk = 64, ahead = 4;
    const std::size_t begin = group * n_sampled_ / n_groups_;
    const std::size_t end = (group + 1) * n_sampled_ / n_groups_;
    double* const sum = partial_ + group * n_features();
    std::fill_n(sum, n_features(), 0.0);
    SampleSum<T> sample_sum(samples_, sum);
    Sums sums;
    RowIndex reading[chunk];
    for (std::size_t place = begin; place < end;) {
        std::size_t n_reading = 0;
        for (; place < end && n_reading < chunk; ++place) {
            const std::size_t i = row_at(place);
            if (reads_all_ || (takes_part(i) && highest_score(i) > -1.0)) {
                reading[n_reading++] = static_cast<RowIndex>(i);
            }
        }
        sums.n_read += n_reading;
        for (std::size_t s = 0; s < n_reading; ++s) {
            // The processor prefetches consecutive rows itself, but not across skipped rows.
            const std::size_t next = s + ahead;
            if (next < n_reading && reading[next] != reading[next - 1] + 1) {
                samples_.problem().rows.prefetch(reading[next]);
            }
            const std::size_t i = reading[s];
            const double score = samples_.score(i, point_, offset_);
            // NaN passes through to the gradient.
            const double hinge = score <= -1.0 || !takes_part(i) ? 0.0 : 1.0 + score;
            const double dual = 2.0 * cost_ * hinge;
            scores_[i] = static_cast<T>(score);
            reach_[i] = static_cast<T>(score - way_ * norm(i));
            solution_.dual[i] = dual;
            if (dual == 0.0) continue;
            sample_sum.add(dual, i);
            sums.loss += cost_ * hinge * hinge;
            ++sums.n_support;
        }
    }
    sums.dual = -sample_sum.flush();
    sums.done = true;
    sums_[group] = sums;
}

/// Adds the examples to the objective and its gradient, without the mean and the constant feature.
/// Returns the sum of their labels times the dual coefficients.
template <Real T>
double PrimalDescent<T>::add_examples() noexcept {
    SampleSum<T> sum(samples_, gradient_);
    for (std::size_t j = 0; j < samples_.n_examples(); ++j) {
        const std::size_t sample = n_rows() + j;
        const double cost = samples_.cost(sample);
        const double slack = 1.0 - samples_.product(sample, point_, offset_);
        const double dual = 2.0 * cost * std::max(0.0, slack);
        solution_.example_dual[j] = dual;
        value_ += loss_term(Loss::squared_hinge, cost, slack);
        sum.add(-dual, sample);
    }
    return -sum.flush();
}

/// Models the Hessian at the point of the last pass. The sum of x~ x~' over the support vectors is
/// approximated by their number times the covariance of all rows plus the outer product of the
/// support vectors' mean, weighted by dual coefficients.
template <Real T>
void PrimalDescent<T>::model_curvature() noexcept {
    const std::size_t d = n_features();
    const auto& kernels = kernels::active_table<double>();
    const double support = 2.0 * cost_ * static_cast<double>(total_.n_support);
    const double scale = support * gaussian_.mean_square();
    const double other = gaussian_.other_variance();
    curvature_.reset(1.0 + scale * other, 1.0);
    for (std::size_t r = 0; r < gaussian_.rank(); ++r) {
        const double weight = scale * (gaussian_.variance(r) - other);
        if (!(weight > 0.0)) continue;
        double* const column = curvature_.add(weight);
        std::copy_n(gaussian_.direction(r), d, column);
        column[d] = 0.0;
    }
    if (total_.dual > 0.0) {
        double* const mean = curvature_.add(support);
        std::fill_n(mean, d, 0.0);
        for (std::size_t g = 0; g < n_groups_; ++g) {
            kernels.axpy(-1.0 / total_.dual, partial_ + g * d, mean, d);
        }
        samples_.subtract_mean(1.0, mean);
        mean[d] = samples_.problem().intercept_scaling;
    }
    for (std::size_t j = 0; j < samples_.n_examples(); ++j) {
        if (solution_.example_dual[j] == 0.0) continue;
        const std::size_t sample = n_rows() + j;
        double* const column = curvature_.add(2.0 * samples_.cost(sample));
        samples_.widen(sample, column);
        column[d] = samples_.label(sample) * samples_.problem().intercept_scaling;
    }
    curvature_.factorise();
}

/// Copies some of the sample's support vectors, if all rows have many more.
template <Real T>
void PrimalDescent<T>::copy_sample() noexcept {
    if (n_sampled_ == 0) return;
    RowIndex* const support = collected();
    std::size_t n_support = 0;
    for (std::size_t place = 0; place < n_sampled_; ++place) {
        const std::size_t i = row_at(place);
        if (solution_.dual[i] > 0.0) support[n_support++] = static_cast<RowIndex>(i);
    }
    const bool pays = n_support * (n_rows() / n_sampled_) >= support_per_copy * n_copied;
    if (!pays || n_support < n_copied || scratch_.copies.capacity() < n_copied) return;
    for (std::size_t s = 0; s < n_copied; ++s) support[s] = support[s * n_support / n_copied];
    scratch_.copies.add(samples_.problem(), support, n_copied, executor_);
}

/// A Newton step from the point, whose gradient is `residual_`: by conjugate gradients on the
/// Hessian of the copied rows, preconditioned by the model; by the model alone without copies.
template <Real T>
void PrimalDescent<T>::step(double length) noexcept {
    const auto& kernels = kernels::active_table<double>();
    if (scratch_.copies.size() == 0) {
        curvature_.solve(residual_);
        kernels.axpy(-length, residual_, point_, order());
        return;
    }
    double before = 0.0;
    for (int iteration = 0; iteration < step_iterations; ++iteration) {
        std::copy_n(residual_, order(), image_);
        curvature_.solve(image_);
        const double square = kernels.dot(residual_, image_, order());
        if (iteration > 0) kernels.axpy(square / before, direction_, image_, order());
        std::swap(direction_, image_);
        before = square;
        multiply_by_hessian(direction_, product_);
        const double curvature = kernels.dot(direction_, product_, order());
        if (!(curvature > 0.0)) return;  // the gradient is zero
        kernels.axpy(-length * square / curvature, direction_, point_, order());
        kernels.axpy(-square / curvature, product_, residual_, order());
    }
}

/// The Hessian if the copied rows represent all support vectors.
template <Real T>
void PrimalDescent<T>::multiply_by_hessian(const double* x, double* product) const noexcept {
    const Samples<T> copied(scratch_.copies.restrict(samples_.problem()));
    const double s = samples_.problem().intercept_scaling;
    const double offset = copied.offset(x, s * x[n_features()]);
    std::copy_n(x, order(), product);
    SampleSum<T> sum(copied, product);
    const double weight = 2.0 * cost_ * static_cast<double>(total_.n_support) /
                          static_cast<double>(scratch_.copies.size());
    for (std::size_t i = 0; i < copied.n_rows(); ++i) {
        sum.add(weight * copied.product(i, x, offset), i);
    }
    for (std::size_t j = 0; j < copied.n_examples(); ++j) {
        if (solution_.example_dual[j] == 0.0) continue;
        const std::size_t i = copied.n_rows() + j;
        sum.add(2.0 * copied.cost(i) * copied.product(i, x, offset), i);
    }
    product[n_features()] += s * sum.finish();
}

/// Ends at the present point. The proof takes a pass over all rows.
template <Real T>
void PrimalDescent<T>::conclude() noexcept {
    begin_level(n_rows());
    ++passes_;
    pass(executor_);
}

template <Real T>
double PrimalDescent<T>::seconds_to_conclude() const noexcept {
    return 1.1 * seconds_per_row_ * static_cast<double>(n_rows());
}

template <Real T>
void PrimalDescent<T>::fill(SolveReport& report) noexcept {
    const std::size_t d = n_features();
    double rounding_square = 0.0;
    for (std::size_t c = 0; c < d; ++c) {
        const T rounded = static_cast<T>(point_[c]);
        const double rounding = point_[c] - static_cast<double>(rounded);
        rounding_square += rounding * rounding;
        solution_.weights.coef[c] = rounded;
    }
    solution_.weights.intercept = offset_;
    const double distance = gradient_norm_ + gradient_rounding();
    report.epochs = std::min(passes_, goal_.max_epochs);
    report.n_support = total_.n_support;
    report.violation = largest_norm_ * distance;
    report.primal = value_;
    report.gap = 0.5 * distance * distance + gap_of_costs(value_, 0.0);
    report.score_rounding_bound = score_rounding_;
    report.weights_error_bound = distance + std::sqrt(rounding_square);
}

/// Bound on the error of the gradient. A dual coefficient 2 C max(0, 1 - y f) errs by 2 C times the
/// rounding of f, and every addition of a row rounds the sum.
template <Real T>
double PrimalDescent<T>::gradient_rounding() const noexcept {
    double costs = cost_ * static_cast<double>(total_.n_read), duals = total_.dual;
    for (std::size_t j = 0; j < samples_.n_examples(); ++j) {
        costs += samples_.cost(n_rows() + j);
        duals += solution_.example_dual[j];
    }
    const auto additions =
        static_cast<double>(n_sampled_ / n_groups_ + n_groups_ + samples_.n_examples() + 8);
    return (largest_norm_ + std::sqrt(samples_.mean_square())) *
           (2.0 * costs * precise_rounding_ +
            std::numeric_limits<double>::epsilon() * additions * duals);
}

/// Upper bound on ||x~_i||.
template <Real T>
double PrimalDescent<T>::norm(std::size_t i) const noexcept {
    return std::sqrt(samples_.row_squared_norm(i));
}

/// Upper bound on the present score of a row, from the last pass that read it.
template <Real T>
double PrimalDescent<T>::highest_score(std::size_t i) const noexcept {
    return static_cast<double>(reach_[i]) + way_ * norm(i) + slack_;
}

template <Real T>
void PrimalDescent<T>::rank(const Candidates& candidates, TopK<T>& best) noexcept {
    // Rank the rows of the last pass first, then others whose bound reaches the threshold.
    std::size_t n_others = 0;
    for (std::size_t i = 0; i < n_rows(); ++i) {
        if (!candidates.contain(i)) continue;
        if (takes_part(i) && highest_score(i) > -1.0) {
            if (scores_[i] >= best.threshold()) best.offer(scores_[i], static_cast<RowNumber>(i));
        } else {
            collected()[n_others++] = static_cast<RowIndex>(i);
        }
    }
    const auto threshold = static_cast<double>(best.threshold());
    std::size_t n_collected = 0;
    for (std::size_t s = 0; s < n_others; ++s) {
        const RowIndex i = collected()[s];
        if (!(highest_score(i) < threshold)) collected()[n_collected++] = i;
    }
    score({collected(), n_collected});
    for (std::size_t s = 0; s < n_collected; ++s) {
        const RowIndex i = collected()[s];
        best.offer(scores_[i], static_cast<RowNumber>(i));
    }
}

template <Real T>
void PrimalDescent<T>::score_all() noexcept {
    std::size_t n_collected = 0;
    for (std::size_t i = 0; i < n_rows(); ++i) {
        if (takes_part(i) && highest_score(i) > -1.0) continue;
        collected()[n_collected++] = static_cast<RowIndex>(i);
    }
    score({collected(), n_collected});
}

template <Real T>
void PrimalDescent<T>::score(std::span<const RowIndex> rows) noexcept {
    const RowBlocks blocks(rows.size(), samples_.problem().rows.bytes_per_row());
    for_each_block(executor_, blocks,
                   [&](std::size_t begin, std::size_t end, std::size_t) noexcept {
                       for (const RowIndex i : rows.subspan(begin, end - begin)) {
                           scores_[i] = static_cast<T>(samples_.score(i, point_, offset_));
                       }
                   });
}

template struct PrimalScratch<float>;
template struct PrimalScratch<double>;
template class PrimalDescent<float>;
template class PrimalDescent<double>;

}  // namespace exemplar_svm
