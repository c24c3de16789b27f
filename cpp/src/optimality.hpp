#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>

#include "exemplar_svm/settings.hpp"

namespace exemplar_svm {

/// D and U of a dual coefficient: the loss as the dual sees it.
struct Penalty {
    double diagonal;
    double upper;
};

inline Penalty penalty(Loss loss, double cost) noexcept {
    if (loss == Loss::hinge) return {0.0, cost};
    return cost > 0.0 ? Penalty{0.5 / cost, std::numeric_limits<double>::infinity()}
                      : Penalty{0.0, 0.0};
}

/// The part of a gradient along which the coefficient may still move.
inline double projected(double gradient, double dual, double upper) noexcept {
    if (dual <= 0.0) return std::min(gradient, 0.0);
    if (dual >= upper) return std::max(gradient, 0.0);
    return gradient;
}

/// What a sample adds to the duality gap. The gap is written as a sum of terms that are never
/// negative (use ||w~ - w~_0||^2 = sum a_i y_i (f_i - f0_i)), so that nothing cancels and a gap of
/// 1e-14 is as accurate as one of 1. With the slack u = 1 - y f(x), the squared hinge adds
/// C (max(0, u) - a / 2C)^2 + a max(0, -u), the hinge (C - a) max(0, u) + a max(0, -u).
inline double gap_term(Loss loss, double cost, double diagonal, double dual,
                       double slack) noexcept {
    const double hinge = std::max(slack, 0.0);
    const double beyond = dual * std::max(-slack, 0.0);
    if (loss == Loss::hinge) return (cost - dual) * hinge + beyond;
    const double residual = hinge - dual * diagonal;  // D = 1 / 2C
    return cost * residual * residual + beyond;
}

inline double loss_term(Loss loss, double cost, double slack) noexcept {
    const double hinge = std::max(slack, 0.0);
    return loss == Loss::hinge ? cost * hinge : cost * hinge * hinge;
}

/// What an epoch sees on its way, before each step.
struct EpochSummary {
    // The extreme projected gradients, as in Hsieh et al. 2008, Algorithm 3.
    double highest = -std::numeric_limits<double>::infinity();
    double lowest = std::numeric_limits<double>::infinity();
    double gap = 0.0;          // what the duality gap would be if all had been seen at once
    std::size_t n_inside = 0;  // samples between their bounds

    double violation() const noexcept { return std::max({highest, -lowest, 0.0}); }

    void add(double projected_gradient, double gap_term) noexcept {
        highest = std::max(highest, projected_gradient);
        lowest = std::min(lowest, projected_gradient);
        gap += gap_term;
        n_inside += projected_gradient != 0.0 ? 1 : 0;
    }
};

}  // namespace exemplar_svm
