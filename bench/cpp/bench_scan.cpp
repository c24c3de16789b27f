// One reading of all rows: their scores, and the best of them.

#include <benchmark/benchmark.h>

#include <cstddef>
#include <vector>

#include "counters.hpp"
#include "exemplar_svm/scan.hpp"
#include "rows.hpp"

using namespace exemplar_svm;

namespace {

/// Arguments: rows, features, threads.
void scores(benchmark::State& state) {
    const auto& data = bench::dataset(static_cast<std::size_t>(state.range(0)),
                                      static_cast<std::size_t>(state.range(1)));
    const auto n_threads = static_cast<int>(state.range(2));
    const OpenMpExecutor executor(n_threads);
    std::vector<float> out(data.rows.rows);
    std::size_t q = 0;
    for (auto _ : state) {
        score_rows(data.rows, {data.queries.row(q++ % data.queries.rows), 0.0}, executor,
                   out.data());
        benchmark::DoNotOptimize(out.data());
        benchmark::ClobberMemory();
    }
    bench::count_reading(state, data.bytes(), data.rows.rows, n_threads);
    state.SetLabel(data.source);
}

/// Arguments: rows, features, places. What an exact kNN search does.
void scores_and_top_k(benchmark::State& state) {
    const auto& data = bench::dataset(static_cast<std::size_t>(state.range(0)),
                                      static_cast<std::size_t>(state.range(1)));
    const auto k = static_cast<std::size_t>(state.range(2));
    std::vector<float> out(data.rows.rows);
    std::vector<Ranked<float>> ranking(k);
    std::size_t q = 0;
    for (auto _ : state) {
        score_rows(data.rows, {data.queries.row(q++ % data.queries.rows), 0.0}, SerialExecutor{},
                   out.data());
        TopK<float> best(ranking.data(), k);
        offer_block(out.data(), 0, data.rows.rows, best);
        benchmark::DoNotOptimize(best.finish());
        benchmark::ClobberMemory();
    }
    bench::count_reading(state, data.bytes(), data.rows.rows);
    state.SetLabel(data.source);
}

}  // namespace

BENCHMARK(scores)
    ->ArgNames({"n", "d", "threads"})
    ->Args({1'000, 1'536, 1})
    ->Args({10'000, 384, 1})
    ->Args({60'000, 384, 1})
    ->Args({60'000, 384, 2})
    ->Args({60'000, 1'024, 1})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK(scores_and_top_k)
    ->ArgNames({"n", "d", "k"})
    ->Args({10'000, 384, 10})
    ->Args({60'000, 384, 10})
    ->Args({60'000, 384, 1'000})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

BENCHMARK_MAIN();
