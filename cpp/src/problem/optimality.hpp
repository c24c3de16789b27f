#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "exemplar_svm/certificate.hpp"
#include "exemplar_svm/settings.hpp"

namespace exemplar_svm {

/// D and U of a dual coefficient (problem.hpp).
struct Penalty {
    double diagonal;
    double upper;
};

inline Penalty penalty(Loss loss, double cost) noexcept {
    if (loss == Loss::hinge) return {0.0, cost};
    return cost > 0.0 ? Penalty{0.5 / cost, std::numeric_limits<double>::infinity()}
                      : Penalty{0.0, 0.0};
}

/// Factor that rounds a squared norm up, to cover the rounding of products with examples in T.
template <class T>
inline constexpr double product_slack =
    1.0 + 256.0 * static_cast<double>(std::numeric_limits<T>::epsilon());

/// The projected gradient of a dual coefficient: 0 if its bound blocks the descent step.
inline double projected(double gradient, double dual, double upper) noexcept {
    if (dual <= 0.0) return std::min(gradient, 0.0);
    if (dual >= upper) return std::max(gradient, 0.0);
    return gradient;
}

/// A sample's term of the duality gap. All terms are non-negative, by the identity
/// ||w~ - w~_0||^2 = sum a_i y_i (f_i - f0_i). Nothing cancels, so a gap of 1e-14 is as accurate as
/// one of 1. With the slack u = 1 - y f(x), the term of the squared hinge is
/// C (max(0, u) - a / 2C)^2 + a max(0, -u), that of the hinge (C - a) max(0, u) + a max(0, -u).
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

/// Sums over the samples of one block in a verification; blocks are summed in order.
struct BlockSummary {
    double violation = 0.0;  ///< largest
    double loss = 0.0;
    double gap = 0.0;
    double quadratic_rounding = 0.0;  ///< sum of C r^2 in gap_at_most()
    double linear_rounding = 0.0;     ///< sum of the linear terms in gap_at_most()
    std::size_t n_support = 0;
};

/// Adds a sample to the verification of its block.
/// @param rounding  bound on the error of the slack
inline void add_sample(BlockSummary& sums, Loss loss, double cost, Penalty bounds, double dual,
                       double slack, double rounding) noexcept {
    // Computing the slack and D a rounds a few times more.
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

/// Upper bound on the gap of exact slacks, if each slack u errs by at most r. A squared hinge term
/// C (max(0, u) - a/2C)^2 is the square of a number that errs by sqrt(C) r. By the triangle
/// inequality, the root of the sum of these terms errs by at most the root of the sum of C r^2. A
/// term a max(0, -u) errs by a r; the hinge term (C - a) max(0, u) errs by (C - a) r.
inline double gap_at_most(const BlockSummary& sums) noexcept {
    // Relative rounding of the sum of non-negative terms, added within blocks, then over blocks.
    constexpr double summing = 4e-12;
    const double root = std::sqrt(sums.gap * (1.0 + summing)) + std::sqrt(sums.quadratic_rounding);
    return root * root + sums.linear_rounding;
}

/// Bound on what the rounding of the costs (a few roundings each) changes the gap by: 1/2 D a^2 is
/// at most twice the loss plus the gap.
inline double gap_of_costs(double loss, double gap) noexcept {
    return 64.0 * std::numeric_limits<double>::epsilon() * (loss + gap);
}

/// Upper bounds that the verification of all samples proves.
struct Proof {
    double gap;
    double weights_error;  ///< distance of the weights from the optimal ones
};

/// @param drift  bound on the distance of the verified weights from those of the dual coefficients
inline Proof proof_of(const BlockSummary& sums, double drift) noexcept {
    const double terms = gap_at_most(sums);
    return {terms + 0.5 * drift * drift + gap_of_costs(sums.loss, terms),
            weights_error_from_gap(terms) + drift};
}

/// Sums over the samples of an epoch, each taken just before its own step.
struct EpochSummary {
    // The extreme projected gradients, as in Hsieh et al. 2008, Algorithm 3.
    double highest = -std::numeric_limits<double>::infinity();
    double lowest = std::numeric_limits<double>::infinity();
    double gap = 0.0;          // estimate of the duality gap: the weights change during an epoch
    std::size_t n_inside = 0;  // samples whose projected gradient is not zero

    double violation() const noexcept { return std::max({highest, -lowest, 0.0}); }

    void add(double projected_gradient, double gap_term) noexcept {
        highest = std::max(highest, projected_gradient);
        lowest = std::min(lowest, projected_gradient);
        gap += gap_term;
        n_inside += projected_gradient != 0.0 ? 1 : 0;
    }
};

}  // namespace exemplar_svm
