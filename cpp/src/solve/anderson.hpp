#pragma once

#include <cstddef>

#include "solve/curvature.hpp"

namespace exemplar_svm {

/// Anderson's acceleration (J. ACM 12, 1965) of descent along gradients, g = 0 being sought. What
/// the gradient has changed by between past points tells where it is smallest in their span: of the
/// combinations w + sum_j c_j dw_j with the gradient g + sum_j c_j dg_j, the one with the smallest
/// ||.|| in the norm of the inverse curvature; from there the caller takes a step. Where the
/// gradient is linear this is GMRES (Walker and Ni, SIAM J. Numer. Anal. 49, 2011), so that the
/// error falls as fast as with preconditioned conjugate gradients, up to a factor; unlike these it
/// takes every gradient at the point where it was computed, and does not mind if others than those
/// of a linear function are among them.
///
/// It borrows its memory.
class Anderson {
  public:
    static std::size_t scratch_size(std::size_t order) noexcept { return (2 + 5 * memory) * order; }

    /// @param scratch  scratch_size() values
    Anderson(std::size_t order, double* scratch) noexcept
        : order_(order), last_point_(scratch), last_gradient_(scratch + order) {}

    /// Forgets all points.
    void reset() noexcept {
        count_ = next_ = 0;
        has_point_ = false;
    }

    /// Forgets the last point, but not what was learned of the curvature: goes on with the gradient
    /// of another function that is like it.
    void depart() noexcept { has_point_ = false; }

    /// Takes in a point and its gradient.
    void add(const double* point, const double* gradient) noexcept;

    /// Goes back to the last point.
    void restore(double* point, double* gradient) const noexcept;

    /// Moves to the best combination of the points so far, from the last one and its gradient.
    void combine(Curvature& curvature, double* point, double* gradient) noexcept;

  private:
    static constexpr std::size_t memory = 8;

    // Changes of the point and of the gradient; then the latter orthogonal to each other in the
    // norm of the inverse curvature, their images under it, and the changes of the point to them.
    enum Part : std::size_t { point_change, gradient_change, direction, image, origin };
    double* part(Part which, std::size_t j) noexcept {
        return last_point_ + (2 + which * memory + j) * order_;
    }

    std::size_t order_;
    double* last_point_;
    double* last_gradient_;
    std::size_t count_ = 0, next_ = 0;
    bool has_point_ = false;
};

}  // namespace exemplar_svm
