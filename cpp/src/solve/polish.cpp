#include "solve/polish.hpp"

#include "solve/box_quadratic.hpp"

namespace exemplar_svm {

double seconds_to_polish(std::size_t n_inside, std::size_t n_features) noexcept {
    constexpr double seconds_per_operation = 1e-9;
    const auto m = static_cast<double>(std::min(n_inside, max_polished));
    return seconds_per_operation * m * m * (m + static_cast<double>(n_features));
}

template <Real T>
bool polish(const Samples<T>& samples, std::span<const RowIndex> active, DescentWeights<T>& weights,
            PolishScratch& scratch, double* wide) noexcept {
    // The hinge has D = 0, so linearly dependent samples make the matrix singular. A proximal term
    // prevents that, and hardly shortens steps in directions with curvature.
    const double proximal = samples.problem().loss == Loss::hinge ? 1e-10 : 0.0;
    const std::size_t capacity = scratch.capacity();
    std::size_t* const inside = scratch.samples.data();
    std::size_t m = 0;
    const auto take = [&](std::size_t sample) noexcept {
        if (m < capacity) inside[m] = sample;
        ++m;
    };
    for (const RowIndex i : active) {
        const double dual = weights.dual(i);
        if (dual > 0.0 && dual < samples.row_penalty(i).upper) take(i);
    }
    for (std::size_t j = 0; j < samples.n_examples(); ++j) take(samples.n_rows() + j);
    if (m > capacity) return false;
    weights.refresh(active);

    double* const matrix = scratch.quadratic.data();
    double* const diagonal = matrix + m * m;
    double* const gradient = diagonal + m;
    double* const lowest = gradient + m;
    double* const highest = lowest + m;
    double* const workings = highest + m;
    double* const step = workings + 3 * m;
    for (std::size_t a = 0; a < m; ++a) {
        const Penalty bounds = samples.penalty(inside[a]);
        const double dual = weights.dual(inside[a]);
        gradient[a] = bounds.diagonal * dual - (1.0 - weights.precise_product(inside[a]));
        lowest[a] = -dual;
        highest[a] = bounds.upper - dual;
        samples.widen(inside[a], wide);
        const double offset =
            samples.offset(wide, samples.label(inside[a]) * samples.bias_square());
        for (std::size_t b = a; b < m; ++b) {
            matrix[a * m + b] = samples.product(inside[b], wide, offset);
        }
        diagonal[a] = matrix[a * m + a] * (1.0 + proximal) + bounds.diagonal;
    }
    minimise(
        BoxQuadratic{m, matrix, diagonal, gradient, lowest, highest, workings, inside + capacity},
        step);
    for (std::size_t a = 0; a < m; ++a) {
        // highest - lowest equals this bound only up to rounding.
        const double upper = samples.penalty(inside[a]).upper;
        weights.set_dual(inside[a], std::clamp(step[a] - lowest[a], 0.0, upper));
    }
    weights.refresh(active);
    return true;
}

template bool polish(const Samples<float>&, std::span<const RowIndex>, DescentWeights<float>&,
                     PolishScratch&, double*) noexcept;
template bool polish(const Samples<double>&, std::span<const RowIndex>, DescentWeights<double>&,
                     PolishScratch&, double*) noexcept;

}  // namespace exemplar_svm
