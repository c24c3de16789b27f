#include "exemplar_svm/linear_svc.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/stoppable_executor.hpp"
#include "exemplar_svm/error.hpp"
#include "exemplar_svm/isa.hpp"
#include "exemplar_svm/scan.hpp"
#include "problem/example_rows.hpp"
#include "solve/dual_coordinate_descent.hpp"
#include "solve/example_block.hpp"
#include "solve/primal_newton.hpp"

namespace exemplar_svm {
namespace {

/// Epochs of the dual before switching to Newton steps on the primal. Most duals need fewer.
constexpr std::uint32_t dual_epochs = 100;

/// A class is worth eliminating if it is small, also relative to all samples: the block costs p^2
/// operations on every visit of a row.
bool worth_eliminating(std::size_t p, std::size_t n) noexcept {
    return p <= ExampleBlock::capacity && 8 * p <= n;
}

/// The rows of a class that become the examples, or none.
std::vector<std::size_t> choose_examples(std::size_t n, const std::int8_t* labels,
                                         const double* costs) {
    std::vector<std::size_t> chosen;
    for (const std::int8_t minority : {std::int8_t{1}, std::int8_t{-1}}) {
        const auto p = static_cast<std::size_t>(std::count(labels, labels + n, minority));
        if (p == 0 || !worth_eliminating(p, n)) continue;
        for (std::size_t i = 0; i < n; ++i) {
            if (labels[i] == minority && costs[i] > 0.0) chosen.push_back(i);
        }
        break;
    }
    return chosen;
}

template <Real T>
LinearSvc<T> train_primal(const Problem<T>& problem, const SolverSettings& settings,
                          ExecutorRef executor, const StopCondition& stop) {
    NewtonScratch scratch(problem.rows.rows, problem.rows.cols, 0);
    PrimalNewton<T> newton(problem, executor, stop, scratch);
    LinearSvc<T> result;
    result.report = newton.minimise(settings);
    const double* const coef_end = newton.weights() + problem.rows.cols;
    std::transform(newton.weights(), coef_end, std::back_inserter(result.weights.coef),
                   [](double w) { return static_cast<T>(w); });
    result.weights.intercept = problem.intercept_scaling * *coef_end;
    result.dual.assign(newton.duals(), newton.duals() + problem.rows.rows);
    return result;
}

template <Real T>
LinearSvc<T> train_dual(Problem<T> problem, const SolverSettings& settings, ExecutorRef executor,
                        const StopCondition& stop) {
    const RowsView<T>& rows = problem.rows;
    const std::size_t n = rows.rows, d = rows.cols;
    // A class that is small enough becomes the eliminated positives. If it is the negative class,
    // all labels change sign, and so do the resulting weights.
    const auto eliminated = choose_examples(n, problem.labels, problem.costs);
    const std::int8_t sign =
        eliminated.empty() ? std::int8_t{1} : problem.labels[eliminated.front()];
    std::vector<std::int8_t> signed_labels(problem.labels, problem.labels + n);
    for (std::int8_t& label : signed_labels) label = static_cast<std::int8_t>(label * sign);
    std::vector<double> row_costs(problem.costs, problem.costs + n);
    std::vector<double> example_costs;
    std::size_t n_entries = 0;
    for (const std::size_t i : eliminated) {
        example_costs.push_back(row_costs[i]);
        row_costs[i] = 0.0;
        if (!rows.is_dense()) n_entries += rows.sparse().count(i);
    }
    ExampleRows<T> examples(rows, eliminated.size(), n_entries);
    for (const std::size_t i : eliminated) examples.add(rows, i);
    std::vector<T> squared_norms(n);
    square_rows(rows, StoppableExecutor(executor, stop), squared_norms.data());
    stop.throw_if_reached();

    problem.squared_norms = squared_norms.data();
    for (const T square : squared_norms) {
        problem.max_squared_norm = std::max(problem.max_squared_norm, static_cast<double>(square));
    }
    // Sums of squared norms times costs must stay below 1e300.
    require(problem.max_squared_norm < 1e270,
            "X holds values so large that their squares overflow: scale the features");
    problem.labels = signed_labels.data();
    problem.costs = row_costs.data();
    problem.examples = examples.view();
    problem.example_costs = example_costs.data();

    LinearSvc<T> result;
    Solution<T> solution(n, d, eliminated.size());
    DescentScratch<T> scratch(rows, row_blocks(rows).count(), eliminated.size(), n_entries);
    std::vector<T> scores(n);
    DualCoordinateDescent<T> solver(problem, settings, executor, Start::zeros, solution, scratch,
                                    scores.data(), stop);
    solver.finish(Goal::of(settings, problem), result.report);
    result.weights = std::move(solution.weights);
    result.dual = std::move(solution.dual);
    for (std::size_t j = 0; j < eliminated.size(); ++j) {
        result.dual[eliminated[j]] = solution.example_dual[j];
    }
    if (sign < 0) {
        for (T& w : result.weights.coef) w = -w;
        result.weights.intercept = -result.weights.intercept;
    }
    return result;
}

}  // namespace

template <Real T>
LinearSvc<T> train_linear_svc(const RowsView<T>& rows, const std::int8_t* labels,
                              const double* costs, Loss loss, double intercept_scaling,
                              const SolverSettings& settings, ExecutorRef executor,
                              Formulation formulation, const StopCondition& stop) {
    active_isa();
    SolverSettings checked = settings;
    checked.max_epochs = std::max(settings.max_epochs, 1U);
    require_valid(checked);
    require(rows.cols > 0, "rows has no features");
    require(rows.rows < std::numeric_limits<RowIndex>::max(), "rows has more than 2^32 - 2 rows");
    const bool has_primal = loss == Loss::squared_hinge;
    require(has_primal || formulation != Formulation::primal,
            "formulation must not be primal for the hinge loss, which has no second derivatives");

    Problem<T> problem;
    problem.rows = rows;
    problem.labels = labels;
    problem.costs = costs;
    problem.loss = loss;
    problem.intercept_scaling = intercept_scaling;

    if (settings.max_epochs == 0) {
        LinearSvc<T> result;
        result.weights.coef.assign(rows.cols, T(0));
        result.dual.assign(rows.rows, 0.0);
        result.report.status = SolveStatus::epoch_limit;
        for (std::size_t i = 0; i < rows.rows; ++i) result.report.primal += costs[i];
        result.report.gap = result.report.primal;
        return result;
    }
    if (formulation == Formulation::primal ||
        (formulation == Formulation::automatic && has_primal && rows.rows >= rows.cols)) {
        return train_primal(problem, settings, executor, stop);
    }
    if (formulation == Formulation::automatic && has_primal) {
        checked.max_epochs = std::min(settings.max_epochs, dual_epochs);
        LinearSvc<T> result = train_dual(problem, checked, executor, stop);
        const bool at_limit = result.report.status == SolveStatus::epoch_limit;
        if (!at_limit || settings.max_epochs <= dual_epochs) return result;
        checked.max_epochs = settings.max_epochs - dual_epochs;
        const std::uint32_t epochs = result.report.epochs;
        result = train_primal(problem, checked, executor, stop);
        result.report.epochs += epochs;
        return result;
    }
    return train_dual(problem, settings, executor, stop);
}

template LinearSvc<float> train_linear_svc(const RowsView<float>&, const std::int8_t*,
                                           const double*, Loss, double, const SolverSettings&,
                                           ExecutorRef, Formulation, const StopCondition&);
template LinearSvc<double> train_linear_svc(const RowsView<double>&, const std::int8_t*,
                                            const double*, Loss, double, const SolverSettings&,
                                            ExecutorRef, Formulation, const StopCondition&);

}  // namespace exemplar_svm
