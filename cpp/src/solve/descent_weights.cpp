#include "solve/descent_weights.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "exemplar_svm/scan.hpp"

namespace exemplar_svm {
namespace {

constexpr double epsilon = std::numeric_limits<double>::epsilon();

double norm_of(const double* x, std::size_t n) noexcept {
    return std::sqrt(kernels::active_table<double>().dot(x, x, n));
}

}  // namespace

template <Real T>
DescentWeights<T>::DescentWeights(const Samples<T>& samples, PreparedExamples<T>& examples,
                                  Solution<T>& solution, T* coef, double* wide, double* other,
                                  T* scores) noexcept
    : samples_(samples),
      examples_(examples),
      block_(examples.block()),
      solution_(solution),
      kernels_(kernels::active_table<T>()),
      coef_(coef),
      wide_(wide),
      other_(other),
      scores_(scores),
      largest_norm_(std::sqrt(samples.problem().max_squared_norm + samples.bias_square())),
      mean_norm_(std::sqrt(samples.mean_square())),
      prior_norm_(norm_of(examples.prior().data(), samples.n_features())) {}

template <Real T>
double DescentWeights<T>::drift_beyond_rounding() const noexcept {
    return std::max(drift_ - 2.0 * sum_rounding_, 0.0);
}

template <Real T>
double DescentWeights<T>::precise_rounding(std::size_t i) const noexcept {
    constexpr double few = 1.0 + 1e-12;
    const double norm = std::sqrt(samples_.squared_norm(i)) * few;
    return precise_rounding_ + precise_rounding_per_norm_ * std::max(norm - largest_norm_, 0.0);
}

/// The rounding of a score in T, plus that of the dual coefficients in double precision. The rows'
/// coefficients sum to about as much as the examples'.
template <Real T>
double DescentWeights<T>::resolution() const noexcept {
    const std::size_t d = samples_.n_features();
    const double norm = are_refining_
                            ? norm_of(wide_, d)
                            : std::sqrt(static_cast<double>(kernels_.dot(coef_, coef_, d)));
    double example_duals = 0.0;
    for (std::size_t j = 0; j < samples_.n_examples(); ++j) example_duals += example_dual(j);
    const double score = norm * (largest_norm_ + mean_norm_) + std::abs(intercept_) + 1.0;
    return static_cast<double>(std::numeric_limits<T>::epsilon()) * score +
           epsilon * example_duals * largest_norm_ * largest_norm_;
}

template <Real T>
double DescentWeights<T>::half_square() const noexcept {
    const double bias_square = samples_.bias_square();
    double square = bias_square > 0.0 ? intercept_ * intercept_ / bias_square : 0.0;
    for (std::size_t c = 0; c < samples_.n_features(); ++c) {
        const double difference = wide_[c] - examples_.prior()[c];
        square += difference * difference;
    }
    return 0.5 * square;
}

template <Real T>
void DescentWeights<T>::set_dual(std::size_t i, double dual) noexcept {
    if (samples_.is_row(i)) {
        solution_.dual[i] = dual;
    } else if (eliminates()) {
        block_.set_outside(i - samples_.n_rows(), dual);
    } else {
        solution_.example_dual[i - samples_.n_rows()] = dual;
    }
}

template <Real T>
void DescentWeights<T>::refresh(std::span<const RowIndex> active) noexcept {
    round(optimise_examples(sum_samples(wide_)));
    if (are_refining_) rebase(active);
}

/// Starts to refine: coef becomes the change from the refreshed weights.
template <Real T>
void DescentWeights<T>::rebase(std::span<const RowIndex> active) noexcept {
    for (const RowIndex i : active) {
        scores_[i] = static_cast<T>(samples_.problem().rows.dot_wide(i, wide_));
    }
    std::fill_n(coef_, samples_.n_features(), T(0));
    refreshed_offset_ = offset_;
    are_fresh_ = false;
}

template <Real T>
void DescentWeights<T>::level(std::span<const RowIndex> rows, const T* products) noexcept {
    const std::size_t p = samples_.n_examples(), d = samples_.n_features();
    const auto& kernels = kernels::active_table<double>();
    double sums[ExampleBlock::capacity] = {};  // of the products
    for (const RowIndex i : rows) {
        solution_.dual[i] = 1.0;
        for (std::size_t j = 0; j < p; ++j) sums[j] += static_cast<double>(products[i * p + j]);
    }
    // One sum of the rows serves the curvature of the common coordinate and the weights.
    const double* const prior = examples_.prior().data();
    double* const rows_sum = other_;
    sum_samples(wide_);
    std::copy_n(wide_, d, rows_sum);
    kernels.axpy(-1.0, prior, rows_sum, d);
    std::copy_n(prior, d, wide_);
    double sum = optimise_examples(0.0);

    const auto n = static_cast<double>(rows.size());
    const Penalty bounds = samples_.common_penalty();
    const double diagonal = n * bounds.diagonal;
    Coordinate together{
        -n - block_.score(sums),
        kernels.dot(rows_sum, rows_sum, d) + n * n * samples_.bias_square() + diagonal,
        diagonal,
        -1.0,
        0.0,
        bounds.upper};
    const double dual = std::clamp(block_.minimise(together, sums), 0.0, bounds.upper);
    for (const RowIndex i : rows) solution_.dual[i] = dual;
    kernels.axpy(dual, rows_sum, wide_, d);
    SampleSum<T> changes(samples_, wide_);
    for (std::size_t j = 0; j < p; ++j) changes.add(block_.pending(j), samples_.n_rows() + j);
    sum -= dual * n;
    round(optimise_examples(sum + changes.finish()));
}

/// Computes the weights of the dual coefficients; returns sum a_i y_i.
template <Real T>
double DescentWeights<T>::sum_samples(double* weights) noexcept {
    std::copy_n(examples_.prior().data(), samples_.n_features(), weights);
    double norms = 0.0;  // bound on sum a (||x|| + ||mean||)
    std::size_t n_added = 0;
    SampleSum<T> samples_sum(samples_, weights);
    const auto add = [&](std::size_t i, double dual) noexcept {
        samples_sum.add(dual, i);
        norms += dual * (std::sqrt(samples_.squared_norm(i)) + 2.0 * mean_norm_);
        ++n_added;
    };
    for (std::size_t i = 0; i < samples_.n_rows(); ++i) {
        if (solution_.dual[i] != 0.0) add(i, solution_.dual[i]);
    }
    for (std::size_t j = 0; j < samples_.n_examples(); ++j) {
        add(samples_.n_rows() + j, example_dual(j));
    }
    const double sum = samples_sum.finish();
    // Each addition rounds the sum so far. Costs are also rounded a few times: with exact costs,
    // dual coefficients changed by the same relative amount have the same terms of the gap.
    const auto roundings = static_cast<double>(n_added + samples_.n_examples() + 16);
    sum_rounding_ =
        roundings * epsilon * (norms + prior_norm_) + samples_.problem().mean_error * std::abs(sum);
    drift_ = sum_rounding_;
    return sum;
}

/// Makes the eliminated examples optimal, and adds their changes to the weights.
/// @param sum  sum a_i y_i before
/// @returns sum a_i y_i afterwards
template <Real T>
double DescentWeights<T>::optimise_examples(double sum) noexcept {
    const std::size_t n = samples_.n_rows(), p = block_.count();
    if (p == 0) return sum;
    double before[ExampleBlock::capacity], gradients[ExampleBlock::capacity];
    const double offset = samples_.offset(wide_, sum * samples_.bias_square());
    for (std::size_t j = 0; j < p; ++j) {
        before[j] = block_.dual(j);
        gradients[j] =
            samples_.product(n + j, wide_, offset) - 1.0 + block_.diagonal(j) * before[j];
    }
    block_.optimise(gradients);
    block_.fold();
    SampleSum<T> changes(samples_, wide_);
    for (std::size_t j = 0; j < p; ++j) changes.add(block_.dual(j) - before[j], n + j);
    return sum + changes.finish();
}

template <Real T>
void DescentWeights<T>::adopt(const double* weights, double bias) noexcept {
    const std::size_t d = samples_.n_features();
    const double s = samples_.problem().intercept_scaling;
    const double sum = s > 0.0 ? bias / s : 0.0;
    double* const own = other_;  // of the dual coefficients
    const double change = sum - sum_samples(own);
    double square = change * change * samples_.bias_square();
    for (std::size_t c = 0; c < d; ++c) {
        const double difference = weights[c] - own[c];
        square += difference * difference;
    }
    drift_ += std::sqrt(square);
    if (weights != wide_) std::copy_n(weights, d, wide_);
    round(sum);
}

template <Real T>
void DescentWeights<T>::adopt_changes() noexcept {
    for (std::size_t c = 0; c < samples_.n_features(); ++c) {
        double w = static_cast<double>(coef_[c]);
        if (are_refining_) w += wide_[c];
        wide_[c] = static_cast<double>(static_cast<T>(w));
    }
    are_refining_ = false;
    const double s = samples_.problem().intercept_scaling;
    adopt(wide_, s > 0.0 ? intercept_ / s : 0.0);
}

/// Rounds the weights in wide_ to T, and bounds the rounding of scores.
/// @param sum  sum a_i y_i
template <Real T>
void DescentWeights<T>::round(double sum) noexcept {
    const std::size_t d = samples_.n_features();
    Weights<T>& rounded = solution_.weights;
    intercept_ = sum * samples_.bias_square();
    shift_ = 0.0;
    offset_ = samples_.offset(wide_, 0.0);
    double rounding_square = 0.0;
    for (std::size_t c = 0; c < d; ++c) {
        coef_[c] = rounded.coef[c] = static_cast<T>(wide_[c]);
        const double rounding = wide_[c] - static_cast<double>(coef_[c]);
        rounding_square += rounding * rounding;
    }
    rounded.intercept = intercept_ + offset_;
    coef_rounding_ = std::sqrt(rounding_square);
    const double raw_norm = largest_norm_ + mean_norm_;
    const double norm = norm_of(wide_, d) + coef_rounding_;
    // Products of tiny values underflow. The mean's part of a score is rounded once per feature.
    const double underflow =
        static_cast<double>(d + 2) * static_cast<double>(std::numeric_limits<T>::denorm_min());
    const double offset_rounding =
        static_cast<double>(d + 4) * 0.5 * epsilon * (norm * mean_norm_ + std::abs(intercept_)) +
        norm * samples_.problem().mean_error + underflow;
    const RowsView<T>& rows = samples_.problem().rows;
    score_rounding_ = score_rounding_bound<T>(rows, norm * raw_norm, rounded.intercept) +
                      coef_rounding_ * raw_norm + offset_rounding;
    precise_rounding_per_norm_ = score_rounding_bound<double>(rows) * norm;
    precise_rounding_ = precise_rounding_per_norm_ * raw_norm +
                        epsilon * std::abs(rounded.intercept) + offset_rounding;
    are_fresh_ = true;
}

template <Real T>
void DescentWeights<T>::leave_weights() noexcept {
    std::copy_n(coef_, samples_.n_features(), solution_.weights.coef.begin());
    solution_.weights.intercept = intercept_ + offset_;
}

template <Real T>
void DescentWeights<T>::leave_example_duals() noexcept {
    for (std::size_t j = 0; j < block_.count(); ++j) solution_.example_dual[j] = block_.dual(j);
}

template <Real T>
void DescentWeights<T>::take_example_duals() noexcept {
    for (std::size_t j = 0; j < block_.count(); ++j) {
        block_.set_outside(j, solution_.example_dual[j]);
    }
    block_.fold();
}

template <Real T>
double DescentWeights<T>::example_product(std::size_t j) const noexcept {
    const double shift = examples_.shift(j);
    const double product = static_cast<double>(examples_.rows().dot(j, coef_)) +
                           samples_.label(samples_.n_rows() + j) * intercept_ + shift * offset_ -
                           shift_ * examples_.mean_product(j);
    return are_refining_ ? product + examples_.rows().dot_wide(j, wide_) : product;
}

template <Real T>
void DescentWeights<T>::add_example(std::size_t j, double step) noexcept {
    const double shift = examples_.shift(j);
    examples_.rows().axpy(static_cast<T>(step), j, coef_);
    intercept_ += samples_.label(samples_.n_rows() + j) * step * samples_.bias_square();
    shift_ += step * shift;
    offset_ += step * (shift * samples_.mean_square() - examples_.mean_product(j));
}

template <Real T>
void DescentWeights<T>::fold() noexcept {
    for (std::size_t j = 0; j < block_.count(); ++j) {
        const double change = block_.pending(j);
        if (change == 0.0) continue;
        examples_.rows().axpy(static_cast<T>(change), j, coef_);
        shift_ += change * examples_.shift(j);
        intercept_ += samples_.label(samples_.n_rows() + j) * change * samples_.bias_square();
    }
    block_.fold();
    offset_ = (are_refining_ ? refreshed_offset_ : 0.0) - samples_.centre(shift_, coef_);
    shift_ = 0.0;
}

template class DescentWeights<float>;
template class DescentWeights<double>;

}  // namespace exemplar_svm
