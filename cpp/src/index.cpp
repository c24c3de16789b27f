#include "exemplar_svm/index.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>
#include <string>
#include <utility>

#include "background.hpp"
#include "exemplar_svm/error.hpp"
#include "exemplar_svm/isa.hpp"
#include "exemplar_svm/scan.hpp"
#include "gram_descent.hpp"
#include "gram_matrix.hpp"
#include "kernels/dispatch.hpp"
#include "positive_block.hpp"
#include "signatures.hpp"
#include "working_set.hpp"

namespace exemplar_svm {
namespace {

template <Real T>
bool all_finite(const T* values, std::size_t n) noexcept {
    return std::all_of(values, values + n, [](T v) { return std::isfinite(v); });
}

/// Measured on text embeddings: with the Gram matrix a step costs n instead of 2 d and reads a
/// longer row, which pays up to n = 2 d; below a thousand rows a choice among them does not pay.
/// The Gram matrix takes at most 2^30 multiply-adds here, about a tenth of a second.
Method suitable_method(std::size_t n, std::size_t d) noexcept {
    if (n <= 2 * d && n <= max_gram_rows && n * n / 2 * d <= std::size_t{1} << 30) {
        return Method::gram;
    }
    return n >= 1024 ? Method::working_set : Method::full;
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

/// What is computed from the rows.
template <Real T>
struct Index<T>::Statistics {
    std::vector<T> squared_norms;  ///< of the rows, less the mean if it is subtracted
    double max_squared_norm = 0.0;
    std::vector<double> mean;      ///< empty unless centred
    std::vector<T> mean_products;  ///< empty unless centred
    Background<T> background;
    Signatures<T> signatures;  ///< empty unless searches choose working sets
    GramMatrix<T> gram;        ///< empty unless searches use it

    Statistics(const DenseView<T>& rows, const IndexSettings& settings, ExecutorRef executor);
    void centre(const DenseView<T>& rows, double inflation, ExecutorRef executor);
};

template <Real T>
Index<T>::Statistics::Statistics(const DenseView<T>& rows, const IndexSettings& settings,
                                 ExecutorRef executor)
    : squared_norms(rows.rows) {
    square_rows(rows, executor, squared_norms.data());
    if (settings.check_finite) require_finite(rows, squared_norms);
    // Norms serve in bounds: rounded up by more than they can have been rounded down.
    const double inflation = 2.0 * score_rounding_bound<T>(rows.cols);
    for (T& square : squared_norms) {
        square = static_cast<T>(static_cast<double>(square) * (1.0 + inflation));
    }
    if (settings.center && rows.rows > 0) centre(rows, inflation, executor);
    for (const T square : squared_norms) {
        max_squared_norm = std::max(max_squared_norm, static_cast<double>(square));
    }
    const Method method = settings.method == Method::automatic
                              ? suitable_method(rows.rows, rows.cols)
                              : settings.method;
    if (method == Method::gram) {
        require(rows.rows <= max_gram_rows,
                "method is 'gram', which is for up to 8192 rows, but embeddings has " +
                    std::to_string(rows.rows));
        gram = GramMatrix<T>(rows, mean.empty() ? nullptr : mean.data(), settings.intercept_scaling,
                             executor);
    } else if (method == Method::working_set && rows.rows > 1) {
        background = Background<T>(rows);
        signatures = Signatures<T>(rows, background.mean(), executor);
    }
}

template <Real T>
void Index<T>::Statistics::centre(const DenseView<T>& rows, double inflation,
                                  ExecutorRef executor) {
    const std::size_t n = rows.rows, d = rows.cols;
    mean.assign(d, 0.0);
    const auto& kernels = kernels::active_table<T>();
    for (std::size_t i = 0; i < n; ++i) kernels.axpy_wide(1.0, rows.row(i), mean.data(), d);
    double mean_square = 0.0;
    for (double& m : mean) {
        m /= static_cast<double>(n);
        mean_square += m * m;
    }
    const std::vector<T> rounded_mean(mean.begin(), mean.end());
    mean_products.resize(n);
    score_rows(rows, WeightsView<T>{rounded_mean.data(), 0.0}, executor, mean_products.data());
    for (std::size_t i = 0; i < n; ++i) {
        // ||x - m||^2 from three numbers that may cancel: plus what they may have lost.
        const auto raw = static_cast<double>(squared_norms[i]);
        const double centred = raw - 2.0 * static_cast<double>(mean_products[i]) + mean_square;
        squared_norms[i] =
            static_cast<T>(std::max(centred, 0.0) + 2.0 * inflation * (raw + mean_square));
    }
}

template <Real T>
Index<T>::Index(DenseView<T> embeddings, const IndexSettings& settings, ExecutorRef executor)
    : rows_(embeddings), settings_(settings) {
    active_isa();
    require_valid(settings);
    require(rows_.cols > 0, "embeddings has no features");
    require(rows_.rows < std::numeric_limits<RowIndex>::max(),
            "embeddings has more than 2^32 - 2 rows");
    refresh(executor);
}

template <Real T>
Index<T>::~Index() = default;
template <Real T>
Index<T>::Index(Index&&) noexcept = default;
template <Real T>
Index<T>& Index<T>::operator=(Index&&) noexcept = default;

template <Real T>
void Index<T>::refresh(ExecutorRef executor) {
    statistics_ = std::make_unique<const Statistics>(rows_, settings_, executor);
}

template <Real T>
MemoryUsage Index<T>::memory_usage() const noexcept {
    MemoryUsage usage;
    usage.norms = statistics_->squared_norms.size() * sizeof(T);
    usage.mean =
        statistics_->mean.size() * sizeof(double) + statistics_->mean_products.size() * sizeof(T);
    usage.background = statistics_->background.bytes();
    usage.signatures = statistics_->signatures.bytes();
    usage.gram = statistics_->gram.bytes();
    return usage;
}

/// Returns false if another solver has to go on; `problem` then begins where this ended.
template <Real T>
bool Index<T>::solve_with_gram_matrix(Problem<T>& problem, const SolverSettings& settings,
                                      Workspace<T>& workspace, T* scores, TopK<T>* best,
                                      ExecutorRef executor, SolveReport& report) const noexcept {
    if (statistics_->gram.empty() || problem.positives.rows > PositiveBlock::capacity) {
        return false;
    }
    const Stopwatch stopwatch(workspace.profile.solve);
    const bool solved =
        GramDescent<T>(problem, settings, statistics_->gram, executor, workspace, scores)
            .solve(report);
    if (solved && best != nullptr) {
        offer_block(scores, 0, rows_.rows, *best);
        return true;
    }
    // It forms no weights, which a fit is asked for.
    problem.initial_dual = workspace.dual.data();
    problem.initial_positive_dual = workspace.positive_dual.data();
    return false;
}

/// Returns false if all rows have to be solved for; `problem` then begins where this ended.
template <Real T>
bool Index<T>::solve_with_working_set(Problem<T>& problem, const SolverSettings& settings,
                                      Workspace<T>& workspace, T* scores, TopK<T>* best,
                                      ExecutorRef executor, SolveReport& report) const noexcept {
    if (statistics_->signatures.empty() || problem.positives.rows > PositiveBlock::capacity) {
        return false;
    }
    WorkingSetSearch<T> search(problem, settings, statistics_->background, statistics_->signatures,
                               executor, workspace, scores);
    if (!search.solve(report)) {
        problem.initial_dual = workspace.dual.data();
        problem.initial_positive_dual = workspace.positive_dual.data();
        return false;
    }
    if (best != nullptr) {
        search.rank(*best);
    } else {
        search.scatter_dual();
        const Stopwatch stopwatch(workspace.profile.scan);
        score_rows(rows_, workspace.weights.view(), executor, scores);
    }
    return true;
}

template <Real T>
SearchReport Index<T>::train(DenseView<T> positives, const SearchSettings& settings,
                             Workspace<T>& workspace, T* scores, TopK<T>* best,
                             ExecutorRef executor, ScoreError& error) const noexcept {
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
    problem.squared_norms = statistics_->squared_norms.data();
    problem.max_squared_norm = statistics_->max_squared_norm;
    problem.positives = positives;
    problem.loss = settings_.loss;
    problem.intercept_scaling = settings_.intercept_scaling;
    problem.prior = settings.prior;
    if (!statistics_->mean.empty()) {
        problem.mean = statistics_->mean.data();
        problem.mean_products = statistics_->mean_products.data();
    }
    set_costs(settings_, settings.C, problem);
    SolverSettings solver = settings.solver;
    solver.score_tol = std::min(solver.score_tol, score_tol_per_tol * solver.tol);
    workspace.profile = {};
    SolveReport solved;
    if (!solve_with_gram_matrix(problem, solver, workspace, scores, best, executor, solved) &&
        !solve_with_working_set(problem, solver, workspace, scores, best, executor, solved)) {
        const std::uint32_t epochs_before = solved.epochs;
        const Stopwatch stopwatch(workspace.profile.solve);
        solver.max_epochs = std::max(1u, solver.max_epochs - epochs_before);
        solved = solve(problem, solver, executor, workspace, scores);
        solved.epochs += epochs_before;
        if (best != nullptr) offer_block(scores, 0, rows_.rows, *best);
    }

    error.weights_error = solved.weights_error_bound;
    error.rounding = solved.score_rounding_bound;
    error.intercept_scaling = settings_.intercept_scaling;

    report.status = search_status(solved.status);
    report.epochs = solved.epochs;
    report.n_support = solved.n_support;
    report.duality_gap = solved.gap;
    report.score_error_bound = error.bound(statistics_->max_squared_norm);
    report.profile = workspace.profile;
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
    TopK<T> best(workspace.ranking.data(), n_returned + 1);
    SearchReport report =
        train(positives, settings, workspace, workspace.scores.data(), &best, executor, error);
    if (report.status == SearchStatus::invalid_input) return report;

    const Stopwatch stopwatch(report.profile.verify);
    const std::size_t n_ranked = best.finish();  // fewer than rows only if scores are NaN
    const std::size_t n_shown = std::min(n_returned, n_ranked);
    for (std::size_t rank = 0; rank < n_shown; ++rank) {
        scores_out[rank] = workspace.ranking[rank].score;
        rows_out[rank] = workspace.ranking[rank].row;
    }
    report.certified_k =
        certified_ranks(workspace.ranking.data(), n_ranked, n_shown, rows_,
                        statistics_->squared_norms.data(), statistics_->max_squared_norm, error);
    return report;
}

template <Real T>
SearchReport Index<T>::fit(DenseView<T> positives, const SearchSettings& settings,
                           Workspace<T>& workspace, T* scores_out,
                           ExecutorRef executor) const noexcept {
    ScoreError error;
    return train(positives, settings, workspace, scores_out, nullptr, executor, error);
}

template class Index<float>;
template class Index<double>;

}  // namespace exemplar_svm
