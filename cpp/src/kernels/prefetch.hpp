#pragma once

#include <cstddef>

#if defined(_MSC_VER) && (defined(_M_X64) || defined(_M_IX86))
#include <intrin.h>
#endif

namespace exemplar_svm {

/// Prefetches a row. A hint: it may do nothing.
template <class T>
void prefetch(const T* values, std::size_t n) noexcept {
    constexpr std::size_t line = 64 / sizeof(T);
    for (std::size_t j = 0; j < n; j += line) {
#if defined(__GNUC__)
        __builtin_prefetch(values + j);
#elif defined(_MSC_VER) && (defined(_M_X64) || defined(_M_IX86))
        _mm_prefetch(reinterpret_cast<const char*>(values + j), _MM_HINT_T0);
#endif
    }
}

}  // namespace exemplar_svm
