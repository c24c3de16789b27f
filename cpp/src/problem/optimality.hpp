#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "exemplar_svm/certificate.hpp"
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

/// By what a squared norm is rounded up, where what examples take of it comes from products in T.
template <class T>
inline constexpr double product_slack =
    1.0 + 256.0 * static_cast<double>(std::numeric_limits<T>::epsilon());

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

/// What the verification of one block of rows adds up; summed over the blocks in order.
struct BlockSummary {
    double violation = 0.0;  ///< largest
    double loss = 0.0;
    double gap = 0.0;
    double quadratic_rounding = 0.0;  ///< how the rounding of scores enters the gap:
    double linear_rounding = 0.0;     ///< see gap_at_most
    std::size_t n_support = 0;
};

/// Adds a sample to the verification of its block.
/// @param rounding  bound on the error of the slack
inline void add_sample(BlockSummary& sums, Loss loss, double cost, Penalty bounds, double dual,
                       double slack, double rounding) noexcept {
    // The slack and D a are rounded a few times themselves.
    constexpr double few = 4.0 * std::numeric_limits<double>::epsilon();
    rounding += few * (1.0 + std::abs(slack) + bounds.diagonal * dual);
    const double gradient = bounds.diagonal * dual - slack;
    sums.violation = std::max(sums.violation, std::abs(projected(gradient, dual, bounds.upper)));
    sums.loss += loss_term(loss, cost, slack);
    sums.gap += gap_term(loss, cost, bounds.diagonal, dual, slack);
    const bool may_lose = slack > -rounding, may_gain = dual > 0.0 && slack < rounding;
    if (loss == Loss::hinge) {
        sums.linear_rounding +=
            rounding * std::max(may_lose ? cost - dual : 0.0, may_gain ? dual : 0.0);
    } else {
        sums.quadratic_rounding += may_lose ? cost * rounding * rounding : 0.0;
        sums.linear_rounding += may_gain ? dual * rounding : 0.0;
    }
}

/// An upper bound on the gap that exact slacks would give. Let a slack err by at most r. A term
/// C (h - a/2C)^2 of the squared hinge is the square of a number that errs by sqrt(C) r, so that
/// the root of their sum errs by at most the root of the sum of C r^2 (the triangle inequality); a
/// term a max(0, -u) errs by a r, as both terms of the hinge do with their own factors.
inline double gap_at_most(const BlockSummary& sums) noexcept {
    // Terms that are never negative lose less than this part of their sum: they are added up in
    // blocks, and then over the blocks.
    constexpr double summing = 4e-12;
    const double root = std::sqrt(sums.gap * (1.0 + summing)) + std::sqrt(sums.quadratic_rounding);
    return root * root + sums.linear_rounding;
}

/// What a gap of exact costs may be more than that of the costs as they are, which have been
/// rounded a few times: 1/2 D a^2 is at most twice the loss and the gap.
inline double gap_of_costs(double loss, double gap) noexcept {
    return 64.0 * std::numeric_limits<double>::epsilon() * (loss + gap);
}

/// What the verification of all samples proves.
struct Proof {
    double gap;            ///< at most
    double weights_error;  ///< of the distance from the optimal weights, at most
};

/// @param drift  bound on the distance of the weights, whose slacks were added up, from those of
///               the dual coefficients
inline Proof prove(const BlockSummary& sums, double drift) noexcept {
    const double terms = gap_at_most(sums);
    return {terms + 0.5 * drift * drift + gap_of_costs(sums.loss, terms),
            weights_error_from_gap(terms) + drift};
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
