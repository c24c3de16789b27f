#include "exemplar_svm/index.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>
#include <utility>

#include "exemplar_svm/error.hpp"
#include "exemplar_svm/isa.hpp"
#include "exemplar_svm/scan.hpp"
#include "kernels/dispatch.hpp"

namespace exemplar_svm {
namespace {

template <Real T>
bool all_finite(const T* values, std::size_t n) noexcept {
    return std::all_of(values, values + n, [](T v) { return std::isfinite(v); });
}

/// A violation of tol leaves scores that differ by up to about tol from the exact ones, enough to
/// swap close ranks; proving them to this part of it costs two to five epochs over few rows and
/// makes nearly all ranks certain (docs/numerics.md).
constexpr double score_tol_per_tol = 0.02;

/// @throws std::invalid_argument naming the first element of the rows that is not finite
template <Real T>
void require_finite(const DenseView<T>& rows, const std::vector<T>& squared_norms) {
    for (std::size_t i = 0; i < rows.rows; ++i) {
        if (std::isfinite(squared_norms[i])) continue;  // it is not if any element is not
        const T* x = rows.row(i);
        std::ostringstream sentence;
        const T* bad = std::find_if_not(x, x + rows.cols, [](T v) { return std::isfinite(v); });
        if (bad == x + rows.cols) {
            sentence << "embeddings holds values at row " << i
                     << " that are too large: the square of its norm overflows";
        } else {
            sentence << "embeddings holds " << *bad << " at row " << i << ", column " << bad - x;
        }
        require(false, sentence.str());
    }
}

/// C of a positive and of a row.
template <Real T>
void set_costs(const IndexSettings& index, double C, Problem<T>& problem) noexcept {
    const auto n = static_cast<double>(problem.rows.rows);
    const auto p = static_cast<double>(problem.positives.rows);
    if (index.class_weight.balanced) {
        problem.positive_cost = C * (n + p) / (2.0 * p);
        problem.cost = C * (n + p) / (2.0 * std::max(n, 1.0));
    } else {
        problem.positive_cost = C * index.class_weight.positive;
        problem.cost = C * index.class_weight.negative;
    }
}

SearchStatus search_status(SolveStatus status) noexcept {
    switch (status) {
        case SolveStatus::epoch_limit: return SearchStatus::epoch_limit;
        case SolveStatus::precision_limit: return SearchStatus::precision_limit;
        case SolveStatus::converged: break;
    }
    return SearchStatus::converged;
}

}  // namespace

template <Real T>
Index<T>::Index(DenseView<T> embeddings, const IndexSettings& settings, ExecutorRef executor)
    : rows_(embeddings), settings_(settings) {
    active_isa();
    require_valid(settings);
    require(rows_.cols > 0, "embeddings has no features");
    require(rows_.rows < std::numeric_limits<RowIndex>::max(),
            "embeddings has more than 2^32 - 2 rows");
    statistics_ = measure(rows_, settings_, executor);
}

template <Real T>
void Index<T>::refresh(ExecutorRef executor) {
    statistics_ = measure(rows_, settings_, executor);
}

template <Real T>
auto Index<T>::measure(const DenseView<T>& rows, const IndexSettings& settings,
                       ExecutorRef executor) -> Statistics {
    const std::size_t n = rows.rows, d = rows.cols;
    Statistics statistics;
    statistics.squared_norms.resize(n);
    square_rows(rows, executor, statistics.squared_norms.data());
    if (settings.check_finite) require_finite(rows, statistics.squared_norms);
    const auto largest = [](const std::vector<T>& values) {
        return values.empty()
                   ? 0.0
                   : static_cast<double>(*std::max_element(values.begin(), values.end()));
    };
    // Norms serve in bounds: rounded up by more than they can have been rounded down.
    const double inflation = 2.0 * score_rounding_bound<T>(d);
    for (T& square : statistics.squared_norms) {
        square = static_cast<T>(static_cast<double>(square) * (1.0 + inflation));
    }

    if (settings.center && n > 0) {
        std::vector<double>& mean = statistics.mean;
        mean.assign(d, 0.0);
        const auto& kernels = kernels::active_table<T>();
        for (std::size_t i = 0; i < n; ++i) kernels.axpy_wide(1.0, rows.row(i), mean.data(), d);
        double mean_square = 0.0;
        for (double& m : mean) {
            m /= static_cast<double>(n);
            mean_square += m * m;
        }
        const std::vector<T> rounded_mean(mean.begin(), mean.end());
        statistics.mean_products.resize(n);
        score_rows(rows, WeightsView<T>{rounded_mean.data(), 0.0}, executor,
                   statistics.mean_products.data());
        for (std::size_t i = 0; i < n; ++i) {
            // ||x - m||^2 from three numbers that may cancel: plus what they may have lost.
            const auto raw = static_cast<double>(statistics.squared_norms[i]);
            const double centred =
                raw - 2.0 * static_cast<double>(statistics.mean_products[i]) + mean_square;
            statistics.squared_norms[i] =
                static_cast<T>(std::max(centred, 0.0) + 2.0 * inflation * (raw + mean_square));
        }
    }
    statistics.max_squared_norm = largest(statistics.squared_norms);
    return statistics;
}

template <Real T>
SearchReport Index<T>::train(DenseView<T> positives, const SearchSettings& settings,
                             Workspace<T>& workspace, T* scores, ExecutorRef executor,
                             ScoreError& error) const noexcept {
    SearchReport report;
    bool valid = is_valid(settings) && positives.rows > 0 && positives.cols == rows_.cols &&
                 positives.rows <= workspace.max_positives() && workspace.n_rows() == rows_.rows &&
                 workspace.n_features() == rows_.cols;
    for (std::size_t j = 0; valid && j < positives.rows; ++j) {
        valid = all_finite(positives.row(j), positives.cols);
    }
    if (!valid) {
        report.status = SearchStatus::invalid_input;
        return report;
    }

    Problem<T> problem;
    problem.rows = rows_;
    problem.squared_norms = statistics_.squared_norms.data();
    problem.positives = positives;
    problem.loss = settings_.loss;
    problem.intercept_scaling = settings_.intercept_scaling;
    problem.prior = settings.prior;
    if (!statistics_.mean.empty()) {
        problem.mean = statistics_.mean.data();
        problem.mean_products = statistics_.mean_products.data();
    }
    set_costs(settings_, settings.C, problem);
    SolverSettings solver = settings.solver;
    solver.score_tol = std::min(solver.score_tol, score_tol_per_tol * solver.tol);
    const SolveReport solved = solve(problem, solver, executor, workspace, scores);

    error.weights_error = solved.weights_error_bound;
    error.rounding = solved.score_rounding_bound;
    error.intercept_scaling = settings_.intercept_scaling;

    report.status = search_status(solved.status);
    report.epochs = solved.epochs;
    report.n_support = solved.n_support;
    report.duality_gap = solved.gap;
    report.score_error_bound = error.bound(statistics_.max_squared_norm);
    return report;
}

template <Real T>
SearchReport Index<T>::search_shared(DenseView<T> positives, std::size_t k,
                                     const SearchSettings& settings, Workspace<T>& workspace,
                                     T* scores_out, RowNumber* rows_out,
                                     ExecutorRef executor) const noexcept {
    std::fill_n(scores_out, k, -std::numeric_limits<T>::infinity());
    std::fill_n(rows_out, k, RowNumber{-1});
    const std::size_t n_returned = std::min(k, rows_.rows);
    if (n_returned > workspace.max_ranks()) {
        SearchReport refused;
        refused.status = SearchStatus::invalid_input;
        return refused;
    }
    ScoreError error;
    T* scores = workspace.scores.data();
    SearchReport report = train(positives, settings, workspace, scores, executor, error);
    if (report.status == SearchStatus::invalid_input) return report;

    TopK<T> best(workspace.ranking.data(), n_returned + 1);
    const RowBlocks blocks = row_blocks(rows_);
    for (std::size_t b = 0; b < blocks.count();
         ++b) {  // the scan has noted each block's best score
        if (workspace.summaries[b].highest_score < static_cast<double>(best.threshold())) continue;
        offer_block(scores, blocks.begin(b), blocks.end(b), best);
    }
    const std::size_t n_ranked = best.finish();  // fewer than rows only if scores are NaN
    const std::size_t n_shown = std::min(n_returned, n_ranked);
    for (std::size_t rank = 0; rank < n_shown; ++rank) {
        scores_out[rank] = workspace.ranking[rank].score;
        rows_out[rank] = workspace.ranking[rank].row;
    }
    report.certified_k =
        certified_ranks(workspace.ranking.data(), n_ranked, n_shown, rows_,
                        statistics_.squared_norms.data(), statistics_.max_squared_norm, error);
    return report;
}

template <Real T>
SearchReport Index<T>::fit(DenseView<T> positives, const SearchSettings& settings,
                           Workspace<T>& workspace, T* scores_out,
                           ExecutorRef executor) const noexcept {
    ScoreError error;
    return train(positives, settings, workspace, scores_out, executor, error);
}

template class Index<float>;
template class Index<double>;

}  // namespace exemplar_svm
