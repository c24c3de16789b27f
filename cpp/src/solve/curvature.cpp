#include "solve/curvature.hpp"

#include <cmath>

#include "kernels/dispatch.hpp"

namespace exemplar_svm {

void Curvature::reset(double diagonal, double last) noexcept {
    count_ = 0;
    root_ = 1.0 / std::sqrt(diagonal);
    last_root_ = 1.0 / std::sqrt(last);
}

double* Curvature::add(double weight) noexcept {
    // Beyond the capacity, the last product is replaced.
    const std::size_t place = count_ < capacity_ ? count_++ : capacity_ - 1;
    weights_[place] = weight;
    return column(place);
}

void Curvature::factorise() noexcept {
    const auto dot = kernels::active_table<double>().dot;
    for (std::size_t k = 0; k < count_; ++k) {
        double* const u = column(k);
        for (std::size_t c = 0; c + 1 < order_; ++c) u[c] *= root_;
        u[order_ - 1] *= last_root_;
        double* const row = factor_ + k * capacity_;
        for (std::size_t l = 0; l <= k; ++l) {
            double v = dot(u, column(l), order_);
            if (l == k) v += 1.0 / weights_[k];
            const double* const other = factor_ + l * capacity_;
            for (std::size_t b = 0; b < l; ++b) v -= row[b] * other[b];
            // W^-1 is positive, so only rounding makes v negative.
            row[l] = l < k ? v / other[l] : std::sqrt(v > 0.0 ? v : 1.0 / weights_[k]);
        }
    }
}

void Curvature::solve(double* x) noexcept {
    const auto& kernels = kernels::active_table<double>();
    for (std::size_t c = 0; c + 1 < order_; ++c) x[c] *= root_;
    x[order_ - 1] *= last_root_;
    for (std::size_t k = 0; k < count_; ++k) {
        const double* const row = factor_ + k * capacity_;
        double v = kernels.dot(column(k), x, order_);
        for (std::size_t l = 0; l < k; ++l) v -= row[l] * products_[l];
        products_[k] = v / row[k];
    }
    for (std::size_t k = count_; k-- > 0;) {
        const double* const row = factor_ + k * capacity_;
        products_[k] /= row[k];
        for (std::size_t l = 0; l < k; ++l) products_[l] -= row[l] * products_[k];
        kernels.axpy(-products_[k], column(k), x, order_);
    }
    for (std::size_t c = 0; c + 1 < order_; ++c) x[c] *= root_;
    x[order_ - 1] *= last_root_;
}

}  // namespace exemplar_svm
