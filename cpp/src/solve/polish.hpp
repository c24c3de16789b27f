#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "problem/samples.hpp"
#include "solve/descent_weights.hpp"

namespace exemplar_svm {

/// The most coordinates that a Newton step takes together.
inline constexpr std::size_t max_polished = 256;

/// What a Newton step works with.
struct PolishScratch {
    std::vector<double> quadratic;
    std::vector<std::size_t> samples;  ///< its coordinates, and room to sort them

    explicit PolishScratch(std::size_t max_samples)
        : quadratic(capacity(max_samples) * (capacity(max_samples) + 8)),
          samples(2 * capacity(max_samples)) {}

    std::size_t capacity() const noexcept { return samples.size() / 2; }

  private:
    static std::size_t capacity(std::size_t max_samples) noexcept {
        return std::min(max_samples, max_polished);
    }
};

/// About how many seconds a Newton step takes that solves for so many coordinates.
double seconds_to_polish(std::size_t n_inside, std::size_t n_features) noexcept;

/// A Newton step of the dual on the coordinates that are off their bounds, the examples among them:
/// solves for all of them together, within their bounds, by Cholesky in double precision. Of order
/// m^2 d + m^3 for m coordinates; does nothing where there are more than max_polished.
/// @param active   rows that may be off their bounds
/// @param weights  fresh ones before and after a step
/// @param wide     d values
/// @returns whether there was a step
template <Real T>
bool polish(const Samples<T>& samples, std::span<const RowIndex> active, DescentWeights<T>& weights,
            PolishScratch& scratch, double* wide) noexcept;

}  // namespace exemplar_svm
