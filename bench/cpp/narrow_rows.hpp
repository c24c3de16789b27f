#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "exemplar_svm/matrix_view.hpp"
#include "exemplar_svm/narrow_view.hpp"

namespace exemplar_svm::bench {

/// Rounds to nearest, for values below 65,504.
template <Narrow U>
U narrow(float value) {
    if constexpr (std::is_same_v<U, float16>) {
        const std::uint32_t sign = std::signbit(value) ? 0x8000 : 0;
        int exponent;
        const float significand = std::frexp(std::abs(value), &exponent);
        const auto magnitude = exponent < -13
                                   ? std::lround(std::ldexp(std::abs(value), 24))  // subnormal
                                   : ((exponent + 13) << 10) + std::lround(2048.0f * significand);
        return {static_cast<std::uint16_t>(sign | static_cast<std::uint32_t>(magnitude))};
    } else if constexpr (std::is_same_v<U, bfloat16>) {
        const auto bits = std::bit_cast<std::uint32_t>(value);
        return {static_cast<std::uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)};
    } else {
        return static_cast<std::int8_t>(std::lround(value));
    }
}

/// The same rows in a narrow type. Integers have a scale per row that maps the row's largest
/// element to 127.
template <Narrow U>
class NarrowCopy {
  public:
    explicit NarrowCopy(const DenseView<float>& rows)
        : rows_(rows.rows), cols_(rows.cols), elements_(rows.rows * rows.cols), scales_(rows.rows) {
        for (std::size_t i = 0; i < rows_; ++i) {
            const float* const x = rows.row(i);
            float inverse = 1.0f;
            if constexpr (std::is_same_v<U, std::int8_t>) {
                float largest = 0.0f;
                for (std::size_t c = 0; c < cols_; ++c) {
                    largest = std::max(largest, std::abs(x[c]));
                }
                scales_[i] = largest / 127.0f;
                inverse = largest > 0.0f ? 127.0f / largest : 0.0f;
            }
            std::transform(x, x + cols_, elements_.begin() + static_cast<std::ptrdiff_t>(i * cols_),
                           [inverse](float v) { return narrow<U>(inverse * v); });
        }
    }

    NarrowView<U> view() const {
        return {elements_.data(), rows_, cols_, static_cast<std::ptrdiff_t>(cols_)};
    }
    ScaledView scaled() const
        requires std::is_same_v<U, std::int8_t>
    {
        return {elements_.data(), rows_, cols_, static_cast<std::ptrdiff_t>(cols_), scales_.data()};
    }

  private:
    std::size_t rows_, cols_;
    std::vector<U> elements_;
    std::vector<float> scales_;
};

}  // namespace exemplar_svm::bench
