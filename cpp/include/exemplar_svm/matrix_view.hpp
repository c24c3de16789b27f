#pragma once

#include <cstddef>

#include "exemplar_svm/real.hpp"

namespace exemplar_svm {

/// Rows in somebody else's memory: borrowed, never owned, never copied.
///
/// The elements of one row are contiguous; the distance between rows is free. It may be larger than
/// a row (a slice of a wider matrix), zero (one row repeated) or negative (rows in reverse order).
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
