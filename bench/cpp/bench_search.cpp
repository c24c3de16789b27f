// Whole searches.

#include <benchmark/benchmark.h>

#include <cstddef>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "counters.hpp"
#include "exemplar_svm/error.hpp"
#include "exemplar_svm/index.hpp"
#include "rows.hpp"

using namespace exemplar_svm;

namespace {

const Index<float>& index_of(const bench::Dataset& data, Method method, SketchType sketch) {
    static std::map<std::tuple<const void*, Method, SketchType>, std::unique_ptr<Index<float>>>
        built;
    auto& index = built[{data.rows.data, method, sketch}];
    if (!index) {
        IndexSettings settings;
        settings.method = method;
        settings.sketch = sketch;
        index = std::make_unique<Index<float>>(data.rows, settings);
    }
    return *index;
}

class Totals {
  public:
    void add(const SearchReport& report) {
        epochs_ += static_cast<double>(report.epochs);
        support_ += static_cast<double>(report.n_support);
        require(report.status == SearchStatus::converged, "a search has not converged");
    }

    void count(benchmark::State& state, double per_iteration = 1.0) const {
        const auto mean = [&](double sum) {
            return benchmark::Counter(sum / per_iteration, benchmark::Counter::kAvgIterations);
        };
        state.counters["epochs"] = mean(epochs_);
        state.counters["support"] = mean(support_);
    }

  private:
    double epochs_ = 0.0, support_ = 0.0;
};

/// Arguments: rows, features, k, threads. `of_read_bound` is the time to read the rows once
/// relative to the time of a search.
void search(benchmark::State& state, Method method, SketchType sketch) {
    const auto& data = bench::dataset(static_cast<std::size_t>(state.range(0)),
                                      static_cast<std::size_t>(state.range(1)));
    const auto k = static_cast<std::size_t>(state.range(2));
    const auto n_threads = static_cast<int>(state.range(3));
    const auto& index = index_of(data, method, sketch);
    const OpenMpExecutor executor(n_threads);
    Workspace<float> workspace(index, k);
    std::vector<float> scores(k);
    std::vector<RowNumber> rows(k);
    Totals totals;
    std::size_t q = 0;
    for (auto _ : state) {
        totals.add(index.search(data.queries.row(q++ % data.queries.rows), k, workspace,
                                scores.data(), rows.data(), executor));
    }
    totals.count(state);
    bench::count_reading(state, data.bytes(), data.rows.rows, n_threads);
    state.SetLabel(data.source);
}

/// Arguments: rows, features, queries, threads. Time and counters are those of a whole batch,
/// except epochs and support rows.
void batch(benchmark::State& state) {
    constexpr std::size_t k = 10;
    const auto& data = bench::dataset(static_cast<std::size_t>(state.range(0)),
                                      static_cast<std::size_t>(state.range(1)));
    const auto m = static_cast<std::size_t>(state.range(2));
    const auto n_threads = static_cast<int>(state.range(3));
    const auto& index = index_of(data, Method::automatic, SketchType::none);
    const OpenMpExecutor executor(n_threads);
    std::vector<Workspace<float>> workspaces;
    std::vector<Workspace<float>*> borrowed;
    for (std::size_t w = 0; w < max_batch; ++w) workspaces.emplace_back(index, k);
    for (auto& workspace : workspaces) borrowed.push_back(&workspace);
    std::vector<float> scores(m * k), queries;
    for (std::size_t q = 0; q < m; ++q) {
        const float* const query = data.queries.row(q % data.queries.rows);
        queries.insert(queries.end(), query, query + data.rows.cols);
    }
    const DenseView<float> view{queries.data(), m, data.rows.cols,
                                static_cast<std::ptrdiff_t>(data.rows.cols)};
    std::vector<RowNumber> rows(m * k);
    std::vector<SearchReport> reports(m);
    Totals totals;
    for (auto _ : state) {
        index.search_batch(view, k, index.settings().search, borrowed.data(), borrowed.size(),
                           scores.data(), rows.data(), reports.data(), executor);
        for (const SearchReport& report : reports) totals.add(report);
    }
    totals.count(state, static_cast<double>(m));
    state.counters["queries/s"] =
        benchmark::Counter(static_cast<double>(m) * static_cast<double>(state.iterations()),
                           benchmark::Counter::kIsRate);
    state.SetLabel(data.source);
}

}  // namespace

BENCHMARK_CAPTURE(search, automatic, Method::automatic, SketchType::none)
    ->ArgNames({"n", "d", "k", "threads"})
    ->Args({1'000, 1'536, 10, 1})
    ->Args({1'000, 384, 10, 1})
    ->Args({10'000, 384, 10, 1})
    ->Args({10'000, 384, 1'000, 1})
    ->Args({10'000, 384, 10, 2})
    ->Args({60'000, 384, 10, 1})
    ->Args({60'000, 384, 10, 2})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(search, sketch, Method::working_set, SketchType::int8)
    ->ArgNames({"n", "d", "k", "threads"})
    ->Args({10'000, 384, 10, 1})
    ->Args({60'000, 384, 10, 1})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(search, full, Method::full, SketchType::none)
    ->ArgNames({"n", "d", "k", "threads"})
    ->Args({10'000, 384, 10, 1})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK(batch)
    ->ArgNames({"n", "d", "queries", "threads"})
    ->Args({10'000, 384, 256, 1})
    ->Args({60'000, 384, 64, 2})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

BENCHMARK_MAIN();
