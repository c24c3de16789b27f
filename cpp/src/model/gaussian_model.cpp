#include "model/gaussian_model.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/permutation.hpp"
#include "exemplar_svm/error.hpp"
#include "kernels/dispatch.hpp"

namespace exemplar_svm {
namespace {

constexpr std::size_t n_iterations = 3;
constexpr std::size_t fewest_sampled = 512, most_sampled = 2048, one_of = 8;

/// 2 C_neg times the expected number of support vectors, in units of the rows' mean square: 60 to
/// 340 on text embeddings for C from 0.001 to 10. The order of the guesses hardly depends on it.
constexpr double strength = 100.0;

/// 2 C times the number of support vectors, in units of one over the rows' mean square: 30 to 64 on
/// text embeddings for C from 0.001 to 0.1, unless all rows are support vectors; 120 to 180 on
/// TF-IDF.
constexpr double expected_strength = 50.0, expected_strength_sparse = 150.0;

/// Makes the rows of a matrix orthonormal (modified Gram-Schmidt). A row that depends linearly on
/// those before it becomes zero.
template <Real T>
void orthonormalise(std::vector<T>& matrix, std::size_t rank, std::size_t d) noexcept {
    const auto& kernels = kernels::active_table<T>();
    for (std::size_t r = 0; r < rank; ++r) {
        T* const row = matrix.data() + r * d;
        const double before = static_cast<double>(kernels.dot(row, row, d));
        for (std::size_t s = 0; s < r; ++s) {
            const T* other = matrix.data() + s * d;
            kernels.axpy(-kernels.dot(other, row, d), other, row, d);
        }
        const double square = static_cast<double>(kernels.dot(row, row, d));
        const bool vanished = !(square > 1e-10 * before);
        const T scale = vanished ? T(0) : static_cast<T>(1.0 / std::sqrt(square));
        std::transform(row, row + d, row, [scale](T v) { return v * scale; });
    }
}

}  // namespace

template <Real T>
GaussianModel<T>::GaussianModel(const RowsView<T>& rows, const StopCondition& stop)
    : mean_(rows.cols) {
    measure(rows, stop);
    // A model that overflowed, or is not finite because rows are not, guesses nothing.
    if (is_finite()) return;
    mean_.assign(rows.cols, T(0));
    directions_.clear();
    variances_.clear();
    other_variance_ = mean_square_ = 0.0;
}

template <Real T>
void GaussianModel<T>::measure(const RowsView<T>& rows, const StopCondition& stop) {
    const std::size_t n = rows.rows, d = rows.cols;
    const std::size_t n_sampled = std::min(n, std::clamp(n / one_of, fewest_sampled, most_sampled));
    if (n_sampled < 2) return;
    if (!rows.is_dense()) {
        measure_sparse(rows, stop);
        return;
    }
    const auto& kernels = kernels::active_table<T>();
    std::vector<double> sum(d);
    std::vector<T> scratch(d);
    const auto sampled = [&](std::size_t s) {
        return rows.read(s * n / n_sampled, scratch.data());
    };
    for (std::size_t s = 0; s < n_sampled; ++s) {
        stop.throw_if_reached();
        kernels.axpy_wide(1.0, sampled(s), sum.data(), d);
    }
    std::transform(sum.begin(), sum.end(), mean_.begin(),
                   [&](double v) { return static_cast<T>(v / static_cast<double>(n_sampled)); });

    // Subspace iteration (Golub and Van Loan, Matrix Computations, section 8.2.4) on the covariance
    // of the sample, starting from random directions.
    const std::size_t rank = std::min(gaussian_rank, d);
    directions_.resize(rank * d);
    SplitMix64 random(0);
    for (T& v : directions_) {
        v = static_cast<T>(static_cast<double>(random.next() >> 32) * 0x1p-32 - 0.5);
    }
    orthonormalise(directions_, rank, d);
    std::vector<T> centred(d), products(rank), image(rank * d);
    double total = 0.0;
    for (std::size_t iteration = 0; iteration <= n_iterations; ++iteration) {
        const bool last = iteration == n_iterations;  // the last pass measures the variances
        std::fill(image.begin(), image.end(), T(0));
        variances_.assign(rank, 0.0);
        for (std::size_t s = 0; s < n_sampled; ++s) {
            stop.throw_if_reached();
            const T* const x = sampled(s);
            std::transform(x, x + d, mean_.begin(), centred.begin(),
                           [](T v, T m) { return v - m; });
            kernels.dot_rows(directions_.data(), static_cast<std::ptrdiff_t>(d), rank,
                             centred.data(), d, products.data());
            for (std::size_t r = 0; r < rank; ++r) {
                const auto product = static_cast<double>(products[r]);
                if (last) {
                    variances_[r] += product * product;
                } else {
                    kernels.axpy(products[r], centred.data(), image.data() + r * d, d);
                }
            }
            if (last) total += static_cast<double>(kernels.dot(centred.data(), centred.data(), d));
        }
        if (last) break;
        directions_.swap(image);
        orthonormalise(directions_, rank, d);
    }
    mean_square_ = total / static_cast<double>(n_sampled);
    double explained = 0.0;
    for (double& variance : variances_) {
        variance = total > 0.0 ? variance / total : 0.0;
        explained += variance;
    }
    other_variance_ =
        std::max(0.0, 1.0 - explained) / static_cast<double>(std::max<std::size_t>(d - rank, 1));
}

/// Reading all sparse rows costs no more than a sample of dense ones.
template <Real T>
void GaussianModel<T>::measure_sparse(const RowsView<T>& rows, const StopCondition& stop) {
    const auto n = static_cast<double>(rows.rows);
    std::vector<double> mean(rows.cols);
    double square = 0.0;
    for (std::size_t i = 0; i < rows.rows; ++i) {
        stop.throw_if_reached();
        rows.axpy_wide(1.0 / n, i, mean.data());
        square += static_cast<double>(rows.squared_norm(i));
    }
    std::ranges::copy(mean, mean_.begin());
    for (const double m : mean) mean_square_ -= m * m;
    mean_square_ = std::max(0.0, mean_square_ + square / n);
    other_variance_ = 1.0 / static_cast<double>(std::min(rows.rows, rows.cols));
}

template <Real T>
double GaussianModel<T>::expected_support(double cost) const noexcept {
    return (rank() > 0 ? expected_strength : expected_strength_sparse) /
           (2.0 * cost * mean_square_);
}

template <Real T>
void GaussianModel<T>::suppress(double* x) const noexcept {
    const std::size_t d = mean_.size();
    const auto& kernels = kernels::active_table<T>();
    for (std::size_t c = 0; c < d; ++c) x[c] -= static_cast<double>(mean_[c]);
    // The directions are orthonormal, so they can be suppressed one after the other.
    for (std::size_t r = 0; r < variances_.size(); ++r) {
        const T* direction = directions_.data() + r * d;
        const double factor =
            (1.0 + strength * other_variance_) / (1.0 + strength * variances_[r]) - 1.0;
        kernels.axpy_wide(factor * kernels.dot_wide(x, direction, d), direction, x, d);
    }
}

template <Real T>
bool GaussianModel<T>::is_finite() const noexcept {
    const auto finite = [](const auto& values) {
        return std::ranges::all_of(values, [](auto value) { return std::isfinite(value); });
    };
    return finite(mean_) && finite(directions_) && finite(variances_) &&
           std::isfinite(other_variance_) && std::isfinite(mean_square_);
}

template <Real T>
void GaussianModel<T>::require_valid(std::size_t n_features) const {
    require(mean_.size() == n_features && variances_.size() <= gaussian_rank &&
                directions_.size() == variances_.size() * n_features,
            "the Gaussian model is not for rows of " + std::to_string(n_features) + " features");
    require(is_finite() &&
                std::ranges::all_of(variances_, [](double v) { return v >= 0.0 && v <= 2.0; }) &&
                other_variance_ >= 0.0 && other_variance_ <= 2.0 && mean_square_ >= 0.0,
            "the Gaussian model must be finite, with variances from 0 to 2");
}

template <Real T>
std::size_t GaussianModel<T>::bytes() const noexcept {
    return (mean_.size() + directions_.size()) * sizeof(T) + variances_.size() * sizeof(double);
}

template class GaussianModel<float>;
template class GaussianModel<double>;

}  // namespace exemplar_svm
