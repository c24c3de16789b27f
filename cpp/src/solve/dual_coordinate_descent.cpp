#include "solve/dual_coordinate_descent.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>

#include "exemplar_svm/certificate.hpp"
#include "exemplar_svm/profile.hpp"
#include "exemplar_svm/scan.hpp"
#include "solve/conjugate_gradients.hpp"
#include "solve/polish.hpp"
#include "solve/primal_newton.hpp"

namespace exemplar_svm {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

template <Real T>
const Samples<T>& prepared(const Samples<T>& samples, Start from, Solution<T>& solution,
                           PreparedExamples<T>& examples) noexcept {
    if (from == Start::zeros) {
        std::fill_n(solution.example_dual.begin(), samples.n_examples(), 0.0);
    }
    examples.prepare(samples, solution.example_dual.data());
    return samples;
}

}  // namespace

template <Real T>
DualCoordinateDescent<T>::DualCoordinateDescent(const Problem<T>& problem,
                                                const SolverSettings& settings,
                                                ExecutorRef executor, Start from,
                                                Solution<T>& solution, DescentScratch<T>& scratch,
                                                T* scores, const StopCondition& stop) noexcept
    : samples_(problem),
      goal_(Goal::of(settings, problem)),
      executor_(executor),
      solution_(solution),
      scratch_(scratch),
      scores_(scores),
      stop_(stop),
      weights_(prepared(samples_, from, solution, scratch.examples), scratch.examples, solution,
               scratch.coef.data(), scratch.wide_coef.data(), scratch.wide.data(), scores),
      epochs_(samples_, settings, weights_, solution, scratch) {
    add_rows(0, from);
    // Sparse rows with common label and cost start at a common dual coefficient.
    is_level_ = from == Start::zeros && !problem.rows.is_dense() && weights_.eliminates() &&
                problem.labels == nullptr && problem.costs == nullptr;
    if (is_level_) {
        weights_.level(epochs_.active(), scratch.products.data());
    } else {
        weights_.refresh(epochs_.active());
    }
}

template <Real T>
void DualCoordinateDescent<T>::extend(const Problem<T>& problem) noexcept {
    const std::size_t n_before = samples_.n_rows();
    samples_ = Samples<T>(problem);
    add_rows(n_before, Start::zeros);
}

template <Real T>
void DualCoordinateDescent<T>::add_rows(std::size_t begin, Start from) noexcept {
    for (std::size_t i = begin; i < samples_.n_rows(); ++i) {
        double& dual = solution_.dual[i];
        if (from == Start::zeros || !(dual > 0.0)) dual = 0.0;
        dual = std::min(dual, samples_.row_penalty(i).upper);
        epochs_.add(i);
    }
    if (weights_.eliminates()) return multiply_rows_by_examples(begin);
    // No scan has been timed: assume three passes over memory at 10 GB/s.
    constexpr double seconds_per_byte = 3e-10;
    const std::size_t n_bytes =
        (samples_.n_rows() - begin) * samples_.problem().rows.bytes_per_row();
    seconds_to_conclude_ += seconds_per_byte * static_cast<double>(n_bytes);
}

/// Computes k_ij = x~_i . x~_j for every row i >= first and example j. The time predicts that of
/// conclude(), which scans the rows once and sums those that support in double precision, at about
/// twice the cost of a scan.
template <Real T>
void DualCoordinateDescent<T>::multiply_rows_by_examples(std::size_t first) noexcept {
    const PreparedExamples<T>& examples = scratch_.examples;
    const std::size_t p = samples_.n_examples();
    double seconds = 0.0;
    std::optional<Stopwatch> stopwatch(std::in_place, seconds);
    double constant[ExampleBlock::capacity];
    for (std::size_t j = 0; j < p; ++j) {
        constant[j] = samples_.label(samples_.n_rows() + j) * samples_.bias_square() -
                      examples.mean_product(j) + examples.shift(j) * samples_.mean_square();
    }
    const RowsView<T> rows = samples_.problem().rows.from(first);
    T* const workings = scores_ + first;
    T* const products = scratch_.products.data() + first * p;
    // Sparse examples are decompressed one at a time.
    const std::size_t at_once = examples.rows().is_dense() ? p : 1;
    for (std::size_t from = 0; from < p; from += at_once) {
        const T* const spread = examples.rows().read(from, scratch_.rows.data());
        for_each_block(
            executor_, row_blocks(rows),
            [&](std::size_t begin, std::size_t end, std::size_t) noexcept {
                for (std::size_t j = from; j < from + at_once; ++j) {
                    const T* const x = j == from ? spread : examples.rows().row(j);
                    score_block(rows, begin, end, WeightsView<T>{x, constant[j]}, workings + begin);
                    const T shift = static_cast<T>(examples.shift(j));
                    for (std::size_t i = begin; i < end; ++i) {
                        T& product = products[i * p + j];
                        product = workings[i];
                        if (shift == T(0)) continue;
                        product -= shift * static_cast<T>(samples_.row_mean_product(first + i));
                    }
                }
            });
    }
    stopwatch.reset();
    seconds_to_conclude_ += 3.0 * seconds / static_cast<double>(p);
}

/// Whether at least 31/32 of up to 512 active rows violate the margin under the refreshed weights.
template <Real T>
bool DualCoordinateDescent<T>::support_all() const noexcept {
    const auto active = epochs_.active();
    const std::size_t n_sampled = std::min<std::size_t>(active.size(), 512);
    std::size_t n_support = 0;
    for (std::size_t s = 0; s < n_sampled; ++s) {
        const double score = weights_.precise_score(active[s * active.size() / n_sampled]);
        n_support += score > -1.0 ? 1 : 0;
    }
    return n_sampled > 0 && 32 * n_support >= 31 * n_sampled;
}

template <Real T>
void DualCoordinateDescent<T>::approach(double tol) noexcept {
    // If 64 epochs do not suffice, adding the missing rows helps more than further epochs.
    constexpr std::uint32_t most_epochs = 64;
    descend({tol, infinity, std::min(goal_.max_epochs, n_epochs_ + most_epochs)});
    if (weights_.are_refining()) {
        weights_.set_refining(false);
        weights_.refresh(epochs_.active());
    }
    weights_.leave_weights();
}

template <Real T>
Outcome DualCoordinateDescent<T>::finish(const Goal& goal, SolveReport& report) noexcept {
    goal_ = goal;
    const Outcome outcome = solve_in_rounds(report);
    report.status = status_of(outcome);
    report.epochs = n_epochs_;
    weights_.leave_example_duals();
    return outcome;
}

template <Real T>
Outcome DualCoordinateDescent<T>::solve_in_rounds(SolveReport& report) noexcept {
    Goal goal = goal_;           // of a round
    constexpr int patience = 2;  // rounds that do not halve the lowest violation
    // A score bound above this justifies Newton steps. The bound of the hinge falls with the root
    // of its rounding, whatever tol is.
    const double poor_proof = 30.0 * std::max(goal_.tol, 1e-4);
    double lowest_violation = infinity, previous_gap = infinity;
    int fruitless = 0;
    bool needs_newton = false, has_resumed = false;
    for (;;) {
        const bool is_last = needs_newton;
        const Outcome descent = is_last ? solve_by_newton(goal_) : descend(goal);
        if (descent == Outcome::stopped) {
            report = conclude();
            return descent;
        }
        weights_.set_refining(false);
        if (!weights_.are_fresh()) weights_.refresh(epochs_.active());
        const BlockSummary verified = verify(Accuracy::precise);
        report_verified(verified, weights_, report);

        // Weights that differ from those of the dual coefficients beyond rounding are not optimal.
        const double drift = weights_.drift_beyond_rounding() * weights_.largest_norm();
        const bool within_tol = std::max(verified.violation, drift) <= goal_.tol;
        const double error = weights_error_from_gap(verified.gap) * weights_.largest_norm();
        const bool proven = verified.gap <= goal_.gap;
        fruitless = verified.violation < 0.5 * lowest_violation ? 0 : fruitless + 1;
        lowest_violation = std::min(lowest_violation, verified.violation);
        const bool exhausted = descent != Outcome::reached || fruitless >= patience ||
                               verified.gap > 0.5 * previous_gap;
        // Below this violation, epochs improve dual coefficients more than Newton's method.
        constexpr double nearly_solved = 1e-6;
        if (is_exhausted_ && !within_tol && !has_resumed &&
            std::max(verified.violation, drift) <= nearly_solved) {
            has_resumed = true;
            needs_newton = is_exhausted_ = false;
            weights_.refresh(epochs_.active());
            epochs_.activate_violators(scores_, verified.violation);
            continue;
        }
        const bool ends = is_last || is_exhausted_;
        const bool at_resolution =
            ends || (fruitless >= patience && verified.violation <= 1e3 * weights_.resolution());
        needs_newton = !ends && error > poor_proof && (within_tol ? exhausted : at_resolution) &&
                       can_solve_by_newton();
        if (needs_newton) continue;
        if (within_tol && (proven || exhausted)) return Outcome::reached;
        if (descent == Outcome::limit) return Outcome::limit;
        if (at_resolution) return Outcome::exhausted;
        previous_gap = verified.gap;
        if (fruitless >= patience) epochs_.stop_shrinking();
        // A row was shrunk too early, or rounding had made the epochs' weights drift.
        goal.tol *= 0.5;
        goal.gap *= 0.25;
        epochs_.activate_violators(scores_, verified.violation);
    }
}

template <Real T>
SolveReport DualCoordinateDescent<T>::conclude() noexcept {
    weights_.adopt_changes();
    SolveReport report;
    report_verified(verify(Accuracy::of_scores), weights_, report);
    report.status = SolveStatus::deadline;
    report.epochs = n_epochs_;
    weights_.leave_example_duals();
    return report;
}

/// Runs epochs over the active rows until they reach goal.tol and goal.gap, or no longer improve.
template <Real T>
Outcome DualCoordinateDescent<T>::descend(const Goal& goal) noexcept {
    // Every step rounds the weights in T, and the accumulated rounding exceeds that of a score.
    // Later epochs therefore refine: a small change from weights in double precision has a small
    // rounding.
    constexpr std::uint32_t unrefined_epochs = 16;
    // Slow progress means an ill-conditioned problem: C ||x||^2 is large, and few rows support. A
    // polish solves for these directly. It costs about half as many epochs as there are rows off
    // their bounds, so it runs after that many.
    constexpr std::size_t polish_interval = 10;
    // Epochs allowed without a new lowest violation: near the resolution of the arithmetic, and
    // within tol while the gap is still too large.
    constexpr int patience = 3, patience_within_tol = 8;

    is_exhausted_ = false;
    std::uint32_t since_polish = 0, since_start = 0;
    // Settled epochs to skip before the next joint step: more after each that handed over.
    std::uint32_t joint_wait = 0, since_joint = 0;
    const bool was_level = std::exchange(is_level_, false);
    std::size_t n_inside = was_level ? 0 : epochs_.count_inside();
    double lowest = infinity;
    int without_progress = 0;
    if (was_level && can_use_conjugate_gradients() && support_all()) {
        ++n_epochs_;  // counted, so that every round uses up epochs
        const Outcome stepped = step_by_conjugate_gradients(goal);
        if (stepped != Outcome::hand_over) return stepped;
    }
    while (n_epochs_ < goal.max_epochs) {
        const EpochSummary seen = epochs_.run(stop_to_conclude());
        ++n_epochs_;
        if (has_to_conclude()) return Outcome::stopped;
        const double violation = seen.violation();
        const bool diverges = !std::isfinite(seen.gap) || violation > 1e6 * lowest;
        if (diverges || ++since_newton_ >= epochs_before_newton(seen.n_inside)) {
            const Outcome solved = solve_by_newton(goal);
            if (solved != Outcome::cannot) return solved;
        }
        const bool within_tol = violation <= goal.tol;
        if (within_tol && seen.gap <= goal.gap) return Outcome::reached;

        without_progress = violation < 0.9 * lowest ? 0 : without_progress + 1;
        lowest = std::min(lowest, violation);
        const bool is_small = violation <= std::max(goal.tol, 32.0 * weights_.resolution());
        if (is_small && without_progress >= (within_tol ? patience_within_tol : patience)) {
            return Outcome::exhausted;
        }

        // A joint step needs a stable set of coordinates off their bounds.
        const auto [fewer, more] = std::minmax(seen.n_inside, n_inside);
        const bool is_settled = more - fewer <= more / 32;
        n_inside = seen.n_inside;
        if (is_settled && can_use_conjugate_gradients() && ++since_joint > joint_wait) {
            const Outcome stepped = step_by_conjugate_gradients(goal);
            if (stepped != Outcome::hand_over) return stepped;
            joint_wait = 2 * joint_wait + 1;
            since_joint = 0;
            continue;
        }

        ++since_start;
        if (++since_polish >= std::max(polish_interval, seen.n_inside / 2) &&
            !has_to_conclude(seconds_to_polish(seen.n_inside, samples_.n_features())) &&
            polish(samples_, epochs_.active(), weights_, scratch_.polish, scratch_.wide.data())) {
            since_polish = 0;
        } else if (std::is_same_v<T, float> && !weights_.are_refining() &&
                   (is_small || since_start >= unrefined_epochs)) {
            weights_.set_refining(true);
            weights_.refresh(epochs_.active());
        }
    }
    return Outcome::limit;
}

/// Whether the problem is one that ConjugateGradients can solve.
template <Real T>
bool DualCoordinateDescent<T>::can_use_conjugate_gradients() const noexcept {
    const Problem<T>& problem = samples_.problem();
    return !problem.rows.is_dense() && weights_.eliminates() && problem.labels == nullptr &&
           problem.loss == Loss::squared_hinge;
}

/// A step by conjugate gradients on all coordinates that are off zero or about to leave it. Hands
/// over to epochs if too many coordinates would become negative.
template <Real T>
Outcome DualCoordinateDescent<T>::step_by_conjugate_gradients(const Goal& goal) noexcept {
    weights_.set_refining(false);
    if (!weights_.are_fresh()) weights_.refresh(epochs_.active());
    ConjugateGradients<T> step(samples_, scratch_.examples.block(), executor_, stop_to_conclude(),
                               scratch_.sorted.data(), scratch_.joint.get());
    for (const RowIndex i : epochs_.active()) {
        const double dual = solution_.dual[i], diagonal = samples_.row_penalty(i).diagonal;
        const double gradient = diagonal * dual - 1.0 - weights_.precise_score(i);
        if (dual > 0.0 || gradient < 0.0) step.add(i, dual, diagonal, gradient);
    }
    constexpr std::uint32_t most_iterations = 100;
    const Outcome outcome = step.solve({0.5 * goal.tol, 0.25 * goal.gap, most_iterations});
    if (outcome == Outcome::stopped) return outcome;
    for (std::size_t s = 0; s < step.size(); ++s) {
        solution_.dual[step.row(s)] = std::max(0.0, step.dual(s));
    }
    if (outcome == Outcome::hand_over) weights_.set_refining(std::is_same_v<T, float>);
    weights_.refresh(epochs_.active());
    return outcome;
}

/// The number of epochs that cost as much as solving by PrimalNewton, after which it is tried.
/// Infinity if PrimalNewton would cost more than four times all epochs allowed.
template <Real T>
double DualCoordinateDescent<T>::epochs_before_newton(std::size_t n_inside) const noexcept {
    constexpr double fewest = 32.0;
    const RowsView<T>& rows = samples_.problem().rows;
    const double steps = samples_.problem().loss == Loss::hinge ? 40.0 : 8.0;
    const double entries = static_cast<double>(rows.bytes_per_row()) / sizeof(T);
    const double passes = 4.0 * static_cast<double>(rows.rows) * entries;
    const auto n_active = static_cast<double>(std::max<std::size_t>(epochs_.active().size(), 1));
    const double work = PrimalNewton<T>::work_of_step(n_inside, rows.cols);
    const double epochs = steps * (work + passes) / (2.0 * n_active * entries);
    const auto limit = static_cast<double>(goal_.max_epochs);
    if (epochs > 4.0 * limit) return infinity;
    return std::max(fewest, std::min(epochs, 0.25 * limit));
}

/// Whether epochs are left for PrimalNewton, and its cost is acceptable.
template <Real T>
bool DualCoordinateDescent<T>::can_solve_by_newton() const noexcept {
    return n_epochs_ < goal_.max_epochs &&
           std::isfinite(epochs_before_newton(epochs_.count_inside()));
}

/// Solves for all samples by PrimalNewton.
template <Real T>
Outcome DualCoordinateDescent<T>::solve_by_newton(const Goal& goal) noexcept {
    since_newton_ = 0;
    weights_.leave_example_duals();
    weights_.set_refining(false);
    PrimalNewton<T> newton(samples_, executor_, stop_to_conclude(), scratch_.newton);
    const Outcome outcome =
        newton.prove(0.5 * goal.tol, 0.25 * goal.gap, goal_.max_epochs - n_epochs_,
                     solution_.dual.data(), solution_.example_dual.data());
    n_epochs_ += newton.steps();
    weights_.take_example_duals();
    if (outcome == Outcome::cannot) {
        weights_.refresh(epochs_.active());
    } else {
        weights_.adopt(newton.weights(), newton.weights()[samples_.n_features()]);
    }
    is_exhausted_ = outcome == Outcome::exhausted;
    return outcome;
}

template class DualCoordinateDescent<float>;
template class DualCoordinateDescent<double>;

}  // namespace exemplar_svm
