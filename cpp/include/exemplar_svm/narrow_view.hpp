#pragma once

#include <cstddef>
#include <cstdint>

#include "exemplar_svm/narrow.hpp"
#include "exemplar_svm/real.hpp"

namespace exemplar_svm {

/// Borrowed rows of a narrow type, at any stride, as in a DenseView. A row is its elements
/// converted to float, which is exact.
template <Narrow U>
struct NarrowView {
    const U* data = nullptr;
    std::size_t rows = 0;
    std::size_t cols = 0;
    std::ptrdiff_t stride = 0;  ///< elements from one row to the next
};

/// Borrowed rows of integers with a scale per row: x_ij = scales[i] * data_ij, rounded to float.
/// Multiplying the integers by their scales in float gives the same rows to the last bit.
struct ScaledView {
    const std::int8_t* data = nullptr;
    std::size_t rows = 0;
    std::size_t cols = 0;
    std::ptrdiff_t stride = 0;      ///< elements from one row to the next
    const float* scales = nullptr;  ///< one per row, finite
};

/// Narrow rows of any kind, as RowsView stores and reads them. All results have the bits of the
/// same rows as floats.
class NarrowRows {
  public:
    /// No rows: they are stored otherwise.
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

    // As in RowsView, over the first n features of row i or of each row in [begin, end):
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
