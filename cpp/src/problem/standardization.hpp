#pragma once

#include <cstddef>

#include "exemplar_svm/problem.hpp"
#include "exemplar_svm/real.hpp"

namespace exemplar_svm {

/// The most rows whose scores standardize a search. Three standard errors of their mean are 0.07
/// standard deviations; three standard errors of their deviation are 5 % of it for normal scores.
inline constexpr std::size_t max_standardizing = 2048;

/// Writes the rows that standardize a search into `sample`, in ascending order: all background
/// rows, or one at random from each of max_standardizing runs of equal length. The sample depends
/// only on the background, which excludes named examples. Returns the size of the sample.
/// @param sample  room for min(n_rows, max_standardizing) row numbers
template <Real T>
std::size_t sample_background(const Problem<T>& problem, RowIndex* sample) noexcept;

/// Mean and deviation of a search's scores over its background. A standardized score is the
/// distance from the mean in standard deviations, which makes scores of different searches
/// comparable: the zero normalisation of speaker verification, with the background as impostors
/// (Li, Porter, ICASSP 1988; Auckenthaler, Carey, Lloyd-Thomas, Digital Signal Processing 10,
/// 2000).
struct ScoreScale {
    double mean = 0.0;
    double deviation = 1.0;  ///< 1 if the scores differ by no more than rounding

    /// Increasing in the score; finite for finite scores.
    double operator()(double score) const noexcept { return (score - mean) / deviation; }
};

/// The scale of n scores; {0, 1} for none.
template <Real T>
ScoreScale score_scale(const T* scores, std::size_t n) noexcept;

}  // namespace exemplar_svm
