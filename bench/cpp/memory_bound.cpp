#include "memory_bound.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <thread>
#include <vector>

namespace exemplar_svm::bench {
namespace {

constexpr std::size_t n_words = 32 * 1024 * 1024;

/// Eight sums, so that the additions do not wait for each other.
std::uint64_t sum(const std::uint64_t* words, std::size_t n) {
    std::uint64_t sums[8] = {};
    for (std::size_t i = 0; i + 8 <= n; i += 8) {
        for (std::size_t lane = 0; lane < 8; ++lane) sums[lane] += words[i + lane];
    }
    std::uint64_t total = 0;
    for (const std::uint64_t part : sums) total += part;
    return total;
}

double measure(int n_threads) {
    constexpr int n_readings = 7;
    const std::vector<std::uint64_t> words(n_words, 1);
    const auto share = n_words / static_cast<std::size_t>(n_threads);
    double best = 0.0;
    for (int reading = 0; reading < n_readings; ++reading) {
        std::vector<std::uint64_t> totals(static_cast<std::size_t>(n_threads));
        std::vector<std::thread> threads;
        const auto began = std::chrono::steady_clock::now();
        const auto read = [&](std::size_t t) { totals[t] = sum(words.data() + t * share, share); };
        for (std::size_t t = 1; t < totals.size(); ++t) threads.emplace_back(read, t);
        read(0);
        for (std::thread& thread : threads) thread.join();
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
        // What is read must not be left out by a compiler that sees that nobody needs it.
        if (*std::min_element(totals.begin(), totals.end()) != share) return 0.0;
        best = std::max(best, static_cast<double>(share * totals.size() * sizeof(std::uint64_t)) /
                                  took.count());
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
