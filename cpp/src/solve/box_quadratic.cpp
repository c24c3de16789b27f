#include "solve/box_quadratic.hpp"

#include <algorithm>
#include <cmath>

namespace exemplar_svm {
namespace {

constexpr int max_rounds = 20;

/// Cholesky of the free part, in the lower triangle. False if it is singular.
bool factorise(const BoxQuadratic& q, std::size_t n_free) noexcept {
    const std::size_t m = q.size;
    for (std::size_t a = 0; a < n_free; ++a) {
        const std::size_t i = q.free_order[a];
        double* row = q.matrix + i * m;  // entry b < a of L stands at column free_order[b] < i
        double pivot = q.diagonal[i];
        for (std::size_t b = 0; b < a; ++b) {
            const std::size_t j = q.free_order[b];
            const double* other = q.matrix + j * m;
            double v = other[i];  // upper triangle: M_ji
            for (std::size_t c = 0; c < b; ++c) v -= row[q.free_order[c]] * other[q.free_order[c]];
            row[j] = v / q.scratch[b];
            pivot -= row[j] * row[j];
        }
        if (!(pivot > 1e-14 * q.diagonal[i])) return false;
        q.scratch[a] = std::sqrt(pivot);  // the diagonal of L
    }
    return true;
}

/// Solves L L' v = v for the free coordinates, in place.
void substitute(const BoxQuadratic& q, std::size_t n_free, double* v) noexcept {
    for (std::size_t a = 0; a < n_free; ++a) {
        const double* row = q.matrix + q.free_order[a] * q.size;
        for (std::size_t b = 0; b < a; ++b) v[a] -= row[q.free_order[b]] * v[b];
        v[a] /= q.scratch[a];
    }
    for (std::size_t a = n_free; a-- > 0;) {
        v[a] /= q.scratch[a];
        const double* row = q.matrix + q.free_order[a] * q.size;
        for (std::size_t b = 0; b < a; ++b) v[b] -= row[q.free_order[b]] * v[a];
    }
}

double value(const BoxQuadratic& q, const double* step) noexcept {
    double sum = 0.0;
    for (std::size_t i = 0; i < q.size; ++i) {
        if (step[i] != 0.0) sum += step[i] * (q.gradient[i] + 0.5 * q.product(i, step));
    }
    return sum;
}

}  // namespace

double BoxQuadratic::product(std::size_t i, const double* step) const noexcept {
    double sum = diagonal[i] * step[i];
    for (std::size_t j = 0; j < i; ++j) sum += matrix[j * size + i] * step[j];
    for (std::size_t j = i + 1; j < size; ++j) sum += matrix[i * size + j] * step[j];
    return sum;
}

bool minimise(const BoxQuadratic& q, double* step) noexcept {
    double* const direction = q.scratch + q.size;
    double* const trial = q.scratch + 2 * q.size;
    std::fill_n(step, q.size, 0.0);
    double reached = 0.0;

    for (int round = 0; round < max_rounds; ++round) {
        // Free: inside the box, or at a bound and pushed off it by the gradient.
        std::size_t n_free = 0;
        for (std::size_t i = 0; i < q.size; ++i) {
            const double gradient = q.gradient[i] + q.product(i, step);
            const bool rests = (step[i] <= q.lowest[i] && gradient >= 0.0) ||
                               (step[i] >= q.highest[i] && gradient <= 0.0);
            if (rests) continue;
            direction[n_free] = -gradient;
            q.free_order[n_free++] = i;
        }
        if (n_free == 0) return true;
        if (!factorise(q, n_free)) return false;
        substitute(q, n_free, direction);

        std::copy_n(step, q.size, trial);
        bool inside = true;
        double first_bound = 1.0;
        for (std::size_t a = 0; a < n_free; ++a) {
            const std::size_t i = q.free_order[a];
            const double wanted = step[i] + direction[a];
            trial[i] = std::clamp(wanted, q.lowest[i], q.highest[i]);
            if (trial[i] == wanted) continue;
            inside = false;
            first_bound = std::min(first_bound, (trial[i] - step[i]) / direction[a]);
        }
        double reaches = value(q, trial);
        if (!inside && reaches >= reached) {
            // The projected step may overshoot. The straight step to the first bound cannot.
            for (std::size_t a = 0; a < n_free; ++a) {
                const std::size_t i = q.free_order[a];
                trial[i] =
                    std::clamp(step[i] + first_bound * direction[a], q.lowest[i], q.highest[i]);
            }
            reaches = value(q, trial);
        }
        const bool improves = reaches < reached;
        if (improves) {
            std::copy_n(trial, q.size, step);
            reached = reaches;
        }
        if (!improves || (inside && n_free == q.size)) return inside;
    }
    return false;
}

}  // namespace exemplar_svm
