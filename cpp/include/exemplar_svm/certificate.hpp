#pragma once

#include <cstddef>

#include "exemplar_svm/rows_view.hpp"
#include "exemplar_svm/top_k.hpp"

namespace exemplar_svm {

/// How far the weights w~ = w~_0 + sum a_i y_i x~_i are from the optimal ones, given their duality
/// gap G = P(w~) - D(a): the primal is 1-strongly convex, so ||w~ - w~*||^2 / 2 <= P(w~) - P*, and
/// so is the dual as a function of the weights, so ||w~ - w~*||^2 / 2 <= P* - D(a). Their sum says
/// ||w~ - w~*|| <= sqrt(G).
double weights_error_from_gap(double gap) noexcept;

/// What is known about the error of every score. With x~ = [x, s],
///
///     |f(x) - f*(x)| <= weights_error ||x~|| + rounding,
///
/// and the difference of two scores errs by at most weights_error times the distance of the two
/// rows, and two roundings.
struct ScoreError {
    double weights_error = 0.0;      ///< bound on ||w~ - w~*||
    double rounding = 0.0;           ///< bound on the rounding of any row's score
    double intercept_scaling = 0.0;  ///< s

    double bound(double squared_norm) const noexcept;
};

/// How many of the leading ranks are proven to be those of the exact optimum.
///
/// A rank is proven if its row is ahead of the next one by more than the error of the difference of
/// their scores, and of every later one by the sum of the two errors; rows that are equal to the
/// last bit need no proof: their exact scores are equal too, and the smaller row number goes first.
///
/// @param ranking        best first; may hold one place more than is returned
/// @param n_ranked       places in `ranking`
/// @param n_returned     places whose rank is in question
/// @param n_candidates   rows that the ranking was chosen from
/// @param squared_norms  per row
/// @param max_squared_norm  over all rows
template <Real T>
std::size_t certified_ranks(const Ranked<T>* ranking, std::size_t n_ranked, std::size_t n_returned,
                            std::size_t n_candidates, const RowsOf<T>& rows, const T* squared_norms,
                            double max_squared_norm, const ScoreError& error) noexcept;

}  // namespace exemplar_svm
