#include "exemplar_svm/linear_svc.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "example_block.hpp"
#include "exemplar_svm/error.hpp"
#include "exemplar_svm/isa.hpp"
#include "exemplar_svm/scan.hpp"
#include "stoppable_executor.hpp"

namespace exemplar_svm {
namespace {

/// A class is worth eliminating if it is small by itself and beside the other one: the block costs
/// p^2 operations on every visit of a row.
bool worth_eliminating(std::size_t p, std::size_t n) noexcept {
    return p <= ExampleBlock::capacity && 8 * p <= n;
}

}  // namespace

template <Real T>
LinearSvc<T> train_linear_svc(const DenseView<T>& rows, const std::int8_t* labels,
                              const double* costs, Loss loss, double intercept_scaling,
                              const SolverSettings& settings, ExecutorRef executor,
                              const StopCondition& stop) {
    active_isa();
    require_valid(settings);
    const std::size_t n = rows.rows, d = rows.cols;
    require(d > 0, "rows has no features");
    require(n < std::numeric_limits<RowIndex>::max(), "rows has more than 2^32 - 2 rows");

    // The smaller class becomes the eliminated positives, if it is small enough; where that is the
    // negative class, all labels change their sign, and so do the weights.
    std::vector<std::size_t> eliminated;
    for (const std::int8_t minority : {std::int8_t{1}, std::int8_t{-1}}) {
        const auto p = static_cast<std::size_t>(std::count(labels, labels + n, minority));
        if (p == 0 || !worth_eliminating(p, n)) continue;
        for (std::size_t i = 0; i < n; ++i) {
            if (labels[i] == minority && costs[i] > 0.0) eliminated.push_back(i);
        }
        break;
    }
    const std::int8_t sign = eliminated.empty() ? std::int8_t{1} : labels[eliminated.front()];

    std::vector<std::int8_t> signed_labels(labels, labels + n);
    for (std::int8_t& label : signed_labels) label = static_cast<std::int8_t>(label * sign);
    std::vector<double> row_costs(costs, costs + n);
    std::vector<double> example_costs;
    std::vector<T> positives;
    for (const std::size_t i : eliminated) {
        positives.insert(positives.end(), rows.row(i), rows.row(i) + d);
        example_costs.push_back(costs[i]);
        row_costs[i] = 0.0;
    }
    std::vector<T> squared_norms(n);
    square_rows(rows, StoppableExecutor(executor, stop), squared_norms.data());
    stop.throw_if_reached();

    Problem<T> problem;
    problem.rows = rows;
    problem.squared_norms = squared_norms.data();
    for (const T square : squared_norms) {
        problem.max_squared_norm = std::max(problem.max_squared_norm, static_cast<double>(square));
    }
    problem.labels = signed_labels.data();
    problem.costs = row_costs.data();
    problem.examples = {positives.data(), eliminated.size(), d, static_cast<std::ptrdiff_t>(d)};
    problem.example_costs = example_costs.data();
    problem.loss = loss;
    problem.intercept_scaling = intercept_scaling;

    Workspace<T> workspace(n, d, 0, eliminated.size());
    LinearSvc<T> result;
    result.report = solve(problem, settings, executor, workspace, workspace.scores.data(), stop);
    result.weights = std::move(workspace.weights);
    result.dual = std::move(workspace.dual);
    for (std::size_t j = 0; j < eliminated.size(); ++j) {
        result.dual[eliminated[j]] = workspace.example_dual[j];
    }
    if (sign < 0) {
        for (T& w : result.weights.coef) w = -w;
        result.weights.intercept = -result.weights.intercept;
    }
    return result;
}

template LinearSvc<float> train_linear_svc(const DenseView<float>&, const std::int8_t*,
                                           const double*, Loss, double, const SolverSettings&,
                                           ExecutorRef, const StopCondition&);
template LinearSvc<double> train_linear_svc(const DenseView<double>&, const std::int8_t*,
                                            const double*, Loss, double, const SolverSettings&,
                                            ExecutorRef, const StopCondition&);

}  // namespace exemplar_svm
