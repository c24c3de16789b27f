// The inner loops, by instruction set, over data in the first-level cache and over uncached data.

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "counters.hpp"
#include "exemplar_svm/isa.hpp"
#include "kernels/dispatch.hpp"

using namespace exemplar_svm;
using kernels::Kernels;

namespace {

constexpr std::size_t d = 384;
constexpr std::size_t rows_in_cache = 8, rows_in_memory = 100'000;

/// One pass of a kernel over rows of d float32; the result depends on every product.
using Pass = float (*)(const Kernels&, const float* rows, std::size_t n_rows, const float* w,
                       float* out);

float dot(const Kernels& k, const float* rows, std::size_t n_rows, const float* w, float*) {
    float sum = 0.0f;
    for (std::size_t i = 0; i < n_rows; ++i) sum += k.f32.dot(rows + i * d, w, d);
    return sum;
}

float dot_pair(const Kernels& k, const float* rows, std::size_t n_rows, const float* w, float*) {
    float sum = 0.0f, products[3];
    for (std::size_t i = 0; i < n_rows; i += 2) {
        k.f32.dot_pair(w, rows + i * d, rows + (i + 1) * d, d, products);
        sum += products[0] + products[1] + products[2];
    }
    return sum;
}

float dot_rows(const Kernels& k, const float* rows, std::size_t n_rows, const float* w,
               float* out) {
    k.f32.dot_rows(rows, d, n_rows, w, d, out);
    return out[n_rows - 1];
}

float dot_rows_two(const Kernels& k, const float* rows, std::size_t n_rows, const float* w,
                   float* out) {
    k.f32.dot_rows_two(rows, d, n_rows, w, w, d, out, out + n_rows);
    return out[n_rows - 1];
}

float axpy(const Kernels& k, const float* rows, std::size_t n_rows, const float*, float* out) {
    for (std::size_t i = 0; i < n_rows; ++i) k.f32.axpy(1e-9f, rows + i * d, out, d);
    return out[d - 1];
}

float axpy_pair(const Kernels& k, const float* rows, std::size_t n_rows, const float*, float* out) {
    for (std::size_t i = 0; i < n_rows; i += 2) {
        k.f32.axpy_pair(1e-9f, rows + i * d, 1e-9f, rows + (i + 1) * d, out, d);
    }
    return out[d - 1];
}

void run(benchmark::State& state, Isa isa, Pass pass, std::size_t n_rows) {
    const Kernels& k = *kernels::find(isa);
    const std::vector<float> rows(n_rows * d, 0.5f), w(d, 0.25f);
    std::vector<float> out(2 * n_rows + d);
    for (auto _ : state) {
        benchmark::DoNotOptimize(pass(k, rows.data(), n_rows, w.data(), out.data()));
        benchmark::ClobberMemory();
    }
    bench::count_reading(state, n_rows * d * sizeof(float), n_rows);
}

/// Eight bits per feature, as in the scan of a sketch. As many bytes as n_rows float32 rows.
void run_codes(benchmark::State& state, Isa isa, std::size_t n_rows) {
    const Kernels& k = *kernels::find(isa);
    n_rows *= sizeof(float);
    const std::vector<std::int8_t> codes(n_rows * d, 3);
    const std::vector<std::int16_t> w(d, 5);
    std::vector<std::int32_t> out(n_rows);
    for (auto _ : state) {
        k.dot_codes(codes.data(), n_rows, w.data(), d, out.data());
        benchmark::DoNotOptimize(out.data());
        benchmark::ClobberMemory();
    }
    bench::count_reading(state, codes.size(), n_rows);
}

/// One bit per feature, as in guesses of scores. As many bytes as n_rows float32 rows; fewer would
/// fit into the third-level cache.
void run_nibbles(benchmark::State& state, Isa isa, std::size_t n_rows) {
    const Kernels& k = *kernels::find(isa);
    constexpr std::size_t bytes = d / 8;
    static_assert(rows_in_cache * sizeof(float) * 8 % kernels::signature_rows == 0 &&
                  rows_in_memory * sizeof(float) * 8 % kernels::signature_rows == 0);
    n_rows *= sizeof(float) * 8;
    const std::vector<std::uint8_t> codes(n_rows * bytes, 0x5a), tables(32 * bytes, 7);
    std::uint16_t out[kernels::signature_rows];
    for (auto _ : state) {
        for (std::size_t i = 0; i < n_rows; i += kernels::signature_rows) {
            k.sum_nibbles(codes.data() + i * bytes, bytes, tables.data(), out);
            benchmark::DoNotOptimize(out);
        }
        benchmark::ClobberMemory();
    }
    bench::count_reading(state, codes.size(), n_rows);
}

}  // namespace

int main(int argc, char** argv) {
    constexpr struct {
        const char* name;
        Pass pass;
    } passes[] = {{"dot", dot},           {"dot_pair", dot_pair},
                  {"dot_rows", dot_rows}, {"dot_rows_two", dot_rows_two},
                  {"axpy", axpy},         {"axpy_pair", axpy_pair}};
    for (const Isa isa : all_isas) {
        if (!isa_supported(isa)) continue;
        for (const std::size_t n_rows : {rows_in_cache, rows_in_memory}) {
            std::string suffix = "/";
            suffix.append(isa_name(isa));
            suffix.append(n_rows == rows_in_cache ? "/in_cache" : "/in_memory");
            // Wall-clock time, as for the read bound, so other load on the machine hits both.
            for (const auto& [name, pass] : passes) {
                benchmark::RegisterBenchmark((name + suffix).c_str(), run, isa, pass, n_rows)
                    ->UseRealTime();
            }
            benchmark::RegisterBenchmark(("dot_codes" + suffix).c_str(), run_codes, isa, n_rows)
                ->UseRealTime();
            benchmark::RegisterBenchmark(("sum_nibbles" + suffix).c_str(), run_nibbles, isa, n_rows)
                ->UseRealTime();
        }
    }
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
