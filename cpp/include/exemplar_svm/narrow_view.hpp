#pragma once

#include <cstddef>
#include <cstdint>

#include "exemplar_svm/narrow.hpp"
#include "exemplar_svm/real.hpp"

namespace exemplar_svm {

/// Rows of a narrow type in somebody else's memory: borrowed, at any distance from each other, as
/// those of a DenseView. A row is what its elements are as floats, which is exact.
template <Narrow U>
struct NarrowView {
    const U* data = nullptr;
    std::size_t rows = 0;
    std::size_t cols = 0;
    std::ptrdiff_t stride = 0;  ///< elements from one row to the next
};

/// Rows of integers with a scale each, borrowed: x_ij = scales[i] * data_ij, rounded to float. So
/// they are the rows that multiplying the integers by their scales in float gives, to the last bit.
struct ScaledView {
    const std::int8_t* data = nullptr;
    std::size_t rows = 0;
    std::size_t cols = 0;
    std::ptrdiff_t stride = 0;      ///< elements from one row to the next
    const float* scales = nullptr;  ///< one per row, finite
};

/// Narrow rows of any kind: how RowsView stores and reads them. What it computes has the bits that
/// the same rows as floats give.
class NarrowRows {
  public:
    /// None: the rows are stored otherwise.
    NarrowRows() = default;

    template <Narrow U>
    explicit NarrowRows(const NarrowView<U>& view) noexcept
        : data_(reinterpret_cast<const std::byte*>(view.data)),
          stride_(view.stride),
          kind_(kind_of<U>),
          element_bytes_(sizeof(U)) {}

    explicit NarrowRows(const ScaledView& view) noexcept
        : data_(reinterpret_cast<const std::byte*>(view.data)),
          scales_(view.scales),
          stride_(view.stride),
          kind_(Kind::scaled_int8),
          element_bytes_(sizeof(std::int8_t)) {}

    explicit operator bool() const noexcept { return element_bytes_ != 0; }

    NarrowRows from(std::size_t first) const noexcept;
    NarrowRows from_column(std::size_t first) const noexcept;

    void prefetch(std::size_t i, std::size_t n) const noexcept;

    // Of n features of row i, or of each row of [begin, end), see RowsView:
    template <Real T>
    void copy(std::size_t i, std::size_t n, T* out) const noexcept;
    template <Real T>
    T dot(std::size_t i, const T* w, std::size_t n) const noexcept;
    template <Real T>
    T squared_norm(std::size_t i, std::size_t n) const noexcept;
    template <Real T>
    void dot_rows(std::size_t begin, std::size_t end, const T* w, std::size_t n,
                  T* out) const noexcept;
    template <Real T>
    void dot_rows_two(std::size_t begin, std::size_t end, const T* w0, const T* w1, std::size_t n,
                      T* out0, T* out1) const noexcept;

  private:
    /// In the order of the kernels' tables.
    enum class Kind : std::uint8_t { float16, bfloat16, int8, scaled_int8 };

    template <Narrow U>
    static constexpr Kind kind_of = std::same_as<U, float16>    ? Kind::float16
                                    : std::same_as<U, bfloat16> ? Kind::bfloat16
                                                                : Kind::int8;

    const void* row(std::size_t i) const noexcept;
    const float* scale(std::size_t i) const noexcept;

    const std::byte* data_ = nullptr;
    const float* scales_ = nullptr;
    std::ptrdiff_t stride_ = 0;  // elements
    Kind kind_{};
    std::uint8_t element_bytes_ = 0;
};

}  // namespace exemplar_svm
