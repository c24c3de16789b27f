// The solver alone, over all rows: the cost of a search without a working set.

#include <benchmark/benchmark.h>

#include <cstddef>
#include <vector>

#include "exemplar_svm/error.hpp"
#include "exemplar_svm/scan.hpp"
#include "exemplar_svm/solver.hpp"
#include "rows.hpp"

using namespace exemplar_svm;

namespace {

/// Arguments: rows, features, C in thousandths.
void solve_exemplar(benchmark::State& state) {
    const auto& data = bench::dataset(static_cast<std::size_t>(state.range(0)),
                                      static_cast<std::size_t>(state.range(1)));
    const double C = static_cast<double>(state.range(2)) / 1000.0;
    const std::size_t n = data.rows.rows, d = data.rows.cols;
    std::vector<float> squared_norms(n), scores(n);
    square_rows(data.rows, SerialExecutor{}, squared_norms.data());
    Workspace<float> workspace(n, d, 0);

    Problem<float> problem;
    problem.rows = data.rows;
    problem.squared_norms = squared_norms.data();
    problem.max_squared_norm = 1.0 + 1e-5;  // unit rows
    // class_weight="balanced"
    problem.cost = C * static_cast<double>(n + 1) / (2.0 * static_cast<double>(n));
    problem.example_cost = C * static_cast<double>(n + 1) / 2.0;
    SolverSettings settings;
    SolveReport report;
    std::size_t q = 0, epochs = 0, support = 0;
    for (auto _ : state) {
        problem.examples = {data.queries.row(q++ % data.queries.rows), 1, d,
                            static_cast<std::ptrdiff_t>(d)};
        report = solve(problem, settings, SerialExecutor{}, workspace, scores.data());
        epochs += report.epochs;
        support += report.n_support;
        require(report.status == SolveStatus::converged, "the solver has not converged");
    }
    const auto mean = [&](std::size_t sum) {
        return benchmark::Counter(static_cast<double>(sum), benchmark::Counter::kAvgIterations);
    };
    state.counters["epochs"] = mean(epochs);
    state.counters["support"] = mean(support);
    state.SetLabel(data.source);
}

}  // namespace

BENCHMARK(solve_exemplar)
    ->ArgNames({"n", "d", "mC"})
    ->Args({1'000, 1'536, 100})
    ->ArgsProduct({{10'000}, {384}, {1, 10, 100, 1'000}})
    ->Args({60'000, 384, 100})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

BENCHMARK_MAIN();
