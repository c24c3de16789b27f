#include "solve/gram_descent.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "exemplar_svm/profile.hpp"
#include "exemplar_svm/scan.hpp"

namespace exemplar_svm {
namespace {

// If this many epochs do not suffice, few rows support, and Newton steps on them are faster.
constexpr std::uint32_t most_epochs = 48;

}  // namespace

template <Real T>
GramScratch<T>::GramScratch(const RowsView<T>& rows, std::size_t max_examples)
    : active(rows.is_dense() ? std::min(rows.rows, max_gram_rows) : 0),
      products(active.size() * std::min(max_examples, ExampleBlock::capacity)),
      row_scores(active.size()) {}

template <Real T>
GramDescent<T>::GramDescent(const Samples<T>& samples, const SolverSettings& settings,
                            const GramMatrix<T>& gram, ExecutorRef executor, Solution<T>& solution,
                            PreparedExamples<T>& examples, GramScratch<T>& scratch, T* scores,
                            const StopCondition& stop) noexcept
    : samples_(samples),
      settings_(settings),
      gram_(gram),
      executor_(executor),
      solution_(solution),
      examples_(examples),
      scratch_(scratch),
      block_(examples.block()),
      scores_(scores),
      stop_(stop),
      kernels_(kernels::active_table<T>()),
      random_(settings.seed),
      penalty_(penalty(samples.problem().loss, samples.problem().cost)) {}

template <Real T>
Outcome GramDescent<T>::solve(Start from, const Goal& goal, SolveReport& report) noexcept {
    start(from);
    const double largest_norm =
        std::sqrt(samples_.problem().max_squared_norm + samples_.bias_square());
    const std::uint32_t limit = std::min(goal.max_epochs, most_epochs);
    // Changes are in T while violations are large. A refresh below this violation restarts them
    // from zero, so that rounding does not limit the last digits.
    double next_refresh = 1e-3;
    double tol = goal.tol, needed_gap = goal.gap;
    while (report.epochs < limit) {
        const EpochSummary seen = epoch();
        ++report.epochs;
        if (has_to_stop()) {
            refresh();
            verify(report);
            report.status = SolveStatus::deadline;
            return Outcome::stopped;
        }
        if (!std::isfinite(seen.gap)) break;
        const double violation = seen.violation();
        shrink_above_ = seen.highest > 0.0 ? seen.highest : std::numeric_limits<double>::infinity();
        shrink_below_ = seen.lowest < 0.0 ? seen.lowest : -std::numeric_limits<double>::infinity();
        if (violation <= tol && seen.gap <= needed_gap) {
            refresh();
            const double gap = verify(report);
            if (report.violation <= goal.tol && gap <= goal.gap) {
                report.status = SolveStatus::converged;
                // Weights in double precision do better than products of larger rounding.
                const double error = report.weights_error_bound * largest_norm;
                return error <= 10.0 * goal.tol ? Outcome::reached : Outcome::hand_over;
            }
            // A row was shrunk too early, or rounding had made the changes drift.
            tol *= 0.5;
            needed_gap *= 0.25;
            activate_all();
            shrink_above_ = std::numeric_limits<double>::infinity();
            shrink_below_ = -std::numeric_limits<double>::infinity();
        } else if (violation <= next_refresh) {
            refresh();
            next_refresh = 1e-3 * violation;
        }
    }
    for (std::size_t j = 0; j < block_.count(); ++j) {
        solution_.example_dual[j] = block_.dual(j);
    }
    return Outcome::hand_over;
}

template <Real T>
void GramDescent<T>::start(Start from) noexcept {
    if (from == Start::zeros) {
        std::fill_n(solution_.dual.begin(), n_rows(), 0.0);
        std::fill_n(solution_.example_dual.begin(), samples_.n_examples(), 0.0);
    }
    examples_.prepare(samples_, solution_.example_dual.data());
    for (std::size_t j = 0; j < block_.count(); ++j) {
        bias_[j] = samples_.label(n_rows() + j) * samples_.bias_square();
    }
    {
        const Stopwatch stopwatch(seconds_to_verify_);
        multiply_rows_by_examples();
    }
    // n <= 2 d, and the last refresh reads only the Gram rows of the support vectors.
    seconds_to_verify_ *= 0.5 / static_cast<double>(block_.count());
    for (std::size_t i = 0; i < n_rows(); ++i) {
        solution_.dual[i] = std::clamp(solution_.dual[i], 0.0, samples_.penalty(i).upper);
    }
    activate_all();
    refresh();
}

template <Real T>
void GramDescent<T>::activate_all() noexcept {
    n_active_ = 0;
    for (std::size_t i = 0; i < n_rows(); ++i) {
        if (samples_.cost(i) > 0.0) scratch_.active[n_active_++] = static_cast<RowIndex>(i);
    }
}

/// x_i . x_j for every row i and example j.
template <Real T>
void GramDescent<T>::multiply_rows_by_examples() noexcept {
    const std::size_t p = block_.count();
    double* const row_products = scratch_.row_scores.data();
    for (std::size_t j = 0; j < p; ++j) {
        const double mean_product = examples_.mean_product(j);
        multiply_rows(samples_.problem().rows, examples_.rows().row(j), executor_, row_products);
        for (std::size_t i = 0; i < n_rows(); ++i) {
            scratch_.products[i * p + j] = static_cast<T>(row_products[i] - mean_product);
        }
    }
}

template <Real T>
EpochSummary GramDescent<T>::epoch() noexcept {
    EpochSummary seen;
    RowIndex* const active = scratch_.active.data();
    permute(active, n_active_, random_);
    // Frequent enough to stop in time; rare enough that reading the clock costs nothing.
    constexpr std::size_t rows_per_look = 16;
    std::size_t since_look = 0;
    for (std::size_t s = 0; s < n_active_;) {
        if (visit(active[s], seen)) {
            ++s;
        } else {
            std::swap(active[s], active[--n_active_]);
        }
        if (++since_look == rows_per_look) {
            since_look = 0;
            if (has_to_stop()) break;
        }
    }
    flush();
    return seen;
}

/// One step of coordinate descent. Returns whether the row stays active.
template <Real T>
bool GramDescent<T>::visit(RowIndex i, EpochSummary& seen) noexcept {
    double& dual = solution_.dual[i];
    double k[ExampleBlock::capacity];
    products_with_bias(i, k);
    const T* const gram = gram_.row(i);
    double score = scratch_.row_scores[i] + static_cast<double>(scores_[i]) -
                   dual_sum_ * samples_.bias_square() + block_.score(k);
    for (std::size_t w = 0; w < n_waiting_; ++w) {
        score += static_cast<double>(changes_[w]) * static_cast<double>(gram[waiting_[w]]);
    }
    const double slack = 1.0 + score;
    const double gradient = penalty_.diagonal * dual - slack;
    if (settings_.shrinking && ((dual <= 0.0 && gradient > shrink_above_) ||
                                (dual >= penalty_.upper && gradient < shrink_below_))) {
        return false;
    }
    const double violation = projected(gradient, dual, penalty_.upper);
    seen.add(violation, gap_term(samples_.problem().loss, samples_.problem().cost,
                                 penalty_.diagonal, dual, slack));
    if (violation == 0.0) return true;

    const double curvature =
        (static_cast<double>(gram[i]) + samples_.bias_square()) * product_slack<T> +
        penalty_.diagonal;
    Coordinate coordinate{gradient, curvature, penalty_.diagonal,
                          -1.0,     -dual,     penalty_.upper - dual};
    const double step = block_.minimise(coordinate, k);
    dual = coordinate.settle(dual + step, penalty_.upper);
    dual_sum_ += step;
    waiting_[n_waiting_] = i;
    changes_[n_waiting_] = static_cast<T>(-step);
    if (++n_waiting_ == max_waiting) flush();
    return true;
}

/// Adds the waiting steps to the scores of all rows.
template <Real T>
void GramDescent<T>::flush() noexcept {
    const T* rows[max_waiting];
    for (std::size_t w = 0; w < n_waiting_; ++w) rows[w] = gram_.row(waiting_[w]);
    if (n_waiting_ == max_waiting) {
        kernels_.axpy_four(changes_, rows, scores_, n_rows());
    } else {
        for (std::size_t w = 0; w < n_waiting_; ++w) {
            kernels_.axpy(changes_[w], rows[w], scores_, n_rows());
        }
    }
    n_waiting_ = 0;
}

/// Recomputes the contribution of the prior and the rows to the scores in double precision, and
/// makes the examples optimal.
template <Real T>
void GramDescent<T>::refresh() noexcept {
    const std::size_t n = n_rows(), p = block_.count();
    double* const row_scores = scratch_.row_scores.data();
    std::fill_n(row_scores, n, 0.0);
    std::fill_n(scores_, n, T(0));
    double shares[ExampleBlock::capacity];
    for (std::size_t j = 0; j < p; ++j) shares[j] = samples_.share_in_mean(j);
    // w_0 . (x_i - m) with w_0 = prior * (mean of the positives, not centred)
    const double prior = samples_.problem().prior;
    for (std::size_t i = 0; prior > 0.0 && i < n; ++i) {
        double sum = 0.0;
        for (std::size_t j = 0; j < p; ++j) sum += shares[j] * static_cast<double>(products(i)[j]);
        sum += samples_.row_mean_product(i) - samples_.mean_square();
        row_scores[i] = prior * sum;
    }
    double duals[max_waiting];
    const T* rows[max_waiting];
    std::size_t n_rows_waiting = 0;
    double example_scores[ExampleBlock::capacity] = {};
    dual_sum_ = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
        const double dual = solution_.dual[i];
        if (dual == 0.0) continue;
        dual_sum_ += dual;
        for (std::size_t j = 0; j < p; ++j) {
            example_scores[j] -= dual * static_cast<double>(products(i)[j]);
        }
        duals[n_rows_waiting] = -dual;
        rows[n_rows_waiting] = gram_.row(i);
        if (++n_rows_waiting < max_waiting) continue;
        kernels_.axpy_wide_four(duals, rows, row_scores, n);
        n_rows_waiting = 0;
    }
    for (std::size_t r = 0; r < n_rows_waiting; ++r) {
        kernels_.axpy_wide(duals[r], rows[r], row_scores, n);
    }

    double gradients[ExampleBlock::capacity];
    const double* const prior_coef = examples_.prior().data();
    const double prior_offset = samples_.offset(prior_coef, 0.0);
    for (std::size_t j = 0; j < p; ++j) {
        example_scores[j] += samples_.product(n + j, prior_coef, prior_offset);
        example_scores[j] -= dual_sum_ * bias_[j];
        example_scores_[j] = example_scores[j];
        gradients[j] = example_scores[j] - 1.0 + block_.diagonal(j) * block_.dual(j);
        for (std::size_t l = 0; l < p; ++l) {
            gradients[j] += block_.gram_row(j)[l] * block_.dual(l);
        }
    }
    block_.optimise(gradients);
}

/// Measures all violations and the gap, and leaves the scores in scores_. Returns the gap without
/// its rounding bound.
template <Real T>
double GramDescent<T>::verify(SolveReport& report) noexcept {
    const std::size_t n = n_rows(), p = block_.count();
    const Problem<T>& problem = samples_.problem();
    double duals = dual_sum_;
    for (std::size_t j = 0; j < p; ++j) duals += block_.dual(j) + problem.prior;
    // A product errs by at most rounding() times both norms; sums are in double precision.
    double largest = problem.max_squared_norm;
    for (std::size_t j = 0; j < p; ++j) largest = std::max(largest, block_.gram_row(j)[j]);
    const double largest_norm = std::sqrt(largest) + std::sqrt(samples_.mean_square());
    const double square = largest_norm * largest_norm;
    const double bias_square = samples_.bias_square();
    const double underflow = static_cast<double>(samples_.n_features() + 2) *
                             static_cast<double>(std::numeric_limits<T>::denorm_min());
    const double rounding =
        duals * (GramMatrix<T>::rounding(samples_.n_features()) * square + underflow +
                 2.0 * largest_norm * problem.mean_error +
                 static_cast<double>(n + p) * std::numeric_limits<double>::epsilon() *
                     (square + bias_square));

    report.n_support = 0;
    double largest_score = 0.0;
    BlockSummary sums;
    const auto measure = [&](std::size_t i, double dual, double slack) noexcept {
        const double cost = samples_.cost(i);
        if (cost > 0.0)
            add_sample(sums, problem.loss, cost, samples_.penalty(i), dual, slack, rounding);
    };
    for (std::size_t i = 0; i < n; ++i) {
        double k[ExampleBlock::capacity];
        products_with_bias(i, k);
        const double dual = solution_.dual[i];
        const double score =
            scratch_.row_scores[i] - dual_sum_ * samples_.bias_square() + block_.score(k);
        measure(i, dual, 1.0 + score);
        report.n_support += dual > 0.0 ? 1 : 0;
        largest_score = std::max(largest_score, std::abs(score));
        scores_[i] = static_cast<T>(score);
    }
    for (std::size_t j = 0; j < p; ++j) {
        double score = example_scores_[j];
        for (std::size_t l = 0; l < p; ++l) score += block_.gram_row(j)[l] * block_.dual(l);
        measure(n + j, block_.dual(j), 1.0 - score);
        solution_.example_dual[j] = block_.dual(j);
    }
    // The scores are those of the dual coefficients' weights up to `rounding`. The costs, and hence
    // the bounds of the dual coefficients, are rounded a few times.
    constexpr double few = 16.0 * std::numeric_limits<double>::epsilon();
    const double drift = few * duals * std::sqrt(square + bias_square);
    const Proof proof = proof_of(sums, drift);
    report.violation = sums.violation;
    report.gap = proof.gap;
    report.weights_error_bound = proof.weights_error;
    report.score_rounding_bound =
        rounding + 0.5 * static_cast<double>(std::numeric_limits<T>::epsilon()) * largest_score +
        static_cast<double>(std::numeric_limits<T>::denorm_min());
    return sums.gap;
}

template struct GramScratch<float>;
template struct GramScratch<double>;
template class GramDescent<float>;
template class GramDescent<double>;

}  // namespace exemplar_svm
