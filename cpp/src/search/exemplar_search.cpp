#include "search/exemplar_search.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "problem/standardization.hpp"
#include "search/scratch.hpp"

namespace exemplar_svm {
namespace {

/// A violation of tol leaves score errors of up to about tol, enough to swap close ranks. Proving
/// scores to this fraction of tol costs two to five epochs over few rows and certifies nearly all
/// ranks (docs/numerics.md).
constexpr double score_tol_per_tol = 0.02;

/// A search that need only certify some leading ranks tries this multiple of tol first.
constexpr double early_tol_per_tol = 30.0;

/// Rows are read at least this fast, from cache or from memory.
constexpr double seconds_per_byte = 2.5e-10;

/// Upper estimate of the time to score the rows that standardize a search.
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
                         Workspace<T>& workspace) noexcept {
    if (!is_valid(settings)) return InvalidInput::setting_out_of_range;
    if (!statistics.are_finite) return InvalidInput::rows_not_finite;
    if (query.n_positives() == 0) return InvalidInput::no_positives;
    if (!workspace.has_room_for(rows)) return InvalidInput::workspace_too_small;
    return why_invalid(query, rows, statistics.live_mask(), workspace.scratch().query);
}

/// Calls call(strategy) with the strategy at work, if any.
template <class Search, class Call>
void with(Search& search, Call&& call) noexcept {
    std::visit(
        [&](auto& strategy) noexcept {
            if constexpr (!std::is_same_v<std::decay_t<decltype(strategy)>, std::monostate>) {
                call(strategy);
            }
        },
        search);
}

}  // namespace

template <Real T>
ExemplarSearch<T>::ExemplarSearch(const RowsView<T>& rows, const RowStatistics<T>& statistics,
                                  const IndexSettings& index, const SearchSettings& settings,
                                  const Query<T>& query, Purpose purpose, ExecutorRef executor,
                                  const StopCondition& stop, Workspace<T>& workspace, T* scores,
                                  SessionMemory<T>* memory) noexcept
    : rows_(rows),
      statistics_(statistics),
      index_(index),
      settings_(settings),
      stop_(settings.standardize ? stop.earlier_by(seconds_to_standardize(rows)) : stop),
      scratch_(workspace.scratch()),
      memory_(memory),
      reason_(why_invalid(settings, query, rows, statistics, workspace)),
      task_{problem_, candidates_, solver_settings_, statistics, purpose,
            executor, stop_,       scratch_,         scores} {
    if (reason_ != InvalidInput::none) return;
    scratch_.profile = {};
    candidates_ = state_query(query, rows, statistics.live_mask(), index, settings.C,
                              scratch_.query, problem_);
    problem_.squared_norms = statistics.squared_norms.data();
    problem_.max_squared_norm = statistics.max_squared_norm;
    problem_.loss = index.loss;
    problem_.intercept_scaling = index.intercept_scaling;
    problem_.prior = settings.prior;
    if (!statistics.mean.empty()) {
        problem_.mean = statistics.mean.data();
        problem_.mean_products = statistics.mean_products.data();
        problem_.mean_error = statistics.mean_error;
    }
    solver_settings_ = settings.solver;
    solver_settings_.score_tol =
        std::min(solver_settings_.score_tol, score_tol_per_tol * solver_settings_.tol);
    situation_ = situation_of(problem_, statistics, index.method, purpose, stop_);
    strategy_ = plan(situation_);
}

template <Real T>
void ExemplarSearch<T>::prepare() noexcept {
    if (reason_ != InvalidInput::none) return;
    // Where sparse rows have a model, dual coefficients for other examples are no better a start
    // than equal ones.
    const bool resumes = memory_ != nullptr && memory_->holds == SessionMemory<T>::Holds::rows &&
                         (rows_.is_dense() || statistics_.gaussian.empty());
    if (resumes) std::ranges::copy(memory_->example_dual, scratch_.solution.example_dual.begin());
    begin(strategy_, resumes ? Start::solution : Start::zeros);
    if (auto* const search = working_set()) wants_scan_ = search->prepare();
}

template <Real T>
void ExemplarSearch<T>::begin(Strategy strategy, Start from) noexcept {
    strategy_ = strategy;
    switch (strategy) {
        case Strategy::full: search_.template emplace<FullSearch<T>>(task_, from); return;
        case Strategy::gram: search_.template emplace<GramSearch<T>>(task_, from); return;
        case Strategy::primal: search_.template emplace<PrimalSearch<T>>(task_); return;
        case Strategy::working_set:
            search_.template emplace<WorkingSetSearch<T>>(
                problem_, candidates_, solver_settings_, statistics_, task_.executor, stop_,
                scratch_.working_set, scratch_.descent, scratch_.profile, task_.scores, memory_);
    }
}

template <Real T>
void scan(ExemplarSearch<T>* const* searches, std::size_t n_searches,
          ExecutorRef executor) noexcept {
    WorkingSetSearch<T>* scanning[max_batch];
    std::size_t n_scanning = 0;
    for (std::size_t q = 0; q < n_searches; ++q) {
        if (searches[q]->wants_scan_) scanning[n_scanning++] = searches[q]->working_set();
    }
    scan_together(scanning, n_scanning, executor);
}

/// Solves up to a goal. If the strategy hands over, its successor continues to the final goal with
/// the remaining epochs.
template <Real T>
void ExemplarSearch<T>::finish(Goal goal) noexcept {
    for (;;) {
        Outcome outcome = Outcome::reached;
        with(search_, [&](auto& search) noexcept { outcome = search.finish(goal, solved_); });
        if (outcome != Outcome::hand_over) break;
        if (auto* const search = working_set()) {
            search->deliver_weights(scratch_.solution);
            search->deliver_dual(scratch_.solution);
        }
        epochs_before_ += solved_.epochs;
        goal = Goal::of(solver_settings_, problem_);
        goal.max_epochs -= std::min(epochs_before_, goal.max_epochs - 1);
        solved_ = {};
        begin(successor(strategy_, situation_), Start::solution);
    }
    solved_.epochs += epochs_before_;
    if (auto* const search = working_set()) search->deliver_weights(scratch_.solution);
}

template <Real T>
SearchReport ExemplarSearch<T>::rank(std::size_t k, T* scores_out, RowNumber* rows_out) noexcept {
    std::fill_n(scores_out, k, -std::numeric_limits<T>::infinity());
    std::fill_n(rows_out, k, RowNumber{-1});
    const std::size_t n_returned = std::min(k, rows_.rows);
    if (reason_ == InvalidInput::none && n_returned >= scratch_.ranking.size()) {
        reason_ = InvalidInput::workspace_too_small;
    }
    if (reason_ != InvalidInput::none) return report();
    const Goal goal = Goal::of(solver_settings_, problem_);
    const std::size_t certify = std::min(settings_.certify, n_returned);
    std::size_t n_ranked = 0, certified = 0;
    const bool early = certify > 0 && strategy_ == Strategy::working_set;
    if (early) {
        certified = rank_at({early_tol_per_tol * goal.tol, std::numeric_limits<double>::infinity(),
                             goal.max_epochs},
                            n_returned, n_ranked);
    }
    // A successor has already reached the final goal.
    const bool goes_on = certified < certify && strategy_ == Strategy::working_set &&
                         solved_.status != SolveStatus::deadline;
    if (!early || goes_on) certified = rank_at(goal, n_returned, n_ranked);
    n_ranked = std::min(n_returned, n_ranked);
    for (std::size_t rank = 0; rank < n_ranked; ++rank) {
        scores_out[rank] = scratch_.ranking[rank].score;
        rows_out[rank] = scratch_.ranking[rank].row;
    }
    if (settings_.standardize) standardize(scores_out, n_ranked);
    if (memory_ != nullptr) remember();
    SearchReport done = report();
    done.certified_k = certified;
    return done;
}

/// Solves up to a goal, ranks into scratch.ranking, and returns the number of certified ranks.
template <Real T>
std::size_t ExemplarSearch<T>::rank_at(const Goal& goal, std::size_t n_returned,
                                       std::size_t& n_ranked) noexcept {
    finish(goal);
    TopK<T> best(scratch_.ranking.data(), n_returned + 1);
    with(search_, [&](auto& search) noexcept { search.rank(best); });
    const Stopwatch stopwatch(scratch_.profile.verify);
    // Less than n_returned + 1 if there are fewer rows, if scores are NaN, or after an early stop.
    n_ranked = best.finish();
    if (auto* const search = working_set(); search && !search->has_seen_all_rows()) return 0;
    return certified_ranks(scratch_.ranking.data(), n_ranked, std::min(n_returned, n_ranked),
                           candidates_.count, rows_, statistics_.squared_norms.data(),
                           statistics_.max_squared_norm, score_error());
}

template <Real T>
SearchReport ExemplarSearch<T>::fit() noexcept {
    if (reason_ != InvalidInput::none) {
        forget();
        return report();
    }
    finish(Goal::of(solver_settings_, problem_));
    if (auto* const search = working_set()) search->deliver_dual(scratch_.solution);
    with(search_, [&](auto& search) noexcept { search.score_all(); });
    for (std::size_t i = 0; i < rows_.rows; ++i) {
        if (!statistics_.is_live(i)) task_.scores[i] = -std::numeric_limits<T>::infinity();
    }
    return report();
}

/// Overwrites what an earlier search left in the outputs of fit().
template <Real T>
void ExemplarSearch<T>::forget() noexcept {
    constexpr T nothing = std::numeric_limits<T>::quiet_NaN();
    std::fill_n(task_.scores, rows_.rows, nothing);
    std::ranges::fill(scratch_.solution.weights.coef, nothing);
    scratch_.solution.weights.intercept = nothing;
    std::ranges::fill(scratch_.solution.dual, 0.0);
    std::ranges::fill(scratch_.solution.example_dual, 0.0);
}

/// Records for the session what its next search can start from.
template <Real T>
void ExemplarSearch<T>::remember() noexcept {
    using Holds = typename SessionMemory<T>::Holds;
    if (std::isnan(solved_.gap)) {
        memory_->holds = Holds::nothing;
    } else if (const auto* const search = working_set()) {
        memory_->holds = search->can_be_resumed() ? Holds::panel : Holds::nothing;
        memory_->seconds_to_gather = search->seconds_to_gather();
    } else {
        memory_->holds = Holds::rows;
    }
}

/// Standardizes the scores of the ranked rows by those of the background.
template <Real T>
void ExemplarSearch<T>::standardize(T* scores, std::size_t n) noexcept {
    if (n == 0) return;
    const std::size_t n_sampled = sample_background(problem_, scratch_.sample.data());
    T* const sample_scores = scratch_.sample_scores.data();
    with(search_, [&](auto& search) noexcept {
        const Stopwatch stopwatch(scratch_.profile.verify);
        search.score(std::span(scratch_.sample).first(n_sampled), sample_scores);
    });
    const ScoreScale scale = score_scale(sample_scores, n_sampled);
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
    // The rows were finite when the index measured them, and have changed since.
    if (std::isnan(solved_.gap)) {
        report.status = SearchStatus::invalid_input;
        report.reason = InvalidInput::rows_not_finite;
    }
    report.strategy = strategy_;
    report.epochs = solved_.epochs;
    report.n_support = solved_.n_support;
    report.duality_gap = solved_.gap;
    report.score_error_bound = score_error().bound(statistics_.max_squared_norm);
    // A larger relative duality gap disproves convergence, whatever the violations say.
    constexpr double unsolved = 1e-3;
    if (report.status == SearchStatus::converged &&
        !(report.duality_gap <= unsolved * (1.0 + solved_.primal))) {
        report.status = SearchStatus::precision_limit;
    }
    report.profile = scratch_.profile;
    return report;
}

template void scan(ExemplarSearch<float>* const*, std::size_t, ExecutorRef) noexcept;
template void scan(ExemplarSearch<double>* const*, std::size_t, ExecutorRef) noexcept;
template class ExemplarSearch<float>;
template class ExemplarSearch<double>;

}  // namespace exemplar_svm
