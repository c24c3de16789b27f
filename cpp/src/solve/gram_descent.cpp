#include "solve/gram_descent.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "exemplar_svm/certificate.hpp"
#include "exemplar_svm/profile.hpp"
#include "exemplar_svm/scan.hpp"
#include "kernels/prefetch.hpp"
#include "problem/examples.hpp"

namespace exemplar_svm {
namespace {

// Where the first epochs do not end it, few rows support and a Newton step on them is better.
constexpr std::uint32_t most_epochs = 48;

}  // namespace

template <Real T>
GramScratch<T>::GramScratch(const RowsView<T>& rows, std::size_t max_examples)
    : active(rows.is_dense() ? std::min(rows.rows, max_gram_rows) : 0),
      products(active.size() * std::min(max_examples, ExampleBlock::capacity)),
      row_scores(active.size()) {}

template <Real T>
GramDescent<T>::GramDescent(const Problem<T>& problem, const SolverSettings& settings,
                            const GramMatrix<T>& gram, ExecutorRef executor, Solution<T>& solution,
                            PreparedExamples<T>& examples, GramScratch<T>& scratch, T* scores,
                            const StopCondition& stop) noexcept
    : problem_(problem),
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
      penalty_(penalty(problem.loss, problem.cost)),
      bias_square_(problem.intercept_scaling * problem.intercept_scaling) {}

template <Real T>
Outcome GramDescent<T>::solve(Start from, const Goal& goal, SolveReport& report) noexcept {
    start(from);
    const double largest_norm = std::sqrt(problem_.max_squared_norm + bias_square_);
    const double gap_tol = goal.gap(largest_norm);
    const std::uint32_t limit = std::min(goal.max_epochs, most_epochs);
    // float32 changes serve while violations are large; then they start again from zero, so that
    // the last digits are not spent on rounding.
    double next_refresh = 1e-3;
    double tol = goal.tol, needed_gap = gap_tol;
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
            if (report.violation <= goal.tol && gap <= gap_tol) {
                report.status = SolveStatus::converged;
                // Where the rounding of the products may leave more than this in the scores,
                // weights in double precision do better.
                return report.weights_error_bound * largest_norm <= 10.0 * goal.tol
                           ? Outcome::reached
                           : Outcome::hand_over;
            }
            // A row was left out too early, or the changes had drifted by rounding.
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
        std::fill_n(solution_.example_dual.begin(), problem_.examples.rows, 0.0);
    }
    examples_.prepare(problem_, solution_.example_dual.data());
    for (std::size_t j = 0; j < block_.count(); ++j) {
        bias_[j] = example_label(problem_, j) * bias_square_;
    }
    {
        const Stopwatch stopwatch(seconds_to_verify_);
        multiply_rows_by_examples();
    }
    // n <= 2 d, and the end reads the products of the support rows with all others only.
    seconds_to_verify_ *= 0.5 / static_cast<double>(block_.count());
    for (std::size_t i = 0; i < n_rows(); ++i) {
        double& dual = solution_.dual[i];
        dual = takes_part(i) ? std::clamp(dual, 0.0, penalty_.upper) : 0.0;
    }
    activate_all();
    refresh();
}

template <Real T>
void GramDescent<T>::activate_all() noexcept {
    n_active_ = 0;
    for (std::size_t i = 0; i < n_rows(); ++i) {
        if (takes_part(i)) scratch_.active[n_active_++] = static_cast<RowIndex>(i);
    }
}

/// x_i . x_j for every row i and example j.
template <Real T>
void GramDescent<T>::multiply_rows_by_examples() noexcept {
    const std::size_t p = block_.count(), d = problem_.rows.cols;
    double* const row_products = scratch_.row_scores.data();
    for (std::size_t j = 0; j < p; ++j) {
        const T* const example = examples_.rows().row(j);
        double constant = 0.0;
        if (problem_.mean != nullptr) constant -= kernels_.dot_wide(problem_.mean, example, d);
        multiply_rows(problem_.rows, example, executor_, row_products);
        for (std::size_t i = 0; i < n_rows(); ++i) {
            scratch_.products[i * p + j] = static_cast<T>(row_products[i] + constant);
        }
    }
}

template <Real T>
EpochSummary GramDescent<T>::epoch() noexcept {
    EpochSummary seen;
    RowIndex* const active = scratch_.active.data();
    permute(active, n_active_, random_);
    // Often enough to stop in time, and seldom enough for reading a clock not to matter.
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
                   dual_sum_ * bias_square_ + block_.score(k);
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
    seen.add(violation, gap_term(problem_.loss, problem_.cost, penalty_.diagonal, dual, slack));
    if (violation == 0.0) return true;

    const double curvature =
        (static_cast<double>(gram[i]) + bias_square_) * product_slack<T> + penalty_.diagonal;
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

/// Brings the waiting steps into the scores of all rows.
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

/// Recomputes what the scores owe to the prior and the rows, in double precision, and makes the
/// examples optimal for it.
template <Real T>
void GramDescent<T>::refresh() noexcept {
    const std::size_t n = n_rows(), p = block_.count();
    double* const row_scores = scratch_.row_scores.data();
    std::fill_n(row_scores, n, 0.0);
    std::fill_n(scores_, n, T(0));
    double mean_square = 0.0;
    for (std::size_t c = 0; problem_.mean != nullptr && c < problem_.rows.cols; ++c) {
        mean_square += problem_.mean[c] * problem_.mean[c];
    }
    double shares[ExampleBlock::capacity];
    for (std::size_t j = 0; j < p; ++j) shares[j] = share_in_mean(problem_, j);
    // w_0 . (x_i - m) with w_0 = prior * (mean of the positives as they were given)
    for (std::size_t i = 0; problem_.prior > 0.0 && i < n; ++i) {
        double sum = 0.0;
        for (std::size_t j = 0; j < p; ++j) sum += shares[j] * static_cast<double>(products(i)[j]);
        if (problem_.mean != nullptr) {
            sum += static_cast<double>(problem_.mean_products[i]) - mean_square;
        }
        row_scores[i] = problem_.prior * sum;
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
    const double prior_mean_product = mean_product(problem_, examples_.prior().data());
    for (std::size_t j = 0; j < p; ++j) {
        example_scores[j] +=
            example_product(problem_, j, examples_.prior().data(), prior_mean_product);
        example_scores[j] -= dual_sum_ * bias_[j];
        example_scores_[j] = example_scores[j];
        gradients[j] = example_scores[j] - 1.0 + block_.diagonal(j) * block_.dual(j);
        for (std::size_t l = 0; l < p; ++l) {
            gradients[j] += block_.gram_row(j)[l] * block_.dual(l);
        }
    }
    block_.optimise(gradients);
}

/// Measures all optimality conditions and the gap, and leaves the scores in scores_. Returns the
/// gap before roundings are added to it.
template <Real T>
double GramDescent<T>::verify(SolveReport& report) noexcept {
    const std::size_t n = n_rows(), p = block_.count();
    double duals = dual_sum_;
    for (std::size_t j = 0; j < p; ++j) duals += block_.dual(j) + problem_.prior;
    // Every product errs by at most rounding * (the norms); sums are in double precision.
    double largest = problem_.max_squared_norm, mean_square = 0.0;
    for (std::size_t j = 0; j < p; ++j) largest = std::max(largest, block_.gram_row(j)[j]);
    for (std::size_t c = 0; problem_.mean != nullptr && c < problem_.rows.cols; ++c) {
        mean_square += problem_.mean[c] * problem_.mean[c];
    }
    const double largest_norm = std::sqrt(largest) + std::sqrt(mean_square);
    const double square = largest_norm * largest_norm;
    const double underflow = static_cast<double>(problem_.rows.cols + 2) *
                             static_cast<double>(std::numeric_limits<T>::denorm_min());
    const double rounding =
        duals * (GramMatrix<T>::rounding(problem_.rows.cols) * square + underflow +
                 2.0 * largest_norm * problem_.mean_error +
                 static_cast<double>(n + p) * std::numeric_limits<double>::epsilon() *
                     (square + bias_square_));

    report.n_support = 0;
    double largest_score = 0.0;
    BlockSummary sums;
    const auto measure = [&](double cost, Penalty bounds, double dual, double slack) noexcept {
        add_sample(sums, problem_.loss, cost, bounds, dual, slack, rounding);
    };
    for (std::size_t i = 0; i < n; ++i) {
        double k[ExampleBlock::capacity];
        products_with_bias(i, k);
        const double dual = solution_.dual[i];
        const double score = scratch_.row_scores[i] - dual_sum_ * bias_square_ + block_.score(k);
        if (takes_part(i)) measure(problem_.cost, penalty_, dual, 1.0 + score);
        report.n_support += dual > 0.0 ? 1 : 0;
        largest_score = std::max(largest_score, std::abs(score));
        scores_[i] = static_cast<T>(score);
    }
    for (std::size_t j = 0; j < p; ++j) {
        double score = example_scores_[j];
        for (std::size_t l = 0; l < p; ++l) score += block_.gram_row(j)[l] * block_.dual(l);
        const double cost = example_cost(problem_, j);
        measure(cost, penalty(problem_.loss, cost), block_.dual(j), 1.0 - score);
        solution_.example_dual[j] = block_.dual(j);
    }
    // The scores are those of the dual coefficients' weights but for `rounding`; costs, and with
    // them the bounds of the coefficients, are rounded a few times.
    constexpr double few = 16.0 * std::numeric_limits<double>::epsilon();
    const double drift = few * duals * std::sqrt(square + bias_square_);
    report.violation = sums.violation;
    const double terms = gap_at_most(sums);
    report.gap = terms + 0.5 * drift * drift + gap_of_costs(sums.loss, terms);
    report.weights_error_bound = weights_error_from_gap(terms) + drift;
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
