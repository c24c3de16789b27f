#pragma once

#include <cstddef>

namespace exemplar_svm {

/// A small dense convex quadratic of a step s within bounds:
///
///     minimise 1/2 s'Ms + g's   with   lowest <= s <= highest  (lowest <= 0 <= highest).
///
/// M is the upper triangle of `matrix` with `diagonal`. The lower triangle of `matrix` is scratch
/// for the Cholesky factor of the free part of M.
struct BoxQuadratic {
    std::size_t size;
    double* matrix;          ///< size x size, row by row
    const double* diagonal;  ///< of M
    const double* gradient;  ///< g
    const double* lowest;
    const double* highest;
    double* scratch;          ///< 3 x size
    std::size_t* free_order;  ///< size; scratch

    double product(std::size_t i, const double* step) const noexcept;
};

/// Projected Newton steps on the free coordinates (Bertsekas, SIAM J. Control Optim. 20, 1982). A
/// coordinate at a bound stays there until the sign of its multiplier frees it. The objective never
/// rises above that of no step.
/// @returns whether `step` is the exact minimum; false if M is singular in double precision, or if
///          max_rounds do not find the active bounds
bool minimise(const BoxQuadratic& problem, double* step) noexcept;

}  // namespace exemplar_svm
