#include "problem/standardization.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "base/permutation.hpp"

namespace exemplar_svm {

template <Real T>
std::size_t sample_background(const Problem<T>& problem, RowIndex* sample) noexcept {
    const std::uint8_t* const background = problem.background;
    const std::size_t n = problem.rows.rows;
    std::size_t n_negatives = n;
    if (background != nullptr) {
        n_negatives -=
            static_cast<std::size_t>(std::count(background, background + n, std::uint8_t{0}));
    }
    const std::size_t n_sampled = std::min(n_negatives, max_standardizing);
    // Random, not equidistant: the order of the rows may be periodic.
    SplitMix64 random(0);
    std::size_t row = 0, n_passed = 0;  // n_passed: negatives before `row`
    for (std::size_t s = 0; s < n_sampled; ++s) {
        const std::size_t begin = s * n_negatives / n_sampled;
        const std::size_t end = (s + 1) * n_negatives / n_sampled;
        const std::size_t wanted = begin + random.below(end - begin);
        if (background == nullptr) {
            row = wanted;
        } else {
            for (;; ++row) {
                if (background[row] != 0 && n_passed++ == wanted) break;
            }
        }
        sample[s] = static_cast<RowIndex>(row++);
    }
    return n_sampled;
}

template <Real T>
ScoreScale score_scale(const T* scores, std::size_t n) noexcept {
    if (n == 0) return {};
    // Subtract the first score, so that equal scores have a deviation of exactly zero.
    const auto first = static_cast<double>(scores[0]);
    const auto count = static_cast<double>(n);
    double sum = 0.0;
    for (std::size_t i = 0; i < n; ++i) sum += static_cast<double>(scores[i]) - first;
    const double mean = first + sum / count;
    double squares = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
        const double distance = static_cast<double>(scores[i]) - mean;
        squares += distance * distance;
    }
    const double deviation = std::sqrt(squares / count);
    const double rounding =
        static_cast<double>(std::numeric_limits<T>::epsilon()) * std::max(1.0, std::abs(mean));
    return {mean, deviation > rounding ? deviation : 1.0};
}

template std::size_t sample_background(const Problem<float>&, RowIndex*) noexcept;
template std::size_t sample_background(const Problem<double>&, RowIndex*) noexcept;
template ScoreScale score_scale(const float*, std::size_t) noexcept;
template ScoreScale score_scale(const double*, std::size_t) noexcept;

}  // namespace exemplar_svm
