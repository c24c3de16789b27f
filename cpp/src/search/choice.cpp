#include "search/choice.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "problem/samples.hpp"

namespace exemplar_svm {
namespace {

// Rows chosen per square root of n. The number of support vectors grows slowly with n: about 560 of
// 10,000 and 730 of 60,000 text embeddings at C = 0.1.
constexpr double chosen_per_root_dense = 6.0, chosen_per_root_sparse = 10.0;

// Rows chosen per expected support vector, for sparse rows: their number grows with 1 / C. A scan
// costs less than a working set that is too small.
constexpr double chosen_per_expected = 1.5;

template <Real T>
std::size_t count_wanted(const Problem<T>& problem, const GaussianModel<T>& gaussian) noexcept {
    const double root = std::sqrt(static_cast<double>(problem.rows.rows));
    if (problem.rows.is_dense()) return static_cast<std::size_t>(chosen_per_root_dense * root);
    return static_cast<std::size_t>(
        std::max(chosen_per_root_sparse * root,
                 chosen_per_expected * gaussian.expected_support(problem.cost)));
}

template <Real T>
void guess_scores(const Problem<T>& problem, const RowStatistics<T>& statistics,
                  ExecutorRef executor, ChoiceScratch<T>& scratch, T* scores) noexcept {
    if (!problem.rows.is_dense()) {
        statistics.postings.guess_scores(problem, executor, scratch.example.data(), scores);
        return;
    }
    std::ranges::fill(scratch.direction, 0.0);
    const std::size_t p = problem.examples.rows;
    const Samples<T> samples(problem);
    SampleSum<T> mean_example(samples, scratch.direction.data());
    for (std::size_t j = 0; j < p; ++j) {
        mean_example.add(1.0 / static_cast<double>(p), samples.n_rows() + j);
    }
    mean_example.flush();
    statistics.gaussian.suppress(scratch.direction.data());
    statistics.sign_codes.guess_scores(scratch.direction.data(), executor, scratch.signs.data(),
                                       scores);
}

}  // namespace

template <Real T>
ChoiceScratch<T>::ChoiceScratch(const RowsView<T>& rows)
    : direction(rows.is_dense() ? rows.cols : 0),
      signs(rows.is_dense() ? SignCodes<T>::scratch_size(rows.cols) : 0),
      example(rows.is_dense() ? 0 : rows.cols) {}

template <Real T>
std::span<RowIndex> choose_rows(const Problem<T>& problem, const RowStatistics<T>& statistics,
                                std::size_t most, ExecutorRef executor, ChoiceScratch<T>& scratch,
                                T* scores, RowIndex* chosen) noexcept {
    constexpr std::size_t n_sampled = 2048;
    const std::size_t n = problem.rows.rows;
    const auto is_negative = [&](std::size_t i) noexcept {
        return problem.background == nullptr || problem.background[i] != 0;
    };
    guess_scores(problem, statistics, executor, scratch, scores);

    // The threshold is a quantile of a sample, spread evenly over the rows.
    const std::size_t n_wanted = std::min(count_wanted(problem, statistics.gaussian), most);
    T sample[n_sampled + 1];
    std::size_t n_in_sample = 0;
    for (std::size_t s = 0; s < n_sampled; ++s) {
        const std::size_t i = s * n / n_sampled;
        if (is_negative(i)) sample[n_in_sample++] = scores[i];
    }
    // A sample without enough negatives gives a threshold of -infinity: all negatives are chosen.
    sample[n_in_sample] = -std::numeric_limits<T>::infinity();
    T* const threshold = sample + std::min(n_sampled * n_wanted / n, n_in_sample);
    std::nth_element(sample, threshold, sample + n_in_sample + 1, std::greater<>());
    std::size_t n_chosen = 0;
    for (std::size_t i = 0; i < n && n_chosen < most; ++i) {
        if (scores[i] >= *threshold && is_negative(i)) {
            chosen[n_chosen++] = static_cast<RowIndex>(i);
        }
    }
    return {chosen, n_chosen};
}

template struct ChoiceScratch<float>;
template struct ChoiceScratch<double>;
template std::span<RowIndex> choose_rows(const Problem<float>&, const RowStatistics<float>&,
                                         std::size_t, ExecutorRef, ChoiceScratch<float>&, float*,
                                         RowIndex*) noexcept;
template std::span<RowIndex> choose_rows(const Problem<double>&, const RowStatistics<double>&,
                                         std::size_t, ExecutorRef, ChoiceScratch<double>&, double*,
                                         RowIndex*) noexcept;

}  // namespace exemplar_svm
