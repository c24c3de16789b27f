#pragma once

#include <cstddef>

#include "solve/curvature.hpp"

namespace exemplar_svm {

/// Anderson acceleration (J. ACM 12, 1965) of descent toward g = 0. Between past points, the point
/// has changed by dw_j and the gradient by dg_j. combine() picks the w + sum_j c_j dw_j whose
/// predicted gradient g + sum_j c_j dg_j is smallest in the norm of the inverse curvature; the
/// caller takes a step from there. For a linear gradient this is GMRES (Walker and Ni, SIAM J.
/// Numer. Anal. 49, 2011): up to a factor, the error falls as fast as with preconditioned conjugate
/// gradients. Unlike these, it uses each gradient at its own point, so nonlinear gradients do no
/// harm. Memory is borrowed.
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

    /// Forgets the last point but keeps the changes: continues with a similar function.
    void depart() noexcept { has_point_ = false; }

    /// Adds a point and its gradient.
    void add(const double* point, const double* gradient) noexcept;

    /// Copies out the last point and its gradient.
    void restore(double* point, double* gradient) const noexcept;

    /// Moves from the last point to the best combination, with the predicted gradient.
    void combine(Curvature& curvature, double* point, double* gradient) noexcept;

  private:
    static constexpr std::size_t memory = 8;

    // Changes dw and dg. Then dg orthogonalised in the norm of the inverse curvature (direction),
    // the inverse curvature times direction (image), and the change of the point that makes the
    // gradient change by direction (origin).
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
