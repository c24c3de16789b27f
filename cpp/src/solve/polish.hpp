#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "problem/samples.hpp"
#include "solve/descent_weights.hpp"

namespace exemplar_svm {

/// The most coordinates of a polish.
inline constexpr std::size_t max_polished = 256;

/// Scratch of polish().
struct PolishScratch {
    std::vector<double> quadratic;
    std::vector<std::size_t> samples;  ///< coordinates, then BoxQuadratic::free_order

    explicit PolishScratch(std::size_t max_samples)
        : quadratic(capacity(max_samples) * (capacity(max_samples) + 8)),
          samples(2 * capacity(max_samples)) {}

    std::size_t capacity() const noexcept { return samples.size() / 2; }

  private:
    static std::size_t capacity(std::size_t max_samples) noexcept {
        return std::min(max_samples, max_polished);
    }
};

/// Estimated seconds of a polish of n_inside coordinates.
double seconds_to_polish(std::size_t n_inside, std::size_t n_features) noexcept;

/// A Newton step of the dual on the examples and all rows off their bounds, within the bounds, by
/// Cholesky in double precision. Takes m^2 d + m^3 operations for m coordinates; does nothing for
/// more than max_polished.
/// @param active   rows that may be off their bounds
/// @param weights  refreshed before and after a step
/// @param wide     d values
/// @returns whether a step was taken
template <Real T>
bool polish(const Samples<T>& samples, std::span<const RowIndex> active, DescentWeights<T>& weights,
            PolishScratch& scratch, double* wide) noexcept;

}  // namespace exemplar_svm
