#include "sketch.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "exemplar_svm/scan.hpp"
#include "kernels/dispatch.hpp"

namespace exemplar_svm {
namespace {

constexpr double largest_code = 127.0;

// Weights round to integers q of at most 16 bits. Rounding at most doubles a magnitude, so that
// unit >= sum |coef| / 2^23 keeps 127 sum |q| below 2^31, which dot_codes asks for.
constexpr double largest_weight = 32767.0;
constexpr double largest_sum = 0x1p23;

template <class T>
constexpr auto epsilon = static_cast<double>(std::numeric_limits<T>::epsilon());

std::size_t codes_per_row(std::size_t n_features) noexcept {
    constexpr std::size_t group = kernels::code_group;
    return (n_features + group - 1) / group * group;
}

/// To the nearest, ties away from zero.
int round_to_int(double value) noexcept {
    return static_cast<int>(value + std::copysign(0.5, value));
}

/// A T above a value that is not negative.
template <Real T>
T round_up(double value) noexcept {
    constexpr T infinity = std::numeric_limits<T>::infinity();
    if (!(value < static_cast<double>(std::numeric_limits<T>::max()))) return infinity;
    return std::nextafter(static_cast<T>(value), infinity);
}

/// Bound on ||coef - unit q|| / ||coef||: each q is off by half a unit and a little for the
/// division, max |coef| <= ||coef||, and sum |coef| <= sqrt(n) ||coef||.
double weights_error(std::size_t n_features) noexcept {
    const double root = std::sqrt(static_cast<double>(n_features));
    return 0.50001 * root * std::max(1.0 / largest_weight, root / largest_sum);
}

}  // namespace

IntegerWeights::IntegerWeights(std::size_t n_features)
    : n_features_(n_features), codes_(codes_per_row(n_features)) {}

template <Real T>
void IntegerWeights::assign(WeightsView<T> weights) noexcept {
    double largest = 0.0, sum = 0.0;
    for (std::size_t j = 0; j < n_features_; ++j) {
        const double magnitude = std::abs(static_cast<double>(weights.coef[j]));
        largest = std::max(largest, magnitude);
        sum += magnitude;
    }
    intercept_ = weights.intercept;
    if (!std::isfinite(sum)) {  // every score is then NaN
        unit_ = std::numeric_limits<double>::quiet_NaN();
        std::fill(codes_.begin(), codes_.end(), std::int16_t{0});
        return;
    }
    unit_ =
        std::max({largest / largest_weight, sum / largest_sum, std::numeric_limits<double>::min()});
    for (std::size_t j = 0; j < n_features_; ++j) {
        codes_[j] =
            static_cast<std::int16_t>(round_to_int(static_cast<double>(weights.coef[j]) / unit_));
    }
}

template <Real T>
Sketch<T>::Sketch(const RowsView<T>& rows, ExecutorRef executor)
    : row_codes_(codes_per_row(rows.cols)),
      codes_(rows.rows * row_codes_),
      scales_(rows.rows),
      errors_(rows.rows) {
    const RowBlocks blocks = row_blocks(rows);
    std::vector<T> scratch(rows.is_read_in_place() ? 0 : blocks.count() * rows.cols);
    for_each_block(
        executor, blocks, [&](std::size_t begin, std::size_t end, std::size_t block) noexcept {
            T* const row = scratch.data() + (rows.is_read_in_place() ? 0 : block * rows.cols);
            for (std::size_t i = begin; i < end; ++i) describe(rows.read(i, row), rows.cols, i);
        });
}

/// Chooses the scale and the codes of row i, and bounds what they miss.
template <Real T>
void Sketch<T>::describe(const T* x, std::size_t n_features, std::size_t i) noexcept {
    const double n = static_cast<double>(n_features), root = std::sqrt(n);
    T largest = 0;
    bool finite = true;
    for (std::size_t j = 0; j < n_features; ++j) {
        const T magnitude = std::abs(x[j]);
        largest = std::max(largest, magnitude);
        finite &= magnitude <= std::numeric_limits<T>::max();
    }
    if (!finite) {
        errors_[i] = std::numeric_limits<T>::infinity();
        return;
    }
    const T scale = largest / static_cast<T>(largest_code);
    if (scale < std::numeric_limits<T>::min()) {  // 1 / scale might overflow: all codes are zero
        errors_[i] = largest > 0 ? round_up<T>(1.001 * root * static_cast<double>(largest)) : T(0);
        return;
    }
    std::int8_t* const codes = codes_.data() + i * row_codes_;
    const double inverse = 1.0 / static_cast<double>(scale);
    double missed = 0.0;
    std::int64_t square = 0;
    for (std::size_t j = 0; j < n_features; ++j) {
        const double quotient = static_cast<double>(x[j]) * inverse;  // up to 127 and few roundings
        const int code = round_to_int(quotient);
        const double rest = quotient - code;
        missed += rest * rest;
        square += code * code;
        codes[j] = static_cast<std::int8_t>(code);
    }
    scales_[i] = scale;

    // In units of the scale, with f the score without roundings:
    //   |f - (coef . x + intercept)| <= ||coef|| ||x - x^|| + ||coef - coef^|| ||x^||.
    // Two roundings of a quotient of at most 128 are less than 2^-45. The roundings in score_block,
    // at most three in double precision and one to T, are less than 2 epsilon |coef^ . x^|. The
    // last factor exceeds the roundings of the sums here and of whoever computes ||coef||.
    const double of_weights = weights_error(n_features);
    const double error = std::sqrt(missed) + root * 0x1p-45 +
                         (of_weights + 2.0 * epsilon<T> * (1.0 + of_weights)) *
                             std::sqrt(static_cast<double>(square));
    errors_[i] = round_up<T>(static_cast<double>(scale) * error *
                             (1.0 + (2.0 * n + 64.0) * epsilon<double>));
}

template <Real T>
std::size_t Sketch<T>::bytes() const noexcept {
    return codes_.size() + (scales_.size() + errors_.size()) * sizeof(T);
}

template <Real T>
void Sketch<T>::score_block(std::size_t begin, std::size_t end, const IntegerWeights& weights,
                            T* scores) const noexcept {
    constexpr std::size_t batch = 512;
    std::int32_t products[batch];
    const auto dot_codes = kernels::active().dot_codes;
    for (std::size_t i = begin; i < end; i += batch) {
        const std::size_t n = std::min(batch, end - i);
        dot_codes(codes_.data() + i * row_codes_, n, weights.codes(), row_codes_, products);
        for (std::size_t r = 0; r < n; ++r) {
            const double unit = weights.unit() * static_cast<double>(scales_[i + r]);
            scores[i - begin + r] = static_cast<T>(unit * products[r] + weights.intercept());
        }
    }
}

/// Of the sum with the intercept, and to T: half an epsilon each.
template <Real T>
double Sketch<T>::rounding(double intercept) noexcept {
    return 2.0 * epsilon<T> * std::abs(intercept) +
           static_cast<double>(std::numeric_limits<T>::min());
}

template void IntegerWeights::assign(WeightsView<float>) noexcept;
template void IntegerWeights::assign(WeightsView<double>) noexcept;
template class Sketch<float>;
template class Sketch<double>;

}  // namespace exemplar_svm
