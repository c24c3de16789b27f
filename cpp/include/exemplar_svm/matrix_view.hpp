#pragma once

#include <cstddef>

#include "exemplar_svm/real.hpp"

namespace exemplar_svm {

/// Borrowed rows: never owned, never copied.
///
/// The elements of a row are contiguous. The stride between rows is free: larger than a row (a
/// slice of a wider matrix), zero (one row repeated) or negative (rows in reverse order).
template <Real T>
struct DenseView {
    const T* data = nullptr;
    std::size_t rows = 0;
    std::size_t cols = 0;
    std::ptrdiff_t stride = 0;  ///< elements from one row to the next

    const T* row(std::size_t i) const noexcept {
        return data + static_cast<std::ptrdiff_t>(i) * stride;
    }
};

}  // namespace exemplar_svm
