#pragma once

#include <cstddef>

namespace exemplar_svm {

/// A small dense convex quadratic over a box, seen from a point where its step is zero:
///
///     minimise 1/2 s'Ms + g's   with   lowest <= s <= highest  (lowest <= 0 <= highest).
///
/// The lower triangle of `matrix` is scratch for Cholesky factors of the free part of M; M itself
/// is read from the upper triangle and from `diagonal`.
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

/// Projected Newton steps on the free coordinates (Bertsekas, SIAM J. Control Optim. 20, 1982);
/// coordinates that a step takes to a bound stay there until their multiplier says otherwise.
///
/// The value never rises: `step`, zero at first, is always at least as good as no step.
/// @returns whether the step is the exact minimum; not so if M is singular in double precision, or
///          if the bounds take more rounds to sort out than are allowed.
bool minimise(const BoxQuadratic& problem, double* step) noexcept;

}  // namespace exemplar_svm
