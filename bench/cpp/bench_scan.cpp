// One reading of all rows: their scores, and the best rows.

#include <benchmark/benchmark.h>

#include <cstddef>
#include <vector>

#include "counters.hpp"
#include "exemplar_svm/scan.hpp"
#include "narrow_rows.hpp"
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

enum class Stored { float32, float16, bfloat16, int8, scaled_int8 };

/// Arguments: rows, features, queries that share the reading. The same rows in every storage:
/// compare within one run.
void stored_scores(benchmark::State& state, Stored stored) {
    const auto& data = bench::dataset(static_cast<std::size_t>(state.range(0)),
                                      static_cast<std::size_t>(state.range(1)));
    const auto n_together = static_cast<std::size_t>(state.range(2));
    const auto run = [&](const RowsView<float>& rows, std::size_t element_bytes) {
        std::vector<std::vector<float>> out(n_together, std::vector<float>(rows.rows));
        std::vector<WeightsView<float>> weights;
        std::vector<float*> scores;
        for (std::size_t q = 0; q < n_together; ++q) {
            weights.push_back({data.queries.row(q % data.queries.rows), 0.0});
            scores.push_back(out[q].data());
        }
        for (auto _ : state) {
            for_each_block(SerialExecutor{}, row_blocks(rows),
                           [&](std::size_t begin, std::size_t end, std::size_t) noexcept {
                               score_block_together(rows, begin, end, weights.data(), n_together,
                                                    scores.data());
                           });
            benchmark::ClobberMemory();
        }
        bench::count_reading(state, rows.rows * rows.cols * element_bytes, rows.rows);
    };
    switch (stored) {
        case Stored::float32: run(data.rows, sizeof(float)); break;
        case Stored::float16: run(bench::NarrowCopy<float16>(data.rows).view(), 2); break;
        case Stored::bfloat16: run(bench::NarrowCopy<bfloat16>(data.rows).view(), 2); break;
        case Stored::int8: run(bench::NarrowCopy<std::int8_t>(data.rows).view(), 1); break;
        case Stored::scaled_int8: run(bench::NarrowCopy<std::int8_t>(data.rows).scaled(), 1); break;
    }
    state.SetLabel(data.source);
}

/// Arguments: rows, features, k. The work of an exact kNN search.
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

void stored_shapes(benchmark::internal::Benchmark* benchmark) {
    benchmark->ArgNames({"n", "d", "queries"})
        ->Args({60'000, 384, 1})
        ->Args({60'000, 384, 8})
        ->Args({400'000, 384, 1})
        ->Args({400'000, 384, 8})
        ->Unit(benchmark::kMillisecond)
        ->UseRealTime();
}
BENCHMARK_CAPTURE(stored_scores, float32, Stored::float32)->Apply(stored_shapes);
BENCHMARK_CAPTURE(stored_scores, float16, Stored::float16)->Apply(stored_shapes);
BENCHMARK_CAPTURE(stored_scores, bfloat16, Stored::bfloat16)->Apply(stored_shapes);
BENCHMARK_CAPTURE(stored_scores, int8, Stored::int8)->Apply(stored_shapes);
BENCHMARK_CAPTURE(stored_scores, int8_scaled, Stored::scaled_int8)->Apply(stored_shapes);

BENCHMARK_MAIN();
