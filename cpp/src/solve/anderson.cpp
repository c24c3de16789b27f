#include "solve/anderson.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/dispatch.hpp"

namespace exemplar_svm {

void Anderson::add(const double* point, const double* gradient) noexcept {
    if (has_point_) {
        double* const dw = part(point_change, next_);
        double* const dg = part(gradient_change, next_);
        for (std::size_t c = 0; c < order_; ++c) {
            dw[c] = point[c] - last_point_[c];
            dg[c] = gradient[c] - last_gradient_[c];
        }
        next_ = (next_ + 1) % memory;
        count_ = std::min(count_ + 1, memory);
    }
    std::copy_n(point, order_, last_point_);
    std::copy_n(gradient, order_, last_gradient_);
    has_point_ = true;
}

void Anderson::restore(double* point, double* gradient) const noexcept {
    std::copy_n(last_point_, order_, point);
    std::copy_n(last_gradient_, order_, gradient);
}

void Anderson::combine(Curvature& curvature, double* point, double* gradient) noexcept {
    // A change whose squared orthogonal part is below this fraction of its square is dropped.
    constexpr double dependent = 1e-10;
    const auto& kernels = kernels::active_table<double>();
    std::size_t n_kept = 0;
    for (std::size_t age = 1; age <= count_; ++age) {  // newest first, so that these are kept
        const std::size_t j = (next_ + memory - age) % memory;
        double* const y = part(direction, n_kept);
        double* const image_y = part(image, n_kept);
        double* const z = part(origin, n_kept);
        std::copy_n(part(gradient_change, j), order_, y);
        std::copy_n(part(gradient_change, j), order_, image_y);
        std::copy_n(part(point_change, j), order_, z);
        curvature.solve(image_y);
        const double before = kernels.dot(y, image_y, order_);
        for (std::size_t l = 0; l < n_kept; ++l) {  // modified Gram-Schmidt
            const double share = kernels.dot(y, part(image, l), order_);
            kernels.axpy(-share, part(direction, l), y, order_);
            kernels.axpy(-share, part(image, l), image_y, order_);
            kernels.axpy(-share, part(origin, l), z, order_);
        }
        const double square = kernels.dot(y, image_y, order_);
        if (!(square > dependent * before)) continue;
        const double scale = 1.0 / std::sqrt(square);
        for (double* const v : {y, image_y, z}) {
            std::transform(v, v + order_, v, [scale](double x) { return scale * x; });
        }
        const double share = -kernels.dot(gradient, image_y, order_);
        kernels.axpy(share, y, gradient, order_);
        kernels.axpy(share, z, point, order_);
        ++n_kept;
    }
}

}  // namespace exemplar_svm
