#include "model/sketch.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "exemplar_svm/error.hpp"
#include "exemplar_svm/scan.hpp"
#include "kernels/dispatch.hpp"

namespace exemplar_svm {
namespace {

constexpr double largest_code = 127.0;

// Weights round to integers q of at most 16 bits. Rounding at most doubles a magnitude, so unit >=
// sum |coef| / 2^23 keeps 127 sum |q| below 2^31, as dot_codes requires.
constexpr double largest_weight = 32767.0;
constexpr double largest_sum = 0x1p23;

template <class T>
constexpr auto epsilon = static_cast<double>(std::numeric_limits<T>::epsilon());

std::size_t codes_per_row(std::size_t n_features) noexcept {
    constexpr std::size_t group = kernels::code_group;
    return (n_features + group - 1) / group * group;
}

/// Rounds to nearest, ties away from zero.
int round_to_int(double value) noexcept {
    return static_cast<int>(value + std::copysign(0.5, value));
}

/// Rounds a non-negative value up to a T.
template <Real T>
T round_up(double value) noexcept {
    constexpr T infinity = std::numeric_limits<T>::infinity();
    if (!(value < static_cast<double>(std::numeric_limits<T>::max()))) return infinity;
    return std::nextafter(static_cast<T>(value), infinity);
}

/// Bound on ||coef - unit q|| / ||coef||: each q errs by half a unit and the rounding of the
/// division, max |coef| <= ||coef||, and sum |coef| <= sqrt(n) ||coef||.
double weights_error(std::size_t n_features) noexcept {
    const double root = std::sqrt(static_cast<double>(n_features));
    return 0.50001 * root * std::max(1.0 / largest_weight, root / largest_sum);
}

/// Quantises a row and bounds the error. `codes` are zero on entry.
template <Real T>
void describe(const T* x, std::size_t n_features, std::int8_t* codes, T& row_scale,
              T& row_error) noexcept {
    const double n = static_cast<double>(n_features), root = std::sqrt(n);
    T largest = 0;
    bool finite = true;
    for (std::size_t j = 0; j < n_features; ++j) {
        const T magnitude = std::abs(x[j]);
        largest = std::max(largest, magnitude);
        finite &= magnitude <= std::numeric_limits<T>::max();
    }
    if (!finite) {
        row_error = std::numeric_limits<T>::infinity();
        return;
    }
    const T scale = largest / static_cast<T>(largest_code);
    if (scale < std::numeric_limits<T>::min()) {  // 1 / scale might overflow: keep all codes zero
        row_error = largest > 0 ? round_up<T>(1.001 * root * static_cast<double>(largest)) : T(0);
        return;
    }
    const double inverse = 1.0 / static_cast<double>(scale);
    double missed = 0.0;
    std::int64_t square = 0;
    for (std::size_t j = 0; j < n_features; ++j) {
        const double quotient =
            static_cast<double>(x[j]) * inverse;  // at most 127 and a few roundings
        const int code = round_to_int(quotient);
        const double rest = quotient - code;
        missed += rest * rest;
        square += code * code;
        codes[j] = static_cast<std::int8_t>(code);
    }
    row_scale = scale;

    // In units of the scale, with f the score before rounding:
    //   |f - (coef . x + intercept)| <= ||coef|| ||x - x^|| + ||coef - coef^|| ||x^||.
    // Two roundings of a quotient of at most 128 are less than 2^-45. The roundings in score_block,
    // at most three in double precision and one to T, are less than 2 epsilon |coef^ . x^|. The
    // last factor exceeds the roundings of the sums here and of the caller's ||coef||.
    const double of_weights = weights_error(n_features);
    const double error = std::sqrt(missed) + root * 0x1p-45 +
                         (of_weights + 2.0 * epsilon<T> * (1.0 + of_weights)) *
                             std::sqrt(static_cast<double>(square));
    row_error = round_up<T>(static_cast<double>(scale) * error *
                            (1.0 + (2.0 * n + 64.0) * epsilon<double>));
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
    if (!std::isfinite(sum)) {  // every score becomes NaN
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
Sketch<T>::Sketch(const RowsView<T>& rows, ExecutorRef executor) {
    extend(rows, executor);
}

template <Real T>
void Sketch<T>::extend(const RowsView<T>& rows, ExecutorRef executor) {
    const std::size_t d = rows.cols, n_before = scales_.size();
    const RowsView<T> added = rows.from(n_before);
    row_codes_ = codes_per_row(d);
    std::int8_t* const codes = codes_.extend(added.rows * row_codes_);
    T* const scales = scales_.extend(added.rows);
    T* const errors = errors_.extend(added.rows);
    const RowBlocks blocks = row_blocks(added);
    std::vector<T> scratch(added.is_read_in_place() ? 0 : blocks.count() * d);
    for_each_block(
        executor, blocks, [&](std::size_t begin, std::size_t end, std::size_t block) noexcept {
            T* const row = scratch.data() + (added.is_read_in_place() ? 0 : block * d);
            for (std::size_t i = begin; i < end; ++i) {
                describe(added.read(i, row), d, codes + i * row_codes_, scales[i], errors[i]);
            }
        });
}

template <Real T>
void Sketch<T>::require_valid(std::size_t n_rows, std::size_t n_features) {
    row_codes_ = codes_per_row(n_features);
    require(codes_.size() == n_rows * row_codes_ && scales_.size() == n_rows &&
                errors_.size() == n_rows,
            "sketch must have codes, a scale and an error for every row");
    require(std::ranges::all_of(scales_, [](T scale) { return std::isfinite(scale); }) &&
                std::ranges::all_of(errors_, [](T error) { return error >= T(0); }),
            "sketch scales must be finite and errors non-negative");
}

template <Real T>
std::size_t Sketch<T>::bytes() const noexcept {
    return codes_.bytes() + scales_.bytes() + errors_.bytes();
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

/// The rounding of the sum with the intercept, and that to T: half an epsilon each.
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
