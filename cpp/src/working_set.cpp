#include "working_set.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "dual_coordinate_descent.hpp"
#include "exemplar_svm/scan.hpp"
#include "exemplar_svm/workspace.hpp"
#include "kernels/dispatch.hpp"

namespace exemplar_svm {
namespace {

// The number of support rows grows slowly with n: about 560 of 10,000 and 730 of 60,000 text
// embeddings at C = 0.1. So many rows are chosen, per square root of n.
constexpr double chosen_per_root = 6.0;

// Before all rows have been scanned, more than a rough solution would be wasted.
constexpr double rough_tol = 0.2;

// Rows that come this close to the margin in the scan join the panel too: the weights still move.
constexpr double slack = 0.02;

}  // namespace

template <Real T>
WorkingSetSearch<T>::WorkingSetSearch(const Problem<T>& problem, const SolverSettings& settings,
                                      const Background<T>& background,
                                      const Signatures<T>& signatures, ExecutorRef executor,
                                      Workspace<T>& workspace, T* scores) noexcept
    : problem_(problem),
      settings_(settings),
      background_(background),
      signatures_(signatures),
      executor_(executor),
      workspace_(workspace),
      panel_(*workspace.panel),
      scores_(scores),
      blocks_(row_blocks(problem.rows)) {}

template <Real T>
bool WorkingSetSearch<T>::solve(SolveReport& report) noexcept {
    panel_.clear();
    if (!add_collected(choose())) return false;
    DualCoordinateDescent<T> solver(panel_.restrict(problem_), settings_, executor_, workspace_,
                                    panel_.scores.data());
    {
        const Stopwatch stopwatch(workspace_.profile.solve);
        solver.start();
        solver.approach(std::max(settings_.tol, rough_tol));
    }
    scan();
    std::size_t n_joining = collect_reaching(-1.0 - slack);
    for (;;) {
        if (!add_collected(n_joining)) return false;
        {
            const Stopwatch stopwatch(workspace_.profile.solve);
            solver.extend(panel_.restrict(problem_));
            report = solver.finish();
        }
        rounding_ = report.score_rounding_bound;
        if (report.status == SolveStatus::epoch_limit) {
            scatter_dual();
            return false;
        }
        n_joining = collect_violating();
        if (n_joining == 0) return true;
    }
}

/// Collects the rows that seem to score highest under a Gaussian approximation of the weights.
template <Real T>
std::size_t WorkingSetSearch<T>::choose() noexcept {
    constexpr std::size_t n_sampled = 2048;
    const Stopwatch stopwatch(workspace_.profile.choose);
    const std::size_t n = problem_.rows.rows, d = problem_.rows.cols, p = problem_.positives.rows;
    double* const direction = workspace_.wide_coef.data();
    std::fill_n(direction, d, 0.0);
    const auto& kernels = kernels::active_table<T>();
    for (std::size_t j = 0; j < p; ++j) {
        kernels.axpy_wide(1.0 / static_cast<double>(p), problem_.positives.row(j), direction, d);
    }
    background_.suppress(direction);
    signatures_.guess_scores(direction, executor_, workspace_.signature_scratch.data(), scores_);

    // The threshold is a quantile of a sample, spread evenly over the rows.
    const auto wanted =
        static_cast<std::size_t>(chosen_per_root * std::sqrt(static_cast<double>(n)));
    const std::size_t n_chosen = std::min(wanted, panel_.capacity());
    T sample[n_sampled];
    for (std::size_t s = 0; s < n_sampled; ++s) sample[s] = scores_[s * n / n_sampled];
    T* const threshold = sample + n_sampled * n_chosen / n;
    std::nth_element(sample, threshold, sample + n_sampled, std::greater<>());
    std::size_t n_collected = 0;
    for (std::size_t i = 0; i < n && n_collected < panel_.capacity(); ++i) {
        if (scores_[i] >= *threshold) {
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

/// Scores all rows, and keeps the weights under which it did.
template <Real T>
void WorkingSetSearch<T>::scan() noexcept {
    const Stopwatch stopwatch(workspace_.profile.scan);
    const WeightsView<T> weights = workspace_.weights.view();
    for_each_block(
        executor_, blocks_, [&](std::size_t begin, std::size_t end, std::size_t block) noexcept {
            score_block(problem_.rows, begin, end, weights, scores_ + begin);
            workspace_.block_highest[block] = *std::max_element(scores_ + begin, scores_ + end);
        });
    workspace_.scan_weights = workspace_.weights;
    double square = 0.0, mean_square = 0.0;
    for (std::size_t c = 0; c < problem_.rows.cols; ++c) {
        square += static_cast<double>(weights.coef[c]) * static_cast<double>(weights.coef[c]);
        if (problem_.mean != nullptr) mean_square += problem_.mean[c] * problem_.mean[c];
    }
    const double largest_norm = std::sqrt(problem_.max_squared_norm) + std::sqrt(mean_square);
    scan_rounding_ = rounding_ = score_rounding_bound<T>(
        problem_.rows.cols, std::sqrt(square) * largest_norm, weights.intercept);
    leave_out_panel();
}

/// Collects into workspace.collected the rows outside of the panel whose score may exceed the
/// threshold under the present weights.
template <Real T>
std::size_t WorkingSetSearch<T>::collect_reaching(double threshold) noexcept {
    const Stopwatch stopwatch(workspace_.profile.verify);
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
    const double distance = std::sqrt(square);
    const double lowest = threshold - common - scan_rounding_ - rounding_;
    const double lowest_of_all = lowest - distance * std::sqrt(problem_.max_squared_norm);

    std::size_t n_collected = 0;
    for (std::size_t b = 0; b < blocks_.count(); ++b) {
        if (static_cast<double>(workspace_.block_highest[b]) <= lowest_of_all) continue;
        for (std::size_t i = blocks_.begin(b); i < blocks_.end(b); ++i) {
            const auto score = static_cast<double>(scores_[i]);
            if (score <= lowest_of_all) continue;
            const auto norm = std::sqrt(static_cast<double>(problem_.squared_norms[i]));
            if (score + distance * norm > lowest) {
                workspace_.collected[n_collected++] = static_cast<RowIndex>(i);
            }
        }
    }
    return n_collected;
}

/// Scores the collected rows under the present weights.
template <Real T>
void WorkingSetSearch<T>::score_collected(std::size_t n_collected) noexcept {
    const Stopwatch stopwatch(workspace_.profile.verify);
    const RowBlocks blocks(n_collected, problem_.rows.cols * sizeof(T));
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
    const std::size_t n_reaching = collect_reaching(-1.0);
    score_collected(n_reaching);
    std::size_t n_violating = 0;
    for (std::size_t s = 0; s < n_reaching; ++s) {
        if (static_cast<double>(workspace_.collected_scores[s]) + rounding_ > -1.0) {
            workspace_.collected[n_violating++] = workspace_.collected[s];
        }
    }
    return n_violating;
}

/// Moves the collected rows into the panel. Returns false if they do not fit.
template <Real T>
bool WorkingSetSearch<T>::add_collected(std::size_t n_collected) noexcept {
    const Stopwatch stopwatch(workspace_.profile.gather);
    if (panel_.size() + n_collected > panel_.capacity()) {
        scatter_dual();
        return false;
    }
    panel_.add(problem_, workspace_.collected.data(), n_collected, executor_);
    for (std::size_t s = 0; s < n_collected; ++s) {
        scores_[workspace_.collected[s]] = -std::numeric_limits<T>::infinity();
    }
    return true;
}

template <Real T>
void WorkingSetSearch<T>::rank(TopK<T>& best) noexcept {
    for (std::size_t s = 0; s < panel_.size(); ++s) {
        best.offer(panel_.scores[s], static_cast<RowNumber>(panel_.row(s)));
    }
    // Rows outside of the panel score at most -1.
    if (static_cast<double>(best.threshold()) > -1.0 + rounding_) return;
    const std::size_t n_reaching = collect_reaching(static_cast<double>(best.threshold()));
    score_collected(n_reaching);
    for (std::size_t s = 0; s < n_reaching; ++s) {
        best.offer(workspace_.collected_scores[s], static_cast<RowNumber>(workspace_.collected[s]));
    }
}

template <Real T>
void WorkingSetSearch<T>::scatter_dual() noexcept {
    panel_.scatter(workspace_.dual);
}

template class WorkingSetSearch<float>;
template class WorkingSetSearch<double>;

}  // namespace exemplar_svm
