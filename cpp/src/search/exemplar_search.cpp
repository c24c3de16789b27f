#include "search/exemplar_search.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/stoppable_executor.hpp"
#include "exemplar_svm/certificate.hpp"
#include "exemplar_svm/scan.hpp"
#include "problem/standardization.hpp"
#include "solve/gram_descent.hpp"

namespace exemplar_svm {
namespace {

/// A violation of tol leaves scores that differ by up to about tol from the exact ones, enough to
/// swap close ranks; proving them to this part of it costs two to five epochs over few rows and
/// makes nearly all ranks certain (docs/numerics.md).
constexpr double score_tol_per_tol = 0.02;

/// Where the proof of some leading ranks is all that is asked for, it is tried here first.
constexpr double early_tol_per_tol = 30.0;

/// Rows are read from memory at least as fast as this, wherever they are.
constexpr double seconds_per_byte = 2.5e-10;

/// At most what it takes to score the rows that standardize a search.
template <Real T>
double seconds_to_standardize(const RowsView<T>& rows) noexcept {
    const std::size_t n = std::min(rows.rows, max_standardizing);
    return seconds_per_byte * static_cast<double>(n * rows.bytes_per_row());
}

SearchStatus search_status(SolveStatus status) noexcept {
    switch (status) {
        case SolveStatus::epoch_limit: return SearchStatus::epoch_limit;
        case SolveStatus::precision_limit: return SearchStatus::precision_limit;
        case SolveStatus::deadline: return SearchStatus::deadline;
        case SolveStatus::converged: break;
    }
    return SearchStatus::converged;
}

template <Real T>
InvalidInput why_invalid(const SearchSettings& settings, const Query<T>& query,
                         const RowsView<T>& rows, const RowStatistics<T>& statistics,
                         const Workspace<T>& workspace) noexcept {
    if (!is_valid(settings)) return InvalidInput::setting_out_of_range;
    if (!statistics.are_finite) return InvalidInput::rows_not_finite;
    return why_invalid(query, rows, statistics.live_mask(), workspace);
}

}  // namespace

template <Real T>
ExemplarSearch<T>::ExemplarSearch(const RowsView<T>& rows, const RowStatistics<T>& statistics,
                                  const IndexSettings& index, const SearchSettings& settings,
                                  const Query<T>& query, ExecutorRef executor,
                                  const StopCondition& stop, Workspace<T>& workspace, T* scores,
                                  SessionMemory<T>* memory) noexcept
    : rows_(rows),
      statistics_(statistics),
      index_(index),
      search_(settings),
      executor_(executor),
      stop_(settings.standardize ? stop.earlier_by(seconds_to_standardize(rows)) : stop),
      workspace_(workspace),
      scores_(scores),
      memory_(memory),
      reason_(why_invalid(settings, query, rows, statistics, workspace)) {
    if (reason_ != InvalidInput::none) return;
    workspace_.profile = {};
    candidates_ =
        state_query(query, rows_, statistics_.live_mask(), index_, search_.C, workspace_, problem_);
    problem_.squared_norms = statistics_.squared_norms.data();
    problem_.max_squared_norm = statistics_.max_squared_norm;
    problem_.loss = index_.loss;
    problem_.intercept_scaling = index_.intercept_scaling;
    problem_.prior = search_.prior;
    if (!statistics_.mean.empty()) {
        problem_.mean = statistics_.mean.data();
        problem_.mean_products = statistics_.mean_products.data();
        problem_.mean_error = statistics_.mean_error;
    }
    settings_ = search_.solver;
    settings_.score_tol = std::min(settings_.score_tol, score_tol_per_tol * settings_.tol);
}

template <Real T>
bool ExemplarSearch<T>::begin() noexcept {
    if (reason_ != InvalidInput::none) return false;
    if (statistics_.gaussian.empty() || problem_.examples.rows > ExampleBlock::capacity) {
        if (memory_ != nullptr && memory_->holds == SessionMemory<T>::Holds::rows) {
            problem_.initial_dual = workspace_.dual.data();
            problem_.initial_example_dual = memory_->example_dual.data();
        }
        return false;
    }
    if (!WorkingSetSearch<T>::suits(problem_, statistics_.gaussian)) return false;
    if (PrimalDescent<T>::can_solve(problem_, statistics_.gaussian) &&
        PrimalDescent<T>::suits(problem_, statistics_.gaussian, stop_)) {
        start_in_primal();
        return false;
    }
    working_set_.emplace(problem_, candidates_, settings_, statistics_, executor_, stop_,
                         workspace_, scores_, memory_);
    return working_set_->begin();
}

template <Real T>
SearchReport ExemplarSearch<T>::rank(std::size_t k, T* scores_out, RowNumber* rows_out) noexcept {
    std::fill_n(scores_out, k, -std::numeric_limits<T>::infinity());
    std::fill_n(rows_out, k, RowNumber{-1});
    const std::size_t n_returned = std::min(k, rows_.rows);
    if (reason_ == InvalidInput::none && n_returned > workspace_.max_ranks()) {
        reason_ = InvalidInput::workspace_too_small;
    }
    if (reason_ != InvalidInput::none) return report();
    const std::size_t certify = std::min(search_.certify, n_returned);
    std::size_t n_ranked = 0, certified = 0;
    const bool early = certify > 0 && working_set_;
    if (early) {
        const double early_tol = early_tol_per_tol * settings_.tol;
        certified =
            rank_at(early_tol, std::numeric_limits<double>::infinity(), n_returned, n_ranked);
    }
    // Where the working set has been given up, all rows have been solved for to the end.
    const bool stopped = solved_.status == SolveStatus::deadline;
    if (!early || (certified < certify && working_set_ && !stopped)) {
        certified = rank_at(settings_.tol, settings_.score_tol, n_returned, n_ranked);
    }
    n_ranked = std::min(n_returned, n_ranked);
    for (std::size_t rank = 0; rank < n_ranked; ++rank) {
        scores_out[rank] = workspace_.ranking[rank].score;
        rows_out[rank] = workspace_.ranking[rank].row;
    }
    if (search_.standardize) standardize(scores_out, n_ranked);
    if (memory_ != nullptr) remember();
    SearchReport done = report();
    done.certified_k = certified;
    return done;
}

/// Tells the session what the next search may begin with.
template <Real T>
void ExemplarSearch<T>::remember() noexcept {
    using Holds = typename SessionMemory<T>::Holds;
    if (std::isnan(solved_.gap)) {
        memory_->holds = Holds::nothing;
    } else if (!working_set_) {
        memory_->holds = Holds::rows;
    } else {
        memory_->holds = working_set_->can_be_resumed() ? Holds::panel : Holds::nothing;
        memory_->seconds_to_gather = working_set_->seconds_to_gather();
    }
}

/// Solves up to a goal, ranks into workspace.ranking, and returns how many ranks are proven.
template <Real T>
std::size_t ExemplarSearch<T>::rank_at(double tol, double score_tol, std::size_t n_returned,
                                       std::size_t& n_ranked) noexcept {
    TopK<T> best(workspace_.ranking.data(), n_returned + 1);
    solve(tol, score_tol, &best);
    const Stopwatch stopwatch(workspace_.profile.verify);
    // Fewer than rows if scores are NaN, or the search was stopped before it had seen all.
    n_ranked = best.finish();
    if (working_set_ && !working_set_->has_seen_all_rows()) return 0;
    return certified_ranks(workspace_.ranking.data(), n_ranked, std::min(n_returned, n_ranked),
                           candidates_.count, rows_, statistics_.squared_norms.data(),
                           statistics_.max_squared_norm, score_error());
}

template <Real T>
SearchReport ExemplarSearch<T>::fit() noexcept {
    if (reason_ != InvalidInput::none) {
        forget();
        return report();
    }
    solve(settings_.tol, settings_.score_tol, nullptr);
    for (std::size_t i = 0; i < rows_.rows; ++i) {
        if (!statistics_.is_live(i)) scores_[i] = -std::numeric_limits<T>::infinity();
    }
    return report();
}

/// Leaves no weights and scores of another search where a fit's would be.
template <Real T>
void ExemplarSearch<T>::forget() noexcept {
    constexpr T nothing = std::numeric_limits<T>::quiet_NaN();
    std::fill_n(scores_, rows_.rows, nothing);
    std::ranges::fill(workspace_.weights.coef, nothing);
    workspace_.weights.intercept = nothing;
    std::ranges::fill(workspace_.dual, 0.0);
    std::ranges::fill(workspace_.example_dual, 0.0);
}

template <Real T>
void ExemplarSearch<T>::solve(double tol, double score_tol, TopK<T>* best) noexcept {
    if (working_set_) {
        if (solve_with_working_set(tol, score_tol, best)) return;
        working_set_.reset();
        if (PrimalDescent<T>::can_solve(problem_, statistics_.gaussian)) {
            start_in_primal();
        }
    }
    if (primal_ ? solve_in_primal(best) : solve_with_gram_matrix(best)) return;
    primal_.reset();
    solve_over_all_rows(best);
}

/// Returns false if another solver has to go on; the problem then begins where this ended.
template <Real T>
bool ExemplarSearch<T>::solve_with_gram_matrix(TopK<T>* best) noexcept {
    // It forms no weights, which a fit is asked for.
    if (best == nullptr || statistics_.gram.empty() ||
        problem_.examples.rows > ExampleBlock::capacity) {
        return false;
    }
    const Stopwatch stopwatch(workspace_.profile.solve);
    GramDescent<T> solver(problem_, settings_, statistics_.gram, executor_, workspace_, scores_,
                          stop_);
    if (solver.solve(solved_) == Outcome::hand_over) {
        problem_.initial_dual = workspace_.dual.data();
        problem_.initial_example_dual = workspace_.example_dual.data();
        return false;
    }
    candidates_.offer(scores_, rows_.rows, *best);
    return true;
}

/// The same, after the scan.
template <Real T>
bool ExemplarSearch<T>::solve_with_working_set(double tol, double score_tol,
                                               TopK<T>* best) noexcept {
    if (!working_set_->finish(tol, score_tol, solved_)) {
        problem_.initial_dual = workspace_.dual.data();
        problem_.initial_example_dual = workspace_.example_dual.data();
        return false;
    }
    if (best != nullptr) {
        working_set_->rank(*best);
    } else {
        working_set_->scatter_dual();
        const Stopwatch stopwatch(workspace_.profile.scan);
        score_rows(rows_, workspace_.weights.view(), StoppableExecutor(executor_, stop_), scores_);
    }
    return true;
}

template <Real T>
void ExemplarSearch<T>::start_in_primal() noexcept {
    primal_.emplace(problem_, settings_left(), statistics_.gaussian, executor_, stop_, workspace_,
                    scores_);
}

/// Where many rows support.
template <Real T>
bool ExemplarSearch<T>::solve_in_primal(TopK<T>* best) noexcept {
    const Stopwatch stopwatch(workspace_.profile.solve);
    const std::uint32_t epochs_before = solved_.epochs;
    if (primal_->solve(best == nullptr, solved_) == Outcome::hand_over) {
        problem_.initial_dual = workspace_.dual.data();
        problem_.initial_example_dual = workspace_.example_dual.data();
        return false;
    }
    solved_.epochs += epochs_before;
    if (best != nullptr) {
        primal_->rank(candidates_, *best);
    } else {
        primal_->score_all();
    }
    return true;
}

template <Real T>
void ExemplarSearch<T>::solve_over_all_rows(TopK<T>* best) noexcept {
    const Stopwatch stopwatch(workspace_.profile.solve);
    const std::uint32_t epochs_before = solved_.epochs;
    solved_ = exemplar_svm::solve(problem_, settings_left(), executor_, workspace_, scores_, stop_);
    solved_.epochs += epochs_before;
    if (best != nullptr) candidates_.offer(scores_, rows_.rows, *best);
}

/// With the epochs that are left.
template <Real T>
SolverSettings ExemplarSearch<T>::settings_left() const noexcept {
    SolverSettings left = settings_;
    left.max_epochs -= std::min(solved_.epochs, left.max_epochs - 1);
    return left;
}

/// Brings the scores of ranked rows onto the scale of the background's.
template <Real T>
void ExemplarSearch<T>::standardize(T* scores, std::size_t n) noexcept {
    if (n == 0) return;
    const std::size_t n_sampled = sample_background(problem_, workspace_.collected.data());
    if (working_set_) {
        working_set_->score_collected(n_sampled);
    } else {  // the other solvers leave the scores of all rows, or bring them up to date
        if (primal_) primal_->score_collected(n_sampled);
        for (std::size_t s = 0; s < n_sampled; ++s) {
            workspace_.collected_scores[s] = scores_[workspace_.collected[s]];
        }
    }
    const ScoreScale scale = score_scale(workspace_.collected_scores.data(), n_sampled);
    std::transform(scores, scores + n, scores,
                   [&](T score) { return static_cast<T>(scale(static_cast<double>(score))); });
}

template <Real T>
ScoreError ExemplarSearch<T>::score_error() const noexcept {
    return {solved_.weights_error_bound, solved_.score_rounding_bound, index_.intercept_scaling};
}

template <Real T>
SearchReport ExemplarSearch<T>::report() const noexcept {
    SearchReport report;
    if (reason_ != InvalidInput::none) {
        report.status = SearchStatus::invalid_input;
        report.reason = reason_;
        return report;
    }
    report.status = search_status(solved_.status);
    // Rows that have become so since they were measured.
    if (std::isnan(solved_.gap)) {
        report.status = SearchStatus::invalid_input;
        report.reason = InvalidInput::rows_not_finite;
    }
    report.epochs = solved_.epochs;
    report.n_support = solved_.n_support;
    report.duality_gap = solved_.gap;
    report.score_error_bound = score_error().bound(statistics_.max_squared_norm);
    // Whatever conditions hold: objectives that are so far apart are not those of a solution.
    constexpr double unsolved = 1e-3;
    if (report.status == SearchStatus::converged &&
        !(report.duality_gap <= unsolved * (1.0 + solved_.primal))) {
        report.status = SearchStatus::precision_limit;
    }
    report.profile = workspace_.profile;
    return report;
}

template class ExemplarSearch<float>;
template class ExemplarSearch<double>;

}  // namespace exemplar_svm
