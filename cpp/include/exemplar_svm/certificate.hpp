#pragma once

#include <cstddef>

#include "exemplar_svm/rows_view.hpp"
#include "exemplar_svm/top_k.hpp"

namespace exemplar_svm {

/// Bound on the distance of the weights w~ = w~_0 + sum a_i y_i x~_i from the optimum, given their
/// duality gap G = P(w~) - D(a). The primal is 1-strongly convex: ||w~ - w~*||^2 / 2 <= P(w~) - P*.
/// So is the dual as a function of the weights: ||w~ - w~*||^2 / 2 <= P* - D(a). The sum of both
/// gives ||w~ - w~*|| <= sqrt(G).
double weights_error_from_gap(double gap) noexcept;

/// Bounds on the error of every score. With x~ = [x, s],
///
///     |f(x) - f*(x)| <= weights_error ||x~|| + rounding.
///
/// The difference of two scores errs by at most weights_error times the distance of the two rows,
/// plus two roundings.
struct ScoreError {
    double weights_error = 0.0;      ///< bound on ||w~ - w~*||
    double rounding = 0.0;           ///< bound on the rounding of any row's score
    double intercept_scaling = 0.0;  ///< s

    double bound(double squared_norm) const noexcept;
};

/// The number of leading ranks that are proven to be those of the exact optimum.
///
/// A rank is proven if its row's score exceeds the next row's by more than the error of their
/// difference, and every later row's by more than the sum of both errors. Rows equal to the last
/// bit need no proof: their exact scores are equal too, and the smaller row number goes first.
///
/// @param ranking        best first; may hold one place more than is returned
/// @param n_ranked       places in `ranking`
/// @param n_returned     places to prove
/// @param n_candidates   rows that the ranking was chosen from
/// @param squared_norms  per row
/// @param max_squared_norm  over all rows
template <Real T>
std::size_t certified_ranks(const Ranked<T>* ranking, std::size_t n_ranked, std::size_t n_returned,
                            std::size_t n_candidates, const RowsOf<T>& rows, const T* squared_norms,
                            double max_squared_norm, const ScoreError& error) noexcept;

}  // namespace exemplar_svm
