#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace exemplar_svm {

/// A dual coordinate outside the block: first derivative of the (reduced) dual objective, second
/// derivative with the block fixed, and the allowed steps.
struct Coordinate {
    double gradient;       ///< y f(x) - 1 + D a
    double curvature;      ///< ||x~||^2 + D
    double min_curvature;  ///< D: no response of the block takes the curvature below this
    double label;          ///< y
    double lowest_step;    ///< -a
    double highest_step;   ///< U - a

    void take(double step, double path_curvature) noexcept {
        gradient += path_curvature * step;
        lowest_step -= step;
        highest_step -= step;
    }

    /// The dual coefficient after the step: exactly at a bound if the step reached it.
    double settle(double dual, double upper) const noexcept {
        if (lowest_step >= 0.0) return 0.0;
        if (highest_step <= 0.0) return upper;
        return std::clamp(dual, 0.0, upper);
    }
};

/// The eliminated examples: the dual coefficients of the block's members are exactly optimal, given
/// all other coordinates.
///
/// Let F be the members strictly between their bounds ("free") and H the inverse of K_FF + D_FF,
/// K the Gram matrix of the examples x~_j. When an outside coordinate with label y and products
/// k_j = x~.x~_j takes a step t, the optimal response of the free members is a_F -= t y H k_F, and
/// the curvature along that path is ||x~||^2 + D - k_F' H k_F: a Schur complement. A member that
/// reaches a bound leaves F; a member whose multiplier changes sign enters F. The path is piecewise
/// linear, the objective along it convex and piecewise quadratic; `minimise` walks to its exact
/// minimum. For one free example this is a_p = (1 + q~.v) / (||q~||^2 + D_p), updated in O(1) per
/// step. Cauwenberghs and Poggio (NIPS 2000) walk the same path to add samples.
///
/// The squared hinge has D > 0, so K + D is positive definite and every example can be a member.
/// The hinge has D = 0: an example that depends linearly on the free members (a repeated one, say)
/// would make the matrix singular. Such an example stays outside, as an ordinary coordinate. Its
/// curvature of zero correctly gives a step to the nearest bound, its own or a member's.
class ExampleBlock {
  public:
    static constexpr std::size_t capacity = 32;

    /// Restarts with `count` examples, all outside, with dual coefficients of zero.
    /// @param gram      K, count x count, row by row
    /// @param diagonal  D per example
    /// @param upper     U per example
    void reset(std::size_t count, const double* gram, const double* diagonal,
               const double* upper) noexcept;

    /// Restarts without examples.
    void clear() noexcept { count_ = 0; }

    std::size_t count() const noexcept { return count_; }
    bool is_member(std::size_t j) const noexcept { return state_[j] != State::outside; }
    double dual(std::size_t j) const noexcept { return dual_[j]; }
    double diagonal(std::size_t j) const noexcept { return diagonal_[j]; }
    const double* gram_row(std::size_t j) const noexcept { return gram_ + j * count_; }

    /// Sets the dual coefficient of an example and moves the example outside.
    void set_outside(std::size_t j, double dual) noexcept;

    /// The block's part of the score of a sample with products k.
    double score(const double* k) const noexcept {
        double sum = 0.0;
        for (std::size_t j = 0; j < count_; ++j) sum += dual_[j] * k[j];
        return sum;
    }

    /// Change since the last fold() of the score of a sample with products k.
    double pending_score(const double* k) const noexcept {
        double score = 0.0;
        for (std::size_t j = 0; j < count_; ++j) score += (dual_[j] - folded_[j]) * k[j];
        return score;
    }

    /// Change since the last fold() of a dual coefficient. The caller adds it to the weights.
    double pending(std::size_t j) const noexcept { return dual_[j] - folded_[j]; }
    void fold() noexcept;

    /// Moves an outside coordinate to its exact minimum while the members stay optimal. Updates the
    /// coordinate's gradient and returns its step.
    double minimise(Coordinate& coordinate, const double* k) noexcept {
        if (count_ == 1 && state_[0] == State::free) {  // nearly every step of a single query
            const double z = inverse_[0] * k[0];
            const double curvature =
                std::max(coordinate.curvature - z * k[0], coordinate.min_curvature);
            const double step = std::clamp(-coordinate.gradient / curvature, coordinate.lowest_step,
                                           coordinate.highest_step);
            const double follows = dual_[0] - coordinate.label * z * step;
            if (curvature > 0.0 && follows >= 0.0 && follows <= upper_[0]) {
                dual_[0] = follows;
                coordinate.take(step, curvature);
                return step;
            }
        }
        return walk(coordinate, k);
    }

    /// The response of the free members to joint steps of other samples with weighted sum v.
    /// @param products  of v with the examples
    void respond(const double* products, double* changes) const noexcept;

    /// Makes the dual coefficients of all examples jointly optimal, given their exact gradients.
    /// Makes all examples members, except linearly dependent ones.
    void optimise(const double* gradients) noexcept;

  private:
    enum class State : std::uint8_t { outside, lower, free, upper };
    enum class Side : std::uint8_t { none, below, above };

    double walk(Coordinate& coordinate, const double* k) noexcept;
    double response(std::size_t j, const double* k) const noexcept;
    void change_state(std::size_t j, State to) noexcept;
    void invert_free() noexcept;

    std::size_t count_ = 0;
    double gram_[capacity * capacity];
    double inverse_[capacity * capacity];  // H, zero outside of F
    double rounding_ = 0.0;                // approximate bound on the relative rounding of k' H k
    double diagonal_[capacity];
    double upper_[capacity];
    double dual_[capacity];
    double folded_[capacity];      // dual coefficients in the caller's weights
    double multiplier_[capacity];  // gradient of a member at a bound
    State state_[capacity];
};

}  // namespace exemplar_svm
