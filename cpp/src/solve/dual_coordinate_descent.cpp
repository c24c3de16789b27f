#include "solve/dual_coordinate_descent.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <type_traits>
#include <utility>

#include "exemplar_svm/certificate.hpp"
#include "exemplar_svm/profile.hpp"
#include "exemplar_svm/scan.hpp"
#include "kernels/dispatch.hpp"
#include "problem/examples.hpp"
#include "rows/row_sum.hpp"
#include "solve/box_quadratic.hpp"
#include "solve/conjugate_gradients.hpp"
#include "solve/primal_newton.hpp"

namespace exemplar_svm {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

std::size_t polish_size(std::size_t n_rows, std::size_t max_examples) noexcept {
    return std::min(n_rows + max_examples, max_polished);
}

}  // namespace

template <Real T>
DescentScratch<T>::DescentScratch(const RowsView<T>& view, std::size_t max_blocks,
                                  std::size_t max_examples, std::size_t max_example_entries)
    : examples(view, max_examples, max_example_entries),
      active(view.rows),
      marks(view.is_dense() ? 0 : view.rows),
      sorted(marks.size()),
      products(view.rows * std::min(max_examples, ExampleBlock::capacity)),
      coef(view.cols),
      wide_coef(view.cols),
      wide_row(view.cols),
      rows((view.is_dense() ? 4 : 1) * view.cols),
      polish(polish_size(view.rows, max_examples) * (polish_size(view.rows, max_examples) + 8)),
      polish_rows(2 * polish_size(view.rows, max_examples)),
      summaries(max_blocks),
      newton(view.rows, view.cols, max_examples),
      joint(std::make_unique_for_overwrite<double[]>(
          view.is_dense() ? 0 : ConjugateGradients<T>::scratch_size(view.rows, view.cols))) {}

template <Real T>
Outcome DualCoordinateDescent<T>::finish(const Goal& goal, SolveReport& report) noexcept {
    goal_ = goal;
    const Outcome outcome = solve_in_rounds(report);
    report.status = status_of(outcome);
    keep_example_duals();
    return outcome;
}

template <Real T>
Outcome DualCoordinateDescent<T>::solve_in_rounds(SolveReport& report) noexcept {
    Goal goal = goal_;           // of a round
    constexpr int patience = 2;  // rounds that do not halve the lowest violation
    // Scores that are proven no better than this are worth Newton steps. The hinge's bound falls
    // with the root of its rounding, whatever tol is.
    const double poor_proof = 30.0 * std::max(goal_.tol, 1e-4);
    double lowest_violation = infinity, previous_gap = infinity;
    int fruitless = 0;
    bool needs_newton = false, has_resumed = false;
    for (;;) {
        const bool is_last = needs_newton;
        const Outcome descent = is_last ? solve_together(goal_) : descend(goal);
        if (descent == Outcome::stopped) {
            report = conclude();
            return Outcome::stopped;
        }
        refining_ = false;
        if (!is_fresh_) refresh();
        const BlockSummary verified = verify();
        fill(report, verified);

        // Weights that differ from those of the coefficients by more than rounding are not optimal.
        const double drift = std::max(drift_ - 2.0 * sum_rounding_, 0.0) * largest_norm_;
        const bool within_tol = std::max(verified.violation, drift) <= goal_.tol;
        const double error = weights_error_from_gap(verified.gap) * largest_norm_;
        const bool proven = verified.gap <= goal_.gap;
        fruitless = verified.violation < 0.5 * lowest_violation ? 0 : fruitless + 1;
        lowest_violation = std::min(lowest_violation, verified.violation);
        const bool exhausted = descent != Outcome::reached || fruitless >= patience ||
                               verified.gap > 0.5 * previous_gap;
        // Newton's method solves for the weights; where hardly anything is left to do, epochs bring
        // the coefficients closer still.
        constexpr double nearly_solved = 1e-6;
        if (is_exhausted_ && !within_tol && !has_resumed &&
            std::max(verified.violation, drift) <= nearly_solved) {
            has_resumed = true;
            needs_newton = is_exhausted_ = false;
            refresh();
            activate_violators(verified.violation);
            continue;
        }
        const bool ends = is_last || is_exhausted_;
        const bool at_resolution =
            ends || (fruitless >= patience && verified.violation <= 1e3 * resolution());
        needs_newton = !ends && error > poor_proof && (within_tol ? exhausted : at_resolution) &&
                       can_solve_together();
        if (needs_newton) continue;
        if (within_tol && (proven || exhausted)) return Outcome::reached;
        if (descent == Outcome::limit) return Outcome::limit;
        if (at_resolution) return Outcome::exhausted;
        previous_gap = verified.gap;
        if (fruitless >= patience)
            shrinking_ = false;  // rows are shrunk too early, again and again
        // A row was shrunk too early, or the descent's weights had drifted by rounding.
        goal.tol *= 0.5;
        goal.gap *= 0.25;
        activate_violators(verified.violation);
    }
}

template <Real T>
void DualCoordinateDescent<T>::fill(SolveReport& report,
                                    const BlockSummary& verified) const noexcept {
    double square = bias_square_ > 0.0 ? intercept_ * intercept_ / bias_square_ : 0.0;
    for (std::size_t c = 0; c < n_features(); ++c) {
        const double difference = scratch_.wide_coef[c] - scratch_.examples.prior()[c];
        square += difference * difference;
    }
    report.epochs = epochs_;
    report.n_support = verified.n_support;
    report.violation = verified.violation;
    report.primal = 0.5 * square + verified.loss;
    const double terms = gap_at_most(verified);
    report.gap = terms + 0.5 * drift_ * drift_ + gap_of_costs(verified.loss, terms);
    report.score_rounding_bound = score_rounding_;
    report.weights_error_bound = weights_error_from_gap(terms) + drift_ + coef_rounding_;
}

template <Real T>
void DualCoordinateDescent<T>::start(Start from) noexcept {
    largest_norm_ = std::sqrt(problem_.max_squared_norm + bias_square_);
    if (problem_.mean != nullptr) {
        mean_square_ =
            std::inner_product(problem_.mean, problem_.mean + n_features(), problem_.mean, 0.0);
    }

    if (from == Start::zeros) {
        std::fill_n(solution_.example_dual.begin(), n_examples(), 0.0);
    }
    scratch_.examples.prepare(problem_, solution_.example_dual.data());
    examples_ = scratch_.examples.rows();
    prior_norm_ = std::sqrt(std::inner_product(scratch_.examples.prior().begin(),
                                               scratch_.examples.prior().end(),
                                               scratch_.examples.prior().begin(), 0.0));
    add_rows(0, from);
    if (from == Start::zeros && begins_level()) return level_rows();
    refresh();
}

/// Gives all rows the same dual coefficient: the best one, the block following, as of a coordinate
/// whose sample is the sum of the rows. From zero the first rows to be visited would take over what
/// is all rows' part in the intercept, and two epochs would be spent on giving it back.
template <Real T>
void DualCoordinateDescent<T>::level_rows() noexcept {
    const std::size_t p = n_examples(), d = n_features();
    const auto& kernels = kernels::active_table<double>();
    double products[ExampleBlock::capacity] = {};
    for (std::size_t s = 0; s < n_active_; ++s) {
        const RowIndex i = scratch_.active[s];
        solution_.dual[i] = 1.0;
        const T* const k = scratch_.products.data() + i * p;
        for (std::size_t j = 0; j < p; ++j) products[j] += static_cast<double>(k[j]);
    }
    // The rows are added up once, for the curvature of that coordinate and for the weights.
    double* const wide = scratch_.wide_coef.data();
    double* const rows_sum = scratch_.wide_row.data();
    sum_weights(wide);
    std::copy_n(wide, d, rows_sum);
    kernels.axpy(-1.0, scratch_.examples.prior().data(), rows_sum, d);
    std::copy_n(scratch_.examples.prior().data(), d, wide);
    double sum = optimise_examples(0.0);

    const auto n = static_cast<double>(n_active_);
    const double diagonal = n * penalty_.diagonal;
    Coordinate rows{-n - block_.score(products),
                    kernels.dot(rows_sum, rows_sum, d) + n * n * bias_square_ + diagonal,
                    diagonal,
                    -1.0,
                    0.0,
                    penalty_.upper};
    const double dual = std::clamp(block_.minimise(rows, products), 0.0, penalty_.upper);
    for (std::size_t s = 0; s < n_active_; ++s) solution_.dual[scratch_.active[s]] = dual;
    kernels.axpy(dual, rows_sum, wide, d);
    sum -= dual * n;
    double labels = 0.0;
    for (std::size_t j = 0; j < p; ++j) {
        const double change = block_.pending(j);
        if (change != 0.0) add_raw_example(problem_, j, change, wide);
        labels += example_label(j) * change;
    }
    subtract_mean(problem_, labels, wide);
    round_weights(optimise_examples(sum + labels));
    is_level_ = true;
}

/// Active rows off zero.
template <Real T>
std::size_t DualCoordinateDescent<T>::count_inside() const noexcept {
    const RowIndex* const active = scratch_.active.data();
    return static_cast<std::size_t>(std::count_if(
        active, active + n_active_, [&](RowIndex i) { return solution_.dual[i] > 0.0; }));
}

/// Whether nearly all active rows of a sample violate the margin under the refreshed weights.
template <Real T>
bool DualCoordinateDescent<T>::support_all() const noexcept {
    const std::size_t n_sampled = std::min<std::size_t>(n_active_, 512);
    std::size_t n_support = 0;
    for (std::size_t s = 0; s < n_sampled; ++s) {
        const double score = precise_score(scratch_.active[s * n_active_ / n_sampled]);
        n_support += score > -1.0 ? 1 : 0;
    }
    return n_sampled > 0 && 32 * n_support >= 31 * n_sampled;
}

template <Real T>
void DualCoordinateDescent<T>::approach(double tol) noexcept {
    // Where so many are not enough, the rows that are missing matter more.
    constexpr std::uint32_t most_epochs = 64;
    descend({tol, infinity, std::min(goal_.max_epochs, epochs_ + most_epochs)});
    if (refining_) {
        refining_ = false;
        refresh();
    }
    solution_.weights.coef = scratch_.coef;
    solution_.weights.intercept = intercept_ + offset_;
}

template <Real T>
void DualCoordinateDescent<T>::extend(const Problem<T>& problem) noexcept {
    const std::size_t n_before = n_rows();
    problem_ = problem;
    blocks_ = row_blocks(problem_.rows);
    add_rows(n_before, Start::zeros);
}

/// Takes in the rows from `begin` on.
template <Real T>
void DualCoordinateDescent<T>::add_rows(std::size_t begin, Start from) noexcept {
    RowIndex* const active = scratch_.active.data();
    for (std::size_t i = begin; i < n_rows(); ++i) {
        const Penalty bounds = row_penalty(i);
        const double initial = from == Start::zeros ? 0.0 : solution_.dual[i];
        solution_.dual[i] = initial > 0.0 ? std::min(initial, bounds.upper) : 0.0;
        active[i] = static_cast<RowIndex>(i);
        if (bounds.upper > 0.0) std::swap(active[n_active_++], active[i]);
    }
    if (eliminates()) {
        multiply_rows_by_examples(begin);
    } else {
        // Nothing has told how fast the rows are read: three times from memory at 10 GB/s.
        constexpr double seconds_per_byte = 3e-10;
        seconds_to_conclude_ +=
            seconds_per_byte *
            static_cast<double>((n_rows() - begin) * problem_.rows.bytes_per_row());
    }
}

/// k_ij = x~_i . x~_j for every row i from `first` on and example j: one scan of these rows. It
/// tells how long conclude() will take, which scans them once and then adds up those that support
/// in double precision, at about twice the price.
template <Real T>
void DualCoordinateDescent<T>::multiply_rows_by_examples(std::size_t first) noexcept {
    const std::size_t p = n_examples();
    double seconds = 0.0;
    std::optional<Stopwatch> stopwatch(std::in_place, seconds);
    double constant[ExampleBlock::capacity];
    for (std::size_t j = 0; j < p; ++j) {
        constant[j] = example_label(j) * bias_square_ - scratch_.examples.mean_product(j) +
                      example_shift(j) * mean_square_;
    }
    const RowsView<T> rows = problem_.rows.from(first);
    T* const scratch = scores_ + first;
    T* const products = scratch_.products.data() + first * p;
    // A sparse example is spread out to be multiplied with, one at a time.
    const std::size_t at_once = examples_.is_dense() ? p : 1;
    for (std::size_t from = 0; from < p; from += at_once) {
        const T* const spread = examples_.read(from, scratch_.rows.data());
        for_each_block(
            executor_, row_blocks(rows),
            [&](std::size_t begin, std::size_t end, std::size_t) noexcept {
                for (std::size_t j = from; j < from + at_once; ++j) {
                    const T* const x = j == from ? spread : examples_.row(j);
                    score_block(rows, begin, end, WeightsView<T>{x, constant[j]}, scratch + begin);
                    const double shift = example_shift(j);
                    for (std::size_t i = begin; i < end; ++i) {
                        products[i * p + j] = scratch[i];
                        if (shift != 0.0) {
                            products[i * p + j] -=
                                static_cast<T>(shift) * problem_.mean_products[first + i];
                        }
                    }
                }
            });
    }
    stopwatch.reset();
    seconds_to_conclude_ += 3.0 * seconds / static_cast<double>(p);
}

/// Epochs over the active rows until their violations are within tol and prove the scores to within
/// score_tol, or until nothing improves any more.
template <Real T>
Outcome DualCoordinateDescent<T>::descend(const Goal& goal) noexcept {
    // Every step rounds the weights in the arithmetic of T, and what adds up exceeds the rounding
    // of a score. So the last epochs work on the change from weights in double precision: what is
    // small is rounded by little.
    constexpr std::uint32_t unrefined_epochs = 16;
    // Where epochs make slow progress the problem is ill-conditioned: C ||x||^2 is large, and so
    // few rows support that solving for them directly is cheap. It costs as much as about half as
    // many epochs as there are such rows, so it is tried whenever that many have been spent.
    constexpr std::size_t polish_interval = 10;
    // Epochs without a new lowest violation: close to what the arithmetic can resolve; and where
    // the violations are small enough and only the proof of the scores is not.
    constexpr int patience = 3, patience_within_tol = 8;

    is_exhausted_ = false;
    const double tol = goal.tol, gap_tol = goal.gap;
    std::uint32_t since_polish = 0, since_start = 0;
    // Epochs to wait for the next step on many sparse rows: longer after each that gave up.
    std::uint32_t joint_wait = 0, since_joint = 0;
    const bool was_level = std::exchange(is_level_, false);
    std::size_t n_inside = was_level ? 0 : count_inside();
    double lowest = infinity;
    int without_progress = 0;
    if (was_level && suits_joint_steps() && support_all()) {
        ++epochs_;  // so that no round comes for nothing
        const Outcome stepped = solve_jointly(goal);
        if (stepped != Outcome::hand_over) return stepped;
    }
    while (epochs_ < goal.max_epochs) {
        const EpochSummary seen = epoch();
        ++epochs_;
        fold();
        if (has_to_conclude()) return Outcome::stopped;
        const double violation = seen.violation();
        const bool diverges = !std::isfinite(seen.gap) || violation > 1e6 * lowest;
        if (diverges || ++since_newton_ >= epochs_before_newton(seen.n_inside)) {
            const Outcome solved = solve_together(goal);
            if (solved != Outcome::cannot) return solved;
        }
        shrink_above_ = seen.highest > 0.0 ? seen.highest : infinity;
        shrink_below_ = seen.lowest < 0.0 ? seen.lowest : -infinity;
        if (violation <= tol && seen.gap <= gap_tol) return Outcome::reached;

        without_progress = violation < 0.9 * lowest ? 0 : without_progress + 1;
        lowest = std::min(lowest, violation);
        const double resolvable = resolution();
        if (without_progress >= (violation <= tol ? patience_within_tol : patience) &&
            violation <= std::max(tol, 32.0 * resolvable)) {
            return Outcome::exhausted;
        }

        // Once it is settled which coordinates are off their bounds.
        const auto [fewer, more] = std::minmax(seen.n_inside, n_inside);
        const bool is_settled = more - fewer <= more / 32;
        n_inside = seen.n_inside;
        if (is_settled && suits_joint_steps() && ++since_joint > joint_wait) {
            const Outcome stepped = solve_jointly(goal);
            if (stepped != Outcome::hand_over) return stepped;
            joint_wait = 2 * joint_wait + 1;
            since_joint = 0;
            continue;
        }

        ++since_start;
        if (++since_polish >= std::max(polish_interval, seen.n_inside / 2) &&
            !has_to_conclude(seconds_to_polish(seen.n_inside)) && polish()) {
            since_polish = 0;
        } else if (std::is_same_v<T, float> && !refining_ &&
                   (violation <= std::max(tol, 32.0 * resolvable) ||
                    since_start >= unrefined_epochs)) {
            refining_ = true;
            refresh();
        }
    }
    return Outcome::limit;
}

template <Real T>
EpochSummary DualCoordinateDescent<T>::epoch() noexcept {
    constexpr std::size_t rows_per_example = 4;  // between two visits to outside examples
    EpochSummary seen;
    RowIndex* active = scratch_.active.data();
    is_fresh_ = false;
    order_visits();

    std::size_t n_outside = 0;
    for (std::size_t j = 0; j < n_examples(); ++j) n_outside += is_outside(j) ? 1 : 0;
    std::size_t visits = 0;
    const auto visit_next_outside = [&]() noexcept {
        do {
            next_outside_ = (next_outside_ + 1) % n_examples();
        } while (!is_outside(next_outside_));
        visit_example(next_outside_, seen);
        ++visits;
    };

    // Often enough to stop in time, and seldom enough for reading a clock not to matter.
    constexpr std::size_t rows_per_look = 16;
    std::size_t since_example = 0, since_look = 0;
    const std::size_t at_once = problem_.rows.is_dense() ? 2 : 1;
    for (std::size_t s = 0; s < n_active_;) {
        const std::size_t n_visited = std::min(at_once, n_active_ - s);
        for (std::size_t next = s + n_visited; next < std::min(s + 4, n_active_); ++next) {
            problem_.rows.prefetch(active[next]);
        }
        bool stays[2];
        visit_rows(active + s, n_visited, stays, seen);
        // From the back, so that what is swapped in has not been visited.
        std::size_t n_staying = n_visited;
        for (std::size_t v = n_visited; v-- > 0;) {
            if (stays[v]) continue;
            std::swap(active[s + v], active[s + --n_staying]);
            std::swap(active[s + n_staying], active[--n_active_]);
        }
        s += n_staying;
        since_look += n_visited;
        if (since_look >= rows_per_look) {
            since_look = 0;
            if (has_to_conclude()) return seen;
        }
        since_example += n_visited;
        if (n_outside > 0 && since_example >= rows_per_example) {
            since_example = 0;
            visit_next_outside();
        }
    }
    while (visits < n_outside) visit_next_outside();
    return seen;
}

/// Puts the active rows into a random order. Where most sparse rows are active, these are too small
/// to be fetched one by one: runs of neighbours stay together.
template <Real T>
void DualCoordinateDescent<T>::order_visits() noexcept {
    constexpr std::size_t run = 16;
    RowIndex* const active = scratch_.active.data();
    if (problem_.rows.is_dense() || n_active_ < n_rows() / 8 || n_active_ <= run) {
        permute(active, n_active_, random_);
        return;
    }
    std::vector<std::uint8_t>& marks = scratch_.marks;
    for (std::size_t s = 0; s < n_active_; ++s) marks[active[s]] = 1;
    RowIndex* const sorted = scratch_.sorted.data();
    std::size_t n_sorted = 0;
    for (std::size_t i = 0; i < n_rows(); ++i) {
        if (marks[i] != 0) sorted[n_sorted++] = static_cast<RowIndex>(i);
        marks[i] = 0;
    }
    // The runs in the order of a line through a torus: each once, if the step has no divisor with
    // their number.
    const std::size_t n_runs = (n_sorted + run - 1) / run;
    std::size_t step = 1 + random_.below(n_runs);
    while (std::gcd(step, n_runs) != 1) ++step;
    std::size_t at = random_.below(n_runs), s = 0;
    for (std::size_t r = 0; r < n_runs; ++r, at = (at + step) % n_runs) {
        for (std::size_t i = at * run; i < std::min((at + 1) * run, n_sorted); ++i) {
            active[s++] = sorted[i];
        }
    }
}

/// Steps of coordinate descent on one row, or on two dense ones one after the other. Two share the
/// reading and writing of the weights: the product of the rows says what the first step does to the
/// second row's score.
/// @param stays  whether each row stays active
template <Real T>
void DualCoordinateDescent<T>::visit_rows(const RowIndex* rows, std::size_t n_visited, bool* stays,
                                          EpochSummary& seen) noexcept {
    T* const coef = scratch_.coef.data();
    const std::size_t d = n_features();
    if (n_visited == 1) {
        const double product = static_cast<double>(problem_.rows.dot(rows[0], coef));
        const double change = visit_row(rows[0], product, stays[0], seen);
        if (change != 0.0) problem_.rows.axpy(static_cast<T>(change), rows[0], coef);
        return;
    }
    T* const scratch = scratch_.rows.data();
    const T* x = problem_.rows.read(rows[0], scratch);
    const T* z = problem_.rows.read(rows[1], scratch + d);
    T products[3];
    kernels_.dot_pair(coef, x, z, d, products);
    const auto first =
        static_cast<T>(visit_row(rows[0], static_cast<double>(products[0]), stays[0], seen));
    const double product = static_cast<double>(products[1]) +
                           static_cast<double>(first) * static_cast<double>(products[2]);
    const auto second = static_cast<T>(visit_row(rows[1], product, stays[1], seen));
    if (first != T(0) && second != T(0)) {
        kernels_.axpy_pair(first, x, second, z, coef, d);
    } else if (first != T(0)) {
        kernels_.axpy(first, x, coef, d);
    } else if (second != T(0)) {
        kernels_.axpy(second, z, coef, d);
    }
}

/// One step of coordinate descent, but for the change of coef, which is the returned multiple of
/// the row.
/// @param product  coef . x_i
template <Real T>
double DualCoordinateDescent<T>::visit_row(RowIndex i, double product, bool& stays,
                                           EpochSummary& seen) noexcept {
    const double y = label(i);
    const double c = cost(i);
    const Penalty bounds = row_penalty(i);
    double& dual = solution_.dual[i];

    double k[ExampleBlock::capacity];
    for (std::size_t j = 0; j < block_.count(); ++j) {
        k[j] = static_cast<double>(scratch_.products[i * block_.count() + j]);
    }
    const double mean_product =
        problem_.mean_products == nullptr ? 0.0 : static_cast<double>(problem_.mean_products[i]);
    double score = product + intercept_ + offset_ - shift_ * mean_product + block_.pending_score(k);
    if (refining_) score += static_cast<double>(scores_[i]);
    const double slack = 1.0 - y * score;
    const double gradient = bounds.diagonal * dual - slack;

    stays = !shrinking_ || !((dual <= 0.0 && gradient > shrink_above_) ||
                             (dual >= bounds.upper && gradient < shrink_below_));
    if (!stays) return 0.0;
    const double violation = projected(gradient, dual, bounds.upper);
    seen.add(violation, gap_term(problem_.loss, c, bounds.diagonal, dual, slack));
    if (violation == 0.0) return 0.0;

    // Rounded up by what the products with the examples, in T, may lose of it.
    const double curvature =
        (static_cast<double>(problem_.squared_norms[i]) + bias_square_) * product_slack<T> +
        bounds.diagonal;
    Coordinate coordinate{gradient, curvature, bounds.diagonal, y, -dual, bounds.upper - dual};
    const double step = block_.minimise(coordinate, k);
    dual = coordinate.settle(dual + step, bounds.upper);
    const double change = y * step;
    intercept_ += change * bias_square_;
    shift_ += problem_.mean == nullptr ? 0.0 : change;
    offset_ += change * (mean_square_ - mean_product);
    return change;
}

/// The same step on an example that is not eliminated. Like a row, it brings example_shift means
/// along, which dense examples have been freed of.
template <Real T>
void DualCoordinateDescent<T>::visit_example(std::size_t j, EpochSummary& seen) noexcept {
    if (eliminates()) fold();
    const Penalty bounds = penalty(problem_.loss, example_cost(j));
    double& dual = solution_.example_dual[j];
    if (eliminates()) dual = block_.dual(j);

    const double shift = example_shift(j), mean_product = scratch_.examples.mean_product(j);
    const double raw_square = static_cast<double>(examples_.squared_norm(j));
    const double square =
        std::max(raw_square - shift * (2.0 * mean_product - shift * mean_square_), 0.0) +
        bias_square_;
    double score = static_cast<double>(examples_.dot(j, scratch_.coef.data())) +
                   example_label(j) * intercept_ + shift * offset_ - shift_ * mean_product;
    if (refining_) score += examples_.dot_wide(j, scratch_.wide_coef.data());
    const double slack = 1.0 - score;
    const double gradient = bounds.diagonal * dual - slack;
    seen.add(projected(gradient, dual, bounds.upper),
             gap_term(problem_.loss, example_cost(j), bounds.diagonal, dual, slack));

    Coordinate coordinate{gradient, square + bounds.diagonal, bounds.diagonal, 1.0,
                          -dual,    bounds.upper - dual};
    const double step = block_.minimise(coordinate, eliminates() ? block_.gram_row(j) : nullptr);
    dual = coordinate.settle(dual + step, bounds.upper);
    if (eliminates()) {
        block_.set_outside(j, dual);  // the next fold() brings the step into the weights
        return;
    }
    examples_.axpy(static_cast<T>(step), j, scratch_.coef.data());
    intercept_ += example_label(j) * step * bias_square_;
    shift_ += step * shift;
    offset_ += step * (shift * mean_square_ - mean_product);
}

/// Brings the changes of the eliminated examples and of the mean into the weights. Between two
/// folds a score is the sum of a product with the weights and of these changes; folding keeps the
/// changes small, so that little cancels.
template <Real T>
void DualCoordinateDescent<T>::fold() noexcept {
    for (std::size_t j = 0; j < block_.count(); ++j) {
        const double change = block_.pending(j);
        if (change == 0.0) continue;
        examples_.axpy(static_cast<T>(change), j, scratch_.coef.data());
        shift_ += change * example_shift(j);
        intercept_ += example_label(j) * change * bias_square_;
    }
    block_.fold();
    if (problem_.mean == nullptr) return;
    double mean_score = 0.0;
    for (std::size_t c = 0; c < n_features(); ++c) {
        T& w = scratch_.coef[c];
        w = static_cast<T>(static_cast<double>(w) - shift_ * problem_.mean[c]);
        mean_score += static_cast<double>(w) * problem_.mean[c];
    }
    offset_ = (refining_ ? refreshed_offset_ : 0.0) - mean_score;
    shift_ = 0.0;
}

/// The smallest violation that the arithmetic can tell from zero: the rounding of a score in T, and
/// that of the dual coefficients in double precision, which are as large together as the
/// examples'.
template <Real T>
double DualCoordinateDescent<T>::resolution() const noexcept {
    const std::size_t d = n_features();
    const double square =
        refining_
            ? kernels::active_table<double>().dot(scratch_.wide_coef.data(),
                                                  scratch_.wide_coef.data(), d)
            : static_cast<double>(kernels_.dot(scratch_.coef.data(), scratch_.coef.data(), d));
    double example_duals = 0.0;
    for (std::size_t j = 0; j < n_examples(); ++j) example_duals += example_dual(j);
    const double score =
        std::sqrt(square) * (largest_norm_ + std::sqrt(mean_square_)) + std::abs(intercept_) + 1.0;
    return static_cast<double>(std::numeric_limits<T>::epsilon()) * score +
           std::numeric_limits<double>::epsilon() * example_duals * largest_norm_ * largest_norm_;
}

/// Recomputes the weights from the dual coefficients in double precision, and makes the eliminated
/// examples optimal for them.
template <Real T>
void DualCoordinateDescent<T>::refresh() noexcept {
    round_weights(optimise_examples(sum_weights(scratch_.wide_coef.data())));
    if (refining_) rebase();
}

/// Makes the eliminated examples optimal for the weights in scratch.wide_coef, and brings them
/// into these.
/// @param sum  sum a_i y_i of the weights
/// @returns the same afterwards
template <Real T>
double DualCoordinateDescent<T>::optimise_examples(double sum) noexcept {
    double* const wide = scratch_.wide_coef.data();
    double before[ExampleBlock::capacity], gradients[ExampleBlock::capacity];
    const double mean_part = mean_product(problem_, wide);
    for (std::size_t j = 0; j < block_.count(); ++j) {
        before[j] = block_.dual(j);
        gradients[j] = example_product(problem_, j, wide, mean_part) +
                       example_label(j) * sum * bias_square_ - 1.0 + block_.diagonal(j) * before[j];
    }
    block_.optimise(gradients);
    block_.fold();
    double change_of_sum = 0.0;
    for (std::size_t j = 0; j < block_.count(); ++j) {
        const double change = block_.dual(j) - before[j];
        if (change != 0.0) add_raw_example(problem_, j, change, wide);
        change_of_sum += example_label(j) * change;
    }
    subtract_mean(problem_, change_of_sum, wide);
    return sum + change_of_sum;
}

/// Takes over the weights in scratch.wide_coef, which are those of the dual coefficients.
/// @param sum  sum a_i y_i
template <Real T>
void DualCoordinateDescent<T>::round_weights(double sum) noexcept {
    const double* const wide = scratch_.wide_coef.data();
    sum_ = sum;
    intercept_ = sum * bias_square_;
    shift_ = 0.0;
    offset_ = -mean_product(problem_, wide);
    double rounding_square = 0.0, square = 0.0;
    for (std::size_t c = 0; c < n_features(); ++c) {
        const T rounded = static_cast<T>(wide[c]);
        const double rounding = wide[c] - static_cast<double>(rounded);
        rounding_square += rounding * rounding;
        square += wide[c] * wide[c];
        scratch_.coef[c] = solution_.weights.coef[c] = rounded;
    }
    coef_rounding_ = std::sqrt(rounding_square);
    const double mean_norm = std::sqrt(mean_square_), raw_norm = largest_norm_ + mean_norm;
    const double norm = std::sqrt(square) + coef_rounding_, norms = norm * raw_norm;
    solution_.weights.intercept = intercept_ + offset_;
    // Products of tiny values are lost. The mean's part in the scores is rounded once for each
    // feature.
    const double underflow = static_cast<double>(n_features() + 2) *
                             static_cast<double>(std::numeric_limits<T>::denorm_min());
    const double offset_rounding = static_cast<double>(n_features() + 4) * 0.5 *
                                       std::numeric_limits<double>::epsilon() *
                                       (norm * mean_norm + std::abs(intercept_)) +
                                   norm * problem_.mean_error + underflow;
    score_rounding_ = score_rounding_bound<T>(problem_.rows, norms, solution_.weights.intercept) +
                      coef_rounding_ * raw_norm + offset_rounding;
    precise_rounding_per_norm_ = score_rounding_bound<double>(problem_.rows) * norm;
    precise_rounding_ =
        precise_rounding_per_norm_ * raw_norm +
        std::numeric_limits<double>::epsilon() * std::abs(solution_.weights.intercept) +
        offset_rounding;
    is_fresh_ = true;
}

/// Adds up the weights w_0 + sum a_i y_i x_i in double precision, and returns sum a_i y_i.
template <Real T>
double DualCoordinateDescent<T>::sum_weights(double* wide) noexcept {
    const std::size_t d = n_features();
    std::copy_n(scratch_.examples.prior().data(), d, wide);
    double sum = 0.0, norms = 0.0;  // a ||x~||, added up
    std::size_t n_added = 0;
    const double mean_norm = std::sqrt(mean_square_);
    RowSum<T> row_sum(problem_.rows, wide);
    for (std::size_t i = 0; i < n_rows(); ++i) {
        if (solution_.dual[i] == 0.0) continue;
        const double dual = label(i) * solution_.dual[i];
        sum += dual;
        row_sum.add(dual, i);
        ++n_added;
        norms += solution_.dual[i] *
                 (std::sqrt(static_cast<double>(problem_.squared_norms[i]) + bias_square_) +
                  2.0 * mean_norm);
    }
    row_sum.finish();
    for (std::size_t j = 0; j < n_examples(); ++j) {
        const double a = example_dual(j);
        if (a != 0.0) add_raw_example(problem_, j, a, wide);
        sum += example_label(j) * a;
        norms += a * (example_norm_at_most(j) + 2.0 * mean_norm);
    }
    subtract_mean(problem_, sum, wide);
    // Each addition rounds what has been added so far. Costs are rounded a few times, too: with
    // exact ones, coefficients that are larger or smaller by as much have the same terms of the
    // gap.
    const auto roundings = static_cast<double>(n_added + 2 * n_examples() + 16);
    sum_rounding_ = roundings * std::numeric_limits<double>::epsilon() * (norms + prior_norm_) +
                    problem_.mean_error * std::abs(sum);
    drift_ = sum_rounding_;
    return sum;
}

/// For any weights w~ and dual coefficients a, however they have come about, ||w~ - w~*||^2 / 2 is
/// at most P(w~) - P* and so at most P(w~) - D(a) (the primal is 1-strongly convex): no matter how
/// the weights have been rounded on their way, their error is bounded by their own objective.
template <Real T>
SolveReport DualCoordinateDescent<T>::conclude() noexcept {
    for (std::size_t c = 0; c < n_features(); ++c) {
        double w = static_cast<double>(scratch_.coef[c]);
        if (refining_) w += scratch_.wide_coef[c];
        scratch_.wide_coef[c] = static_cast<double>(static_cast<T>(w));
    }
    refining_ = false;
    adopt_weights(bias_square_ > 0.0 ? intercept_ / bias_square_ : 0.0);
    SolveReport report;
    fill(report, verify(Accuracy::of_scores));
    report.status = SolveStatus::deadline;
    keep_example_duals();
    return report;
}

/// Takes over weights in scratch.wide_coef that are not quite those of the dual coefficients.
/// @param sum  the intercept less the mean's part, over s^2
template <Real T>
void DualCoordinateDescent<T>::adopt_weights(double sum) noexcept {
    double* const own = scratch_.wide_row.data();  // of the dual coefficients
    const double change = sum - sum_weights(own);
    double square = change * change * bias_square_;
    for (std::size_t c = 0; c < n_features(); ++c) {
        const double difference = scratch_.wide_coef[c] - own[c];
        square += difference * difference;
    }
    drift_ += std::sqrt(square);
    round_weights(sum);
}

template <Real T>
void DualCoordinateDescent<T>::keep_example_duals() noexcept {
    for (std::size_t j = 0; eliminates() && j < n_examples(); ++j) {
        solution_.example_dual[j] = block_.dual(j);
    }
}

/// Begins to work on the change from the refreshed weights.
template <Real T>
void DualCoordinateDescent<T>::rebase() noexcept {
    for (std::size_t s = 0; s < n_active_; ++s) {
        const std::size_t i = scratch_.active[s];
        scores_[i] = static_cast<T>(problem_.rows.dot_wide(i, scratch_.wide_coef.data()));
    }
    std::fill_n(scratch_.coef.data(), n_features(), T(0));
    refreshed_offset_ = offset_;
    is_fresh_ = false;
}

/// About how long a Newton step takes that solves for so many coordinates.
template <Real T>
double DualCoordinateDescent<T>::seconds_to_polish(std::size_t n_inside) const noexcept {
    constexpr double seconds_per_operation = 1e-9;
    const auto m = static_cast<double>(std::min(n_inside, max_polished));
    return seconds_per_operation * m * m * (m + static_cast<double>(n_features()));
}

/// A Newton step on the coordinates that are off their bounds, the examples among them: solves for
/// all of them together, within their bounds, by Cholesky in double precision. Of order m^2 d + m^3
/// for m coordinates; where there are more than max_polished it does nothing and returns false.
template <Real T>
bool DualCoordinateDescent<T>::polish() noexcept {
    // The hinge has D = 0, so that samples that depend linearly on each other make the matrix
    // singular. A proximal term mends that: it hardly slows a step along which there is curvature.
    const double proximal = problem_.loss == Loss::hinge ? 1e-10 : 0.0;
    std::size_t* const samples = scratch_.polish_rows.data();
    const std::size_t capacity = scratch_.polish_rows.size() / 2;
    std::size_t m = 0;
    const auto take = [&](std::size_t sample) noexcept {
        if (m < capacity) samples[m] = sample;
        ++m;
    };
    for (std::size_t s = 0; s < n_active_; ++s) {
        const std::size_t i = scratch_.active[s];
        const double dual = solution_.dual[i];
        if (dual > 0.0 && dual < row_penalty(i).upper) take(i);
    }
    for (std::size_t j = 0; j < n_examples(); ++j) take(n_rows() + j);
    if (m > capacity) return false;
    refresh();

    double* const matrix = scratch_.polish.data();
    double* const diagonal = matrix + m * m;
    double* const gradient = diagonal + m;
    double* const lowest = gradient + m;
    double* const highest = lowest + m;
    double* const scratch = highest + m;
    double* const step = scratch + 3 * m;

    const double* const row = scratch_.wide_row.data();
    for (std::size_t a = 0; a < m; ++a) {
        const std::size_t sample = samples[a];
        const double mean_product = widen_sample(sample);
        const bool is_row = sample < n_rows();
        const double y = is_row ? label(sample) : 1.0;
        const Penalty bounds = sample_penalty(sample);
        const double dual = is_row ? solution_.dual[sample] : example_dual(sample - n_rows());
        const double bias = is_row ? 1.0 : example_label(sample - n_rows());
        const double score = bias * intercept_ + std::inner_product(row, row + n_features(),
                                                                    scratch_.wide_coef.data(), 0.0);
        gradient[a] = bounds.diagonal * dual - (1.0 - y * score);
        lowest[a] = -dual;
        highest[a] = bounds.upper - dual;
        for (std::size_t b = a; b < m; ++b) {
            const std::size_t other = samples[b];
            const bool other_is_row = other < n_rows();
            const double other_bias = other_is_row ? 1.0 : example_label(other - n_rows());
            const double shift = other_is_row ? 1.0 : example_shift(other - n_rows());
            const double product = (other_is_row ? problem_.rows.dot_wide(other, row)
                                                 : examples_.dot_wide(other - n_rows(), row)) -
                                   shift * mean_product + bias * other_bias * bias_square_;
            matrix[a * m + b] = y * (other_is_row ? label(other) : 1.0) * product;
        }
        diagonal[a] = matrix[a * m + a] * (1.0 + proximal) + bounds.diagonal;
    }
    minimise(
        BoxQuadratic{m, matrix, diagonal, gradient, lowest, highest, scratch, samples + capacity},
        step);
    for (std::size_t a = 0; a < m; ++a) {
        const std::size_t sample = samples[a];
        // highest - lowest is this bound up to rounding, which is not enough.
        const double dual = std::clamp(step[a] - lowest[a], 0.0, sample_penalty(sample).upper);
        if (sample < n_rows()) {
            solution_.dual[sample] = dual;
        } else if (eliminates()) {
            block_.set_outside(sample - n_rows(), dual);
        } else {
            solution_.example_dual[sample - n_rows()] = dual;
        }
    }
    refresh();
    return true;
}

/// A step on all coordinates that are off their bounds, or about to leave them, by conjugate
/// gradients. If too many would leave their bounds, epochs have to go on from there.
template <Real T>
Outcome DualCoordinateDescent<T>::solve_jointly(const Goal& goal) noexcept {
    refining_ = false;
    if (!is_fresh_) refresh();
    ConjugateGradients<T> step(problem_, block_, executor_, stop_.earlier_by(seconds_to_conclude_),
                               scratch_.sorted.data(), scratch_.joint.get());
    for (std::size_t s = 0; s < n_active_; ++s) {
        const RowIndex i = scratch_.active[s];
        const double dual = solution_.dual[i], diagonal = row_penalty(i).diagonal;
        const double gradient = diagonal * dual - 1.0 - precise_score(i);
        if (dual > 0.0 || gradient < 0.0) step.add(i, dual, diagonal, gradient);
    }
    const Outcome outcome = step.solve({0.5 * goal.tol, 0.25 * goal.gap, 100});
    if (outcome == Outcome::stopped) return outcome;
    for (std::size_t s = 0; s < step.size(); ++s) {
        solution_.dual[step.row(s)] = std::max(0.0, step.dual(s));
    }
    if (outcome == Outcome::hand_over) refining_ = std::is_same_v<T, float>;
    refresh();
    return outcome;
}

/// After how many epochs a Newton step over all samples is worth its price: these have then taken
/// as long as the steps that it takes to the end. Never where the steps would take longer than all
/// epochs that are allowed.
template <Real T>
double DualCoordinateDescent<T>::epochs_before_newton(std::size_t n_inside) const noexcept {
    constexpr double fewest = 32.0;
    const double steps = problem_.loss == Loss::hinge ? 40.0 : 8.0;
    const double bytes = static_cast<double>(problem_.rows.bytes_per_row());
    const double passes = 4.0 * static_cast<double>(n_rows()) * bytes / sizeof(T);
    const double epoch =
        2.0 * static_cast<double>(std::max<std::size_t>(n_active_, 1)) * bytes / sizeof(T);
    const double epochs =
        steps * (PrimalNewton<T>::work_of_step(n_inside, n_features()) + passes) / epoch;
    const auto limit = static_cast<double>(goal_.max_epochs);
    if (epochs > 4.0 * limit) return infinity;
    return std::max(fewest, std::min(epochs, 0.25 * limit));
}

/// Whether there are epochs left for that, and samples few enough for it to take little time.
template <Real T>
bool DualCoordinateDescent<T>::can_solve_together() const noexcept {
    return epochs_ < goal_.max_epochs && std::isfinite(epochs_before_newton(count_inside()));
}

/// Solves for all samples together, to the end.
template <Real T>
Outcome DualCoordinateDescent<T>::solve_together(const Goal& goal) noexcept {
    since_newton_ = 0;
    keep_example_duals();
    PrimalNewton<T> newton(problem_, executor_, stop_.earlier_by(seconds_to_conclude_),
                           scratch_.newton);
    const Outcome outcome =
        newton.prove(0.5 * goal.tol, 0.25 * goal.gap, goal_.max_epochs - epochs_,
                     solution_.dual.data(), solution_.example_dual.data());
    epochs_ += newton.steps();
    refining_ = false;
    for (std::size_t j = 0; j < block_.count(); ++j) {
        block_.set_outside(j, solution_.example_dual[j]);
    }
    block_.fold();
    if (outcome == Outcome::cannot) {
        refresh();
        return Outcome::cannot;
    }
    std::copy_n(newton.weights(), n_features(), scratch_.wide_coef.data());
    const double bias = newton.weights()[n_features()];
    adopt_weights(bias_square_ > 0.0 ? bias / problem_.intercept_scaling : 0.0);
    is_exhausted_ = outcome == Outcome::exhausted;
    return outcome;
}

/// ||x~_j||, or more.
template <Real T>
double DualCoordinateDescent<T>::example_norm_at_most(std::size_t j) const noexcept {
    if (eliminates()) return std::sqrt(block_.gram_row(j)[j]) * (1.0 + 1e-12);
    constexpr double rounding = 1e-3;
    return std::sqrt(static_cast<double>(problem_.examples.squared_norm(j)) + bias_square_) *
               (1.0 + rounding) +
           std::sqrt(mean_square_);
}

/// Brings a row, or an example as sample n_rows + j, less the mean into scratch_.wide_row, and
/// returns its product with the mean.
template <Real T>
double DualCoordinateDescent<T>::widen_sample(std::size_t sample) noexcept {
    const bool is_row = sample < n_rows();
    double* const wide = scratch_.wide_row.data();
    if (is_row) {
        problem_.rows.widen(sample, wide);
    } else {
        std::fill_n(wide, n_features(), 0.0);
        add_raw_example(problem_, sample - n_rows(), 1.0, wide);
    }
    subtract_mean(problem_, is_row ? 1.0 : example_label(sample - n_rows()), wide);
    return mean_product(problem_, wide);
}

/// The score of a row under the refreshed weights, in double precision.
template <Real T>
double DualCoordinateDescent<T>::precise_score(std::size_t i) const noexcept {
    return problem_.rows.dot_wide(i, scratch_.wide_coef.data()) + intercept_ + offset_;
}

/// Scores every row under the refreshed weights and measures all optimality conditions. The rows
/// that enter the gap are few: their scores are computed again in double precision, so that the
/// gap, and with it the certificate, does not suffer from the rounding of T.
///
/// Accuracy::of_scores leaves it at the scores in T, for which there is always time.
template <Real T>
BlockSummary DualCoordinateDescent<T>::verify(Accuracy accuracy) noexcept {
    const bool is_precise = accuracy == Accuracy::precise;
    const double rounding = is_precise ? precise_rounding_ : score_rounding_;
    for_each_block(
        executor_, blocks_, [&](std::size_t begin, std::size_t end, std::size_t block) noexcept {
            score_block(problem_.rows, begin, end, solution_.weights.view(), scores_ + begin);
            BlockSummary summary;
            for (std::size_t i = begin; i < end; ++i) {
                const double c = cost(i), dual = solution_.dual[i];
                if (c <= 0.0) continue;
                double slack = 1.0 - label(i) * static_cast<double>(scores_[i]);
                // Equal rows have equal scores in T, whether or not they have a coefficient.
                if (is_precise && (dual > 0.0 || slack > -score_rounding_)) {
                    slack = 1.0 - label(i) * precise_score(i);
                }
                add_sample(summary, problem_.loss, c, row_penalty(i), dual, slack, rounding);
                summary.n_support += dual > 0.0 ? 1 : 0;
            }
            scratch_.summaries[block] = summary;
        });

    BlockSummary total;
    for (std::size_t block = 0; block < blocks_.count(); ++block) {
        const BlockSummary& part = scratch_.summaries[block];
        total.violation = std::max(total.violation, part.violation);
        total.loss += part.loss;
        total.gap += part.gap;
        total.quadratic_rounding += part.quadratic_rounding;
        total.linear_rounding += part.linear_rounding;
        total.n_support += part.n_support;
    }
    const double* const wide = scratch_.wide_coef.data();
    const double mean_part = mean_product(problem_, wide);
    for (std::size_t j = 0; j < n_examples(); ++j) {
        const double slack =
            1.0 - example_label(j) * intercept_ - example_product(problem_, j, wide, mean_part);
        // An example may be longer than all rows.
        const double longer = std::max(example_norm_at_most(j) - largest_norm_, 0.0);
        add_sample(total, problem_.loss, example_cost(j), example_penalty(j), example_dual(j),
                   slack, precise_rounding_ + precise_rounding_per_norm_ * longer);
    }
    return total;
}

/// Makes active what the verification found: rows that support, and rows at zero or at their upper
/// bound whose gradient is within `slack` of pushing them off it.
template <Real T>
void DualCoordinateDescent<T>::activate_violators(double slack) noexcept {
    n_active_ = 0;
    shrink_above_ = infinity;
    shrink_below_ = -infinity;
    for (std::size_t i = 0; i < n_rows(); ++i) {
        const Penalty bounds = row_penalty(i);
        if (bounds.upper <= 0.0) continue;
        const double dual = solution_.dual[i];
        const double gradient =
            label(i) * static_cast<double>(scores_[i]) - 1.0 + bounds.diagonal * dual;
        const bool rests =
            (dual <= 0.0 && gradient > slack) || (dual >= bounds.upper && gradient < -slack);
        if (!rests) scratch_.active[n_active_++] = static_cast<RowIndex>(i);
    }
}

template struct DescentScratch<float>;
template struct DescentScratch<double>;
template class DualCoordinateDescent<float>;
template class DualCoordinateDescent<double>;

}  // namespace exemplar_svm
