#include "memory_bound.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <map>
#include <thread>
#include <vector>

namespace exemplar_svm::bench {
namespace {

constexpr std::size_t n_bytes = std::size_t{256} << 20;

/// Reads with the C library's search for an absent byte. It is hand-written for each processor, so
/// the bound does not depend on the compiler.
double measure(int n_threads) {
    constexpr int n_readings = 7;
    const std::vector<char> bytes(n_bytes, 0);
    const auto share = n_bytes / static_cast<std::size_t>(n_threads);
    double best = 0.0;
    for (int reading = 0; reading < n_readings; ++reading) {
        std::vector<const void*> found(static_cast<std::size_t>(n_threads));
        std::vector<std::thread> threads;
        const auto began = std::chrono::steady_clock::now();
        const auto read = [&](std::size_t t) {
            found[t] = std::memchr(bytes.data() + t * share, 1, share);
        };
        for (std::size_t t = 1; t < found.size(); ++t) threads.emplace_back(read, t);
        read(0);
        for (std::thread& thread : threads) thread.join();
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
        // Used, so that no compiler removes the reading.
        if (std::ranges::any_of(found, [](const void* place) { return place != nullptr; }))
            return 0.0;
        best = std::max(best, static_cast<double>(share * found.size()) / took.count());
    }
    return best;
}

}  // namespace

double read_bound(int n_threads) {
    static std::map<int, double> measured;
    const auto [place, is_new] = measured.try_emplace(n_threads, 0.0);
    if (is_new) place->second = measure(n_threads);
    return place->second;
}

}  // namespace exemplar_svm::bench
