#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <type_traits>
#include <vector>

#include "exemplar_svm/matrix_view.hpp"
#include "exemplar_svm/narrow_view.hpp"
#include "exemplar_svm/rows_view.hpp"
#include "reference.hpp"

namespace exemplar_svm::reference {

/// The value of a narrow number, decoded by IEEE 754-2019, section 3.4.
inline double read_bits(std::uint16_t bits, int exponent_bits) {
    const int fraction_bits = 15 - exponent_bits;
    const int largest = (1 << exponent_bits) - 1, bias = largest / 2;
    const int exponent = (bits >> fraction_bits) & largest;
    const double fraction = bits & ((1 << fraction_bits) - 1);
    const double sign = (bits & 0x8000) != 0 ? -1.0 : 1.0;
    if (exponent == largest) {
        return fraction != 0.0 ? std::numeric_limits<double>::quiet_NaN() : sign * infinity;
    }
    return exponent == 0 ? sign * std::ldexp(fraction, 1 - bias - fraction_bits)
                         : sign * std::ldexp(fraction + (1 << fraction_bits),
                                             exponent - bias - fraction_bits);
}

inline double exact(float16 value) { return read_bits(value.bits, 5); }
inline double exact(bfloat16 value) { return read_bits(value.bits, 8); }
inline double exact(std::int8_t value) { return value; }

/// A narrow number near `value`: the next one toward zero; for integers, of 40 times the value.
template <Narrow U>
U narrow(double value) {
    if constexpr (std::is_same_v<U, std::int8_t>) {
        return static_cast<std::int8_t>(std::clamp(40.0 * value, -128.0, 127.0));
    } else {
        std::uint16_t low = 0, high = std::is_same_v<U, float16> ? 0x7c00 : 0x7f80;
        while (high - low > 1) {
            const auto middle = static_cast<std::uint16_t>((low + high) / 2);
            (exact(U{middle}) <= std::abs(value) ? low : high) = middle;
        }
        return U{static_cast<std::uint16_t>(low | (value < 0.0 ? 0x8000 : 0))};
    }
}

/// Int8 rows with a scale per row, in place of a narrow type.
struct Scaled {};

/// Narrow rows, `padding` elements apart, in a buffer of exactly their size, and the same rows as
/// floats.
template <class U>
class NarrowData {
  public:
    static constexpr bool is_scaled = std::is_same_v<U, Scaled>;
    using Element = std::conditional_t<is_scaled, std::int8_t, U>;

    NarrowData(const std::vector<double>& values, std::size_t cols, std::size_t padding,
               Random& random)
        : rows_(cols == 0 ? 0 : values.size() / cols),
          cols_(cols),
          stride_(cols + padding),
          elements_(new Element[size()]),
          scales_(new float[is_scaled ? rows_ : 0]),
          floats_(rows_ * cols) {
        std::fill_n(elements_.get(), size(), narrow<Element>(1.0));
        for (std::size_t i = 0; i < rows_; ++i) {
            if constexpr (is_scaled) scales_[i] = static_cast<float>(random.uniform(-0.1, 0.1));
            for (std::size_t c = 0; c < cols; ++c) {
                const auto element = narrow<Element>(values[i * cols + c]);
                elements_[i * stride_ + c] = element;
                auto x = static_cast<float>(exact(element));
                if constexpr (is_scaled) x *= scales_[i];
                floats_[i * cols + c] = x;
            }
        }
    }

    auto view() const {
        const auto stride = static_cast<std::ptrdiff_t>(stride_);
        if constexpr (is_scaled) {
            return ScaledView{elements_.get(), rows_, cols_, stride, scales_.get()};
        } else {
            return NarrowView<U>{elements_.get(), rows_, cols_, stride};
        }
    }

    template <Real T = float>
    std::vector<T> widened() const {
        return {floats_.begin(), floats_.end()};
    }

  private:
    std::size_t size() const { return rows_ == 0 ? 0 : (rows_ - 1) * stride_ + cols_; }

    std::size_t rows_, cols_, stride_;
    std::unique_ptr<Element[]> elements_;
    std::unique_ptr<float[]> scales_;
    std::vector<float> floats_;
};

}  // namespace exemplar_svm::reference
