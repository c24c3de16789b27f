#pragma once

#include <benchmark/benchmark.h>

#include <cstddef>

#include "memory_bound.hpp"

namespace exemplar_svm::bench {

/// Per second: bytes read by an iteration, rows, and the bytes relative to the most that the same
/// threads could read from memory. Above 1 the rows came from a cache.
inline void count_reading(benchmark::State& state, std::size_t bytes, std::size_t rows,
                          int n_threads = 1) {
    const auto iterations = static_cast<double>(state.iterations());
    const auto rate = [&](double per_iteration) {
        return benchmark::Counter(per_iteration * iterations, benchmark::Counter::kIsRate);
    };
    state.counters["bytes/s"] = rate(static_cast<double>(bytes));
    if (rows > 0) state.counters["rows/s"] = rate(static_cast<double>(rows));
    state.counters["of_read_bound"] = rate(static_cast<double>(bytes) / read_bound(n_threads));
}

}  // namespace exemplar_svm::bench
