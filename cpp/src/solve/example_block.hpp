#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace exemplar_svm {

/// A dual coordinate outside of the block, seen along its own axis: the derivative of the (reduced)
/// dual objective, its second derivative while the block stands still, and how far it may move.
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

    /// The coefficient after the coordinate has moved: exactly at the bound that it has reached.
    double settle(double dual, double upper) const noexcept {
        if (lowest_step >= 0.0) return 0.0;
        if (highest_step <= 0.0) return upper;
        return std::clamp(dual, 0.0, upper);
    }
};

/// The eliminated examples: whatever the other coordinates do, the dual coefficients of the
/// block's members are exactly optimal given them.
///
/// Let F be the members strictly between their bounds ("free") and H the inverse of K_FF + D_FF,
/// K the Gram matrix of the examples x~_j. When an outside coordinate with label y and products
/// k_j = x~.x~_j takes a step t, the optimal response of the free members is a_F -= t y H k_F, and
/// the curvature along that path is ||x~||^2 + D - k_F' H k_F: a Schur complement. A member that
/// reaches a bound, or whose multiplier changes its sign, leaves or enters F; the path is piecewise
/// linear, the objective along it convex and piecewise quadratic, and `minimise` walks it to its
/// exact minimum. For one free example this is a_p = (1 + q~.v) / (||q~||^2 + D_p), updated at a
/// cost of O(1) per step. Cauwenberghs and Poggio (NIPS 2000) walk the same way to add samples.
///
/// The squared hinge has D > 0, so K + D is positive definite and every example can be a member.
/// The hinge has D = 0: an example that depends linearly on the free members (a repeated one, say)
/// would make the matrix singular. It stays outside, where it is an ordinary coordinate; a
/// curvature of zero then means a step to the nearest bound, its own or a member's, which is right.
class ExampleBlock {
  public:
    static constexpr std::size_t capacity = 32;

    /// Starts over with `count` examples, all outside, their coefficients zero.
    /// @param gram      K, count x count, row by row
    /// @param diagonal  D per example
    /// @param upper     U per example
    void reset(std::size_t count, const double* gram, const double* diagonal,
               const double* upper) noexcept;

    /// Starts over without examples.
    void clear() noexcept { count_ = 0; }

    std::size_t count() const noexcept { return count_; }
    bool is_member(std::size_t j) const noexcept { return state_[j] != State::outside; }
    double dual(std::size_t j) const noexcept { return dual_[j]; }
    double diagonal(std::size_t j) const noexcept { return diagonal_[j]; }
    double upper(std::size_t j) const noexcept { return upper_[j]; }
    const double* gram_row(std::size_t j) const noexcept { return gram_ + j * count_; }

    /// Sets the coefficient of an example, which leaves the block.
    void set_outside(std::size_t j, double dual) noexcept;

    /// What the block adds to the score of a sample with products k.
    double score(const double* k) const noexcept {
        double sum = 0.0;
        for (std::size_t j = 0; j < count_; ++j) sum += dual_[j] * k[j];
        return sum;
    }

    /// What the score of a sample with products k has changed by since the last fold().
    double pending_score(const double* k) const noexcept {
        double score = 0.0;
        for (std::size_t j = 0; j < count_; ++j) score += (dual_[j] - folded_[j]) * k[j];
        return score;
    }

    /// The change of a coefficient since the last fold(), which the caller adds to the weights.
    double pending(std::size_t j) const noexcept { return dual_[j] - folded_[j]; }
    void fold() noexcept;

    /// Moves an outside coordinate to its exact minimum, the members following. Updates the
    /// coordinate's gradient and returns the step it took.
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

    /// How the free members' coefficients change where other samples take steps together that add
    /// up to v, from its products with the examples. Nothing changes but `changes`.
    void respond(const double* products, double* changes) const noexcept;

    /// Makes the coefficients of all examples jointly optimal, given their exact gradients, and as
    /// many of them members as can be.
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
    double rounding_ = 0.0;  // about the part of k' H k, at most, that H's rounding takes
    double diagonal_[capacity];
    double upper_[capacity];
    double dual_[capacity];
    double folded_[capacity];      // coefficients that the caller's weights contain
    double multiplier_[capacity];  // gradient of a member at a bound
    State state_[capacity];
};

}  // namespace exemplar_svm
