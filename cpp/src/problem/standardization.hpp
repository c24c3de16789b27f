#pragma once

#include <cstddef>

#include "exemplar_svm/problem.hpp"
#include "exemplar_svm/real.hpp"

namespace exemplar_svm {

/// The most rows whose scores standardize a search. Three standard errors of their mean are 0.07
/// standard deviations; three of the deviation are 5 % of it where scores are normal.
inline constexpr std::size_t max_standardizing = 2048;

/// Writes into `sample` the rows that standardize a search: all negatives among the rows, or at
/// most max_standardizing of them, one at random from each of as many runs of equal length. The
/// same background gives the same rows. Named examples are no part of it. Returns their number.
///
/// @param sample  min(n_rows, max_standardizing) values, in ascending order
template <Real T>
std::size_t sample_background(const Problem<T>& problem, RowIndex* sample) noexcept;

/// How the scores of a search are spread over its background. A standardized score is a score's
/// distance from their mean in standard deviations, which makes scores of different searches
/// comparable: the zero normalisation of speaker verification, with the background as its impostors
/// (Li, Porter, ICASSP 1988; Auckenthaler, Carey, Lloyd-Thomas, Digital Signal Processing 10,
/// 2000).
struct ScoreScale {
    double mean = 0.0;
    double deviation = 1.0;  ///< 1 where the scores do not differ by more than rounding

    /// An increasing function of the score, finite for finite scores.
    double operator()(double score) const noexcept { return (score - mean) / deviation; }
};

/// Of n scores; {0, 1} if there are none.
template <Real T>
ScoreScale score_scale(const T* scores, std::size_t n) noexcept;

}  // namespace exemplar_svm
