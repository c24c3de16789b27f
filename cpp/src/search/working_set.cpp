#include "search/working_set.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "base/stoppable_executor.hpp"
#include "exemplar_svm/certificate.hpp"
#include "exemplar_svm/scan.hpp"
#include "exemplar_svm/workspace.hpp"
#include "kernels/dispatch.hpp"
#include "model/row_statistics.hpp"
#include "problem/examples.hpp"

namespace exemplar_svm {
namespace {

// The number of support rows grows slowly with n: about 560 of 10,000 and 730 of 60,000 text
// embeddings at C = 0.1. So many rows are chosen, per square root of n.
constexpr double chosen_per_root_dense = 6.0, chosen_per_root_sparse = 10.0;

// Among sparse rows support grows with 1 / C instead, and a scan costs less than to choose too few:
// so many of the expected number.
constexpr double chosen_per_expected = 1.5;

// Before all rows have been scanned, more than a rough solution would be wasted. The scores of
// sparse rows lie close together: their standard deviation is 0.02 to 0.04 on TF-IDF.
constexpr double rough_tol_dense = 0.2, rough_tol_sparse = 5e-3;

// Rows that come this close to the margin in the scan join the panel too: the weights still move.
// So close they stay there in the next step of a session.
constexpr double slack_dense = 0.02, slack_sparse = 2e-3;

constexpr int most_scans = 4;

// A pass over the scores of the scan, with a stop condition: about as long as reading them.
constexpr double seconds_per_score = 1e-9;

// What no clock within sees: looking at clocks, the last steps of a block, returning.
constexpr double seconds_to_return = 2e-5;

// The part of sparse rows that is too large for a working set.
constexpr double large_part = 0.3;

/// The highest score of a block that has not been scanned.
template <Real T>
constexpr T not_scanned = -std::numeric_limits<T>::infinity();

}  // namespace

template <Real T>
bool WorkingSetSearch<T>::suits(const Problem<T>& problem,
                                const GaussianModel<T>& gaussian) noexcept {
    return problem.rows.is_dense() || gaussian.expected_support(problem.cost) <
                                          large_part * static_cast<double>(problem.rows.rows);
}

template <Real T>
WorkingSetSearch<T>::WorkingSetSearch(const Problem<T>& problem, const Candidates& candidates,
                                      const SolverSettings& settings,
                                      const RowStatistics<T>& statistics, ExecutorRef executor,
                                      const StopCondition& stop, Workspace<T>& workspace, T* scores,
                                      const SessionMemory<T>* memory) noexcept
    : problem_(problem),
      candidates_(candidates),
      settings_(settings),
      statistics_(statistics),
      memory_(memory),
      sketch_(memory != nullptr && memory->sketch != nullptr ? memory->sketch->sketch
                                                             : statistics.sketch),
      max_sketch_error_(memory != nullptr && memory->sketch != nullptr
                            ? memory->sketch->max_error
                            : statistics.max_sketch_error),
      executor_(executor),
      stop_(stop.earlier_by(seconds_to_return +
                            seconds_per_score * static_cast<double>(problem.rows.rows))),
      workspace_(workspace),
      panel_(*workspace.panel),
      scores_(scores),
      blocks_(row_blocks(problem.rows)) {}

template <Real T>
double WorkingSetSearch<T>::rough_tol() const noexcept {
    return problem_.rows.is_dense() ? rough_tol_dense : rough_tol_sparse;
}

template <Real T>
double WorkingSetSearch<T>::slack() const noexcept {
    return problem_.rows.is_dense() ? slack_dense : slack_sparse;
}

template <Real T>
bool WorkingSetSearch<T>::begin() noexcept {
    double mean_square = 0.0;
    for (std::size_t c = 0; problem_.mean != nullptr && c < problem_.rows.cols; ++c) {
        mean_square += problem_.mean[c] * problem_.mean[c];
    }
    largest_norm_ = std::sqrt(problem_.max_squared_norm) + std::sqrt(mean_square);

    const bool resumes = resume();
    if (!resumes && !fill_panel()) return false;
    if (stop_.reached()) return false;
    stage_ = Stage::solving;
    if (stop_.is_set()) begin_scan();
    const Stopwatch stopwatch(workspace_.profile.solve);
    Problem<T> problem = panel_.restrict(problem_);
    if (resumes) {
        problem.initial_dual = workspace_.dual.data();
        problem.initial_example_dual = memory_->example_dual.data();
    }
    solver_.emplace(problem, settings_, executor_, workspace_, panel_.scores.data(), stop_);
    solver_->start();
    solver_->approach(std::max(settings_.tol, rough_tol()));
    return !has_to_conclude();
}

/// Copies the rows that seem to score highest. Returns false if there was no time for that.
template <Real T>
bool WorkingSetSearch<T>::fill_panel() noexcept {
    panel_.clear(problem_.rows);
    const StoppableExecutor executor(executor_, stop_);
    const std::size_t n_chosen = choose(executor);
    if (stop_.reached()) return false;
    stage_ = Stage::guessed;
    const Stopwatch stopwatch(workspace_.profile.gather);
    panel_.add(problem_, workspace_.collected.data(), n_chosen, executor);
    return true;
}

/// Keeps those rows of the session's last panel that are near the margin or beyond. Returns false
/// if there are none, or too many of its rows are negatives no more; and among sparse rows, where
/// to choose costs less, and coefficients that were optimal for other examples are worth no more
/// than equal ones.
template <Real T>
bool WorkingSetSearch<T>::resume() noexcept {
    if (!problem_.rows.is_dense()) return false;
    if (memory_ == nullptr || memory_->holds != SessionMemory<T>::Holds::panel) return false;
    const Stopwatch stopwatch(workspace_.profile.choose);
    std::size_t n_lost = 0;
    const std::size_t n_before = panel_.size();
    double* const dual = workspace_.dual.data();
    panel_.retain(dual, [&](std::size_t s) noexcept {
        if (!is_negative(panel_.row(s))) {
            ++n_lost;
            return false;
        }
        return dual[s] > 0.0 || static_cast<double>(panel_.scores[s]) > -1.0 - slack();
    });
    gathered_before_ = memory_->seconds_to_gather * static_cast<double>(panel_.size()) /
                       static_cast<double>(std::max<std::size_t>(n_before, 1));
    return panel_.size() > 0 && 2 * n_lost <= n_before;
}

template <Real T>
bool WorkingSetSearch<T>::finish(double tol, double score_tol, SolveReport& report) noexcept {
    if (stage_ != Stage::solving) {
        constexpr double infinity = std::numeric_limits<double>::infinity();
        report.status = SolveStatus::deadline;
        report.gap = report.weights_error_bound = infinity;
        stopped_ = true;
        return true;
    }
    if (has_to_conclude()) {
        conclude(report);
        return true;
    }
    if (!has_joined_ && !join()) {
        if (has_to_conclude(seconds_over_all_rows())) {
            conclude(report);
            return true;
        }
        scatter_dual();
        return false;
    }
    has_joined_ = true;
    solver_->set_goal(tol, score_tol);
    for (;;) {
        {
            const Stopwatch stopwatch(workspace_.profile.solve);
            solver_->extend(panel_.restrict(problem_));
            report = solver_->finish();
        }
        rounding_ = report.score_rounding_bound;
        if (report.status == SolveStatus::deadline) {
            add_outside(report);
            return true;
        }
        const std::size_t n_joining = collect_violating();
        if (report.status == SolveStatus::epoch_limit) {
            if (n_joining > 0) add_outside(report);
            return true;
        }
        if (n_joining == 0) return true;
        const bool gives_up = panel_.size() + n_joining > panel_.capacity();
        if (has_to_conclude(gives_up ? seconds_over_all_rows() : seconds_to_gather(n_joining))) {
            conclude(report);
            return true;
        }
        if (gives_up) {
            scatter_dual();
            return false;
        }
        add_collected(n_joining);
    }
}

template <Real T>
bool WorkingSetSearch<T>::has_to_conclude(double seconds) const noexcept {
    return stop_.is_set() &&
           (cut_short_ || stop_.earlier_by(seconds_to_conclude() + seconds).reached());
}

/// What the solver takes over a panel in cache, and half of what it has taken to copy the panel for
/// bringing it back there, after a scan of all rows.
template <Real T>
double WorkingSetSearch<T>::seconds_to_conclude() const noexcept {
    return solver_->seconds_to_conclude() + 0.5 * seconds_to_gather();
}

/// Ends with the weights as they are.
template <Real T>
void WorkingSetSearch<T>::conclude(SolveReport& report) noexcept {
    const Stopwatch stopwatch(workspace_.profile.verify);
    report = solver_->conclude();
    rounding_ = report.score_rounding_bound;
    add_outside(report);
}

/// Brings the rows outside of the panel into what the solver has concluded about those inside.
template <Real T>
void WorkingSetSearch<T>::add_outside(SolveReport& report) noexcept {
    stopped_ = true;
    const double loss = outside_loss();
    report.primal += loss;
    report.gap += loss;
    // The root of a sum is at most the sum of the roots.
    report.weights_error_bound += weights_error_from_gap(loss);
}

/// An upper bound on the loss of the rows outside of the panel under the present weights.
template <Real T>
double WorkingSetSearch<T>::outside_loss() const noexcept {
    const Drift moved = drift();
    const double most = beyond_scan_at_most(moved);
    double square = 0.0;
    for (const T w : workspace_.weights.coef) {
        square += static_cast<double>(w) * static_cast<double>(w);
    }
    // By the inequality of Cauchy and Schwarz, for rows that have not been scanned.
    const double highest = std::sqrt(square) * largest_norm_ + workspace_.weights.intercept;
    const double unknown = loss_term(problem_.loss, problem_.cost, 1.0 + highest + rounding_);
    double loss = 0.0;
    for (std::size_t b = 0; b < blocks_.count(); ++b) {
        const auto highest_scanned = static_cast<double>(workspace_.block_highest[b]);
        if (workspace_.block_highest[b] == not_scanned<T>) {
            loss += unknown * static_cast<double>(blocks_.end(b) - blocks_.begin(b));
        } else if (!(highest_scanned + most <= -1.0)) {
            for (std::size_t i = blocks_.begin(b); i < blocks_.end(b); ++i) {
                if (!is_negative(i)) continue;
                const double score = static_cast<double>(scores_[i]) + beyond_scan(i, moved);
                loss += loss_term(problem_.loss, problem_.cost, 1.0 + score);
            }
        }
    }
    return loss;
}

/// Moves what the scan has found near the margin into the panel. Returns false if that is too much,
/// or takes too long.
template <Real T>
bool WorkingSetSearch<T>::join() noexcept {
    std::size_t n_joining = collect_near(-1.0 - slack());
    for (int scans = 1; n_joining > most_joining(); ++scans) {
        // The weights of the scan were far off. The worst rows of many make them better.
        if (scans == most_scans || panel_.size() == panel_.capacity() ||
            has_to_conclude(seconds_to_gather(std::min(n_joining, panel_.size())))) {
            return false;
        }
        add_worst(n_joining);
        {
            const Stopwatch stopwatch(workspace_.profile.solve);
            solver_->extend(panel_.restrict(problem_));
            solver_->approach(std::max(settings_.tol, rough_tol()));
        }
        if (has_to_conclude()) return false;
        scan();
        n_joining = collect_near(-1.0 - slack());
    }
    if (has_to_conclude(seconds_to_gather(n_joining))) return false;
    add_collected(n_joining);
    return true;
}

/// By what the rows so far have taken.
template <Real T>
double WorkingSetSearch<T>::seconds_to_gather(std::size_t n) const noexcept {
    return seconds_to_gather() * static_cast<double>(n) /
           static_cast<double>(std::max<std::size_t>(panel_.size(), 1));
}

/// At least what a solver over all rows takes: to begin with one scan of them, and to conclude() in
/// the time of three. A sketch is a quarter of float32 rows.
template <Real T>
double WorkingSetSearch<T>::seconds_over_all_rows() const noexcept {
    return (reads_sketch() ? 16.0 : 4.0) * workspace_.profile.scan;
}

/// A scan costs about as much as copying and visiting an eighth of the rows.
template <Real T>
std::size_t WorkingSetSearch<T>::most_joining() const noexcept {
    return std::min(panel_.capacity() - panel_.size(),
                    std::max(panel_.size(), problem_.rows.rows / 8));
}

/// Moves the collected rows that score highest into the panel, not more than it has.
template <Real T>
void WorkingSetSearch<T>::add_worst(std::size_t n_collected) noexcept {
    const std::size_t n_free = panel_.capacity() - panel_.size();
    const std::size_t n_worst =
        std::min({n_collected, std::max<std::size_t>(panel_.size(), 1), n_free});
    RowIndex* const collected = workspace_.collected.data();
    std::nth_element(collected, collected + n_worst - 1, collected + n_collected,
                     [&](RowIndex a, RowIndex b) {
                         return scores_[a] > scores_[b] || (scores_[a] == scores_[b] && a < b);
                     });
    add_collected(n_worst);
}

/// How many rows are chosen.
template <Real T>
std::size_t WorkingSetSearch<T>::n_wanted() const noexcept {
    const double root = std::sqrt(static_cast<double>(problem_.rows.rows));
    if (problem_.rows.is_dense()) return static_cast<std::size_t>(chosen_per_root_dense * root);
    const double n_support = statistics_.gaussian.expected_support(problem_.cost);
    return static_cast<std::size_t>(
        std::max(chosen_per_root_sparse * root, chosen_per_expected * n_support));
}

/// Collects the rows that seem to score highest under a Gaussian approximation of the weights.
template <Real T>
std::size_t WorkingSetSearch<T>::choose(ExecutorRef executor) noexcept {
    constexpr std::size_t n_sampled = 2048;
    const Stopwatch stopwatch(workspace_.profile.choose);
    const std::size_t n = problem_.rows.rows, d = problem_.rows.cols, p = problem_.examples.rows;
    if (problem_.rows.is_dense()) {
        double* const direction = workspace_.wide_coef.data();
        std::fill_n(direction, d, 0.0);
        for (std::size_t j = 0; j < p; ++j) {
            add_raw_example(problem_, j, 1.0 / static_cast<double>(p), direction);
        }
        statistics_.gaussian.suppress(direction);
        statistics_.sign_codes.guess_scores(direction, executor, workspace_.sign_scratch.data(),
                                            scores_);
    } else {
        statistics_.postings.guess_scores(problem_, executor, workspace_.coef.data(), scores_);
    }

    // The threshold is a quantile of a sample, spread evenly over the rows.
    const std::size_t n_chosen = std::min(n_wanted(), panel_.capacity());
    T sample[n_sampled + 1];
    std::size_t n_in_sample = 0;
    for (std::size_t s = 0; s < n_sampled; ++s) {
        const std::size_t i = s * n / n_sampled;
        if (is_negative(i)) sample[n_in_sample++] = scores_[i];
    }
    // Where few rows are negatives, the sample may have none of them: then all are chosen.
    sample[n_in_sample] = -std::numeric_limits<T>::infinity();
    T* const threshold = sample + std::min(n_sampled * n_chosen / n, n_in_sample);
    std::nth_element(sample, threshold, sample + n_in_sample + 1, std::greater<>());
    std::size_t n_collected = 0;
    for (std::size_t i = 0; i < n && n_collected < panel_.capacity(); ++i) {
        if (scores_[i] >= *threshold && is_negative(i)) {
            workspace_.collected[n_collected++] = static_cast<RowIndex>(i);
        }
    }
    return n_collected;
}

template <Real T>
void WorkingSetSearch<T>::leave_out_panel() noexcept {
    for (std::size_t s = 0; s < panel_.size(); ++s) {
        scores_[panel_.row(s)] = -std::numeric_limits<T>::infinity();
    }
}

template <Real T>
void WorkingSetSearch<T>::scan() noexcept {
    WorkingSetSearch* const alone[] = {this};
    scan_together(alone, 1, executor_);
}

/// Forgets which blocks have been scanned.
template <Real T>
void WorkingSetSearch<T>::begin_scan() noexcept {
    std::ranges::fill(block_highest(), not_scanned<T>);
}

/// Keeps the weights under which all rows have been scored.
template <Real T>
void WorkingSetSearch<T>::end_scan() noexcept {
    workspace_.scan_weights = workspace_.weights;
    double square = 0.0;
    for (const T w : workspace_.weights.coef) {
        square += static_cast<double>(w) * static_cast<double>(w);
    }
    const double intercept = workspace_.weights.intercept;
    scan_norm_ = std::sqrt(square);
    rounding_ = score_rounding_bound<T>(problem_.rows, scan_norm_ * largest_norm_, intercept);
    scan_rounding_ = reads_sketch() ? Sketch<T>::rounding(intercept) : rounding_;
    leave_out_panel();
    // In a batch, perhaps for the sake of a search that takes longer to conclude than this one.
    cut_short_ = !has_seen_all_rows();
}

template <Real T>
void scan_together(WorkingSetSearch<T>* const* searches, std::size_t n_searches,
                   ExecutorRef executor) noexcept {
    if (n_searches == 0) return;
    WeightsView<T> weights[max_batch];
    T* scores[max_batch];
    double seconds_to_conclude = 0.0;
    for (std::size_t q = 0; q < n_searches; ++q) {
        if (searches[q]->stop_.is_set()) {
            searches[q]->begin_scan();
        }
        seconds_to_conclude = std::max(seconds_to_conclude, searches[q]->seconds_to_conclude());
        weights[q] = searches[q]->workspace_.weights.view();
        scores[q] = searches[q]->scores_;
    }
    double seconds = 0.0;
    {
        const Stopwatch stopwatch(seconds);
        const RowsView<T>& rows = searches[0]->problem_.rows;
        const Sketch<T>& sketch = searches[0]->sketch_;
        for (std::size_t q = 0; q < n_searches && !sketch.empty(); ++q) {
            searches[q]->workspace_.sketch_weights->assign(weights[q]);
        }
        const StoppableExecutor stoppable(executor,
                                          searches[0]->stop_.earlier_by(seconds_to_conclude));
        for_each_block(stoppable, row_blocks(rows),
                       [&](std::size_t begin, std::size_t end, std::size_t block) noexcept {
                           if (sketch.empty()) {
                               score_block_together(rows, begin, end, weights, n_searches, scores);
                           }
                           for (std::size_t q = 0; q < n_searches && !sketch.empty(); ++q) {
                               sketch.score_block(begin, end,
                                                  *searches[q]->workspace_.sketch_weights,
                                                  scores[q] + begin);
                           }
                           for (std::size_t q = 0; q < n_searches; ++q) {
                               searches[q]->workspace_.block_highest[block] =
                                   *std::max_element(scores[q] + begin, scores[q] + end);
                           }
                       });
        for (std::size_t q = 0; q < n_searches; ++q) searches[q]->end_scan();
    }
    for (std::size_t q = 0; q < n_searches; ++q) {
        searches[q]->workspace_.profile.scan += seconds / static_cast<double>(n_searches);
    }
}

/// Collects into workspace.collected the rows outside of the panel that scored above a threshold
/// in the scan.
template <Real T>
std::size_t WorkingSetSearch<T>::collect_near(double threshold) noexcept {
    const Stopwatch stopwatch(workspace_.profile.verify);
    return collect(threshold, [&](std::size_t i) noexcept { return is_negative(i); });
}

/// Collects the rows outside of the panel whose score may exceed the threshold under the present
/// weights, if `concerns` them.
template <Real T>
template <class Test>
std::size_t WorkingSetSearch<T>::collect_reaching(double threshold, Test&& concerns) noexcept {
    const Stopwatch stopwatch(workspace_.profile.verify);
    const Drift moved = drift();
    return collect(threshold - beyond_scan_at_most(moved), [&](std::size_t i) noexcept {
        // What is not a number is looked at.
        return concerns(i) &&
               !(static_cast<double>(scores_[i]) + beyond_scan(i, moved) <= threshold);
    });
}

template <Real T>
auto WorkingSetSearch<T>::drift() const noexcept -> Drift {
    // f - f_1 = (w - w_1).(x - m) + (w - w_1).m + b - b_1 with the mean m, where there is one.
    const Weights<T>& scanned = workspace_.scan_weights;
    const Weights<T>& weights = workspace_.weights;
    double square = 0.0, common = weights.intercept - scanned.intercept;
    for (std::size_t c = 0; c < problem_.rows.cols; ++c) {
        const double change =
            static_cast<double>(weights.coef[c]) - static_cast<double>(scanned.coef[c]);
        square += change * change;
        if (problem_.mean != nullptr) common += change * problem_.mean[c];
    }
    return {std::sqrt(square), common + scan_rounding_ + rounding_};
}

/// A bound on the score of a row under the present weights, less its score in the scan.
template <Real T>
double WorkingSetSearch<T>::beyond_scan(std::size_t i, const Drift& drift) const noexcept {
    const double sketch_error = reads_sketch() ? static_cast<double>(sketch_.error(i)) : 0.0;
    return drift.common + scan_norm_ * sketch_error +
           drift.distance * std::sqrt(static_cast<double>(problem_.squared_norms[i]));
}

/// The same for any row.
template <Real T>
double WorkingSetSearch<T>::beyond_scan_at_most(const Drift& drift) const noexcept {
    return drift.common + scan_norm_ * max_sketch_error_ +
           drift.distance * std::sqrt(problem_.max_squared_norm);
}

template <Real T>
template <class Test>
std::size_t WorkingSetSearch<T>::collect(double lowest, Test&& test) noexcept {
    constexpr T left_out = -std::numeric_limits<T>::infinity();
    std::size_t n_collected = 0;
    for (std::size_t b = 0; b < blocks_.count(); ++b) {
        // There, all scores are still guesses.
        if (workspace_.block_highest[b] == not_scanned<T>) continue;
        if (static_cast<double>(workspace_.block_highest[b]) <= lowest) continue;
        for (std::size_t i = blocks_.begin(b); i < blocks_.end(b); ++i) {
            if (static_cast<double>(scores_[i]) <= lowest || scores_[i] == left_out) continue;
            if (test(i)) workspace_.collected[n_collected++] = static_cast<RowIndex>(i);
        }
    }
    return n_collected;
}

/// Scores the collected rows under the present weights, or if there are none by their guesses.
template <Real T>
void WorkingSetSearch<T>::score_collected(std::size_t n_collected) noexcept {
    const Stopwatch stopwatch(workspace_.profile.verify);
    if (stage_ != Stage::solving) {
        for (std::size_t s = 0; s < n_collected; ++s) {
            workspace_.collected_scores[s] = scores_[workspace_.collected[s]];
        }
        return;
    }
    const RowBlocks blocks(n_collected, problem_.rows.bytes_per_row());
    for_each_block(executor_, blocks,
                   [&](std::size_t begin, std::size_t end, std::size_t) noexcept {
                       for (std::size_t s = begin; s < end; ++s) {
                           const std::size_t i = workspace_.collected[s];
                           score_block(problem_.rows, i, i + 1, workspace_.weights.view(),
                                       workspace_.collected_scores.data() + s);
                       }
                   });
}

/// Collects the rows outside of the panel that score above -1.
template <Real T>
std::size_t WorkingSetSearch<T>::collect_violating() noexcept {
    const std::size_t n_reaching =
        collect_reaching(-1.0, [&](std::size_t i) noexcept { return is_negative(i); });
    score_collected(n_reaching);
    std::size_t n_violating = 0;
    for (std::size_t s = 0; s < n_reaching; ++s) {
        if (static_cast<double>(workspace_.collected_scores[s]) + rounding_ > -1.0) {
            workspace_.collected[n_violating++] = workspace_.collected[s];
        }
    }
    return n_violating;
}

/// Moves the first n rows collected into the panel.
template <Real T>
void WorkingSetSearch<T>::add_collected(std::size_t n) noexcept {
    const Stopwatch stopwatch(workspace_.profile.gather);
    panel_.add(problem_, workspace_.collected.data(), n, executor_);
    for (std::size_t s = 0; s < n; ++s) {
        scores_[workspace_.collected[s]] = -std::numeric_limits<T>::infinity();
    }
}

template <Real T>
bool WorkingSetSearch<T>::has_seen_all_rows() const noexcept {
    if (!stop_.is_set()) return true;
    return stage_ == Stage::solving &&
           std::ranges::find(block_highest(), not_scanned<T>) == block_highest().end();
}

template <Real T>
void WorkingSetSearch<T>::rank(TopK<T>& best) noexcept {
    if (stage_ == Stage::guessed) candidates_.offer(scores_, problem_.rows.rows, best);
    if (stage_ != Stage::solving) return;
    for (std::size_t s = 0; s < panel_.size(); ++s) {
        const RowIndex row = panel_.row(s);
        if (candidates_.contain(row)) best.offer(panel_.scores[s], static_cast<RowNumber>(row));
    }
    // Negatives outside of the panel score at most -1, unless there was no time to see to that. All
    // rows are negatives, or all that are candidates.
    if (!stopped_ && (problem_.background == nullptr || problem_.background == candidates_.mask) &&
        static_cast<double>(best.threshold()) > -1.0 + rounding_) {
        return;
    }
    const std::size_t n_reaching =
        collect_reaching(static_cast<double>(best.threshold()),
                         [&](std::size_t i) noexcept { return candidates_.contain(i); });
    score_collected(n_reaching);
    for (std::size_t s = 0; s < n_reaching; ++s) {
        best.offer(workspace_.collected_scores[s], static_cast<RowNumber>(workspace_.collected[s]));
    }
}

template <Real T>
void WorkingSetSearch<T>::scatter_dual() noexcept {
    panel_.scatter(workspace_.dual);
}

template void scan_together(WorkingSetSearch<float>* const*, std::size_t, ExecutorRef) noexcept;
template void scan_together(WorkingSetSearch<double>* const*, std::size_t, ExecutorRef) noexcept;
template class WorkingSetSearch<float>;
template class WorkingSetSearch<double>;

}  // namespace exemplar_svm
