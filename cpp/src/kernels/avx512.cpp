// AVX-512 F, VL and DQ. This file has these flags whatever the rest is compiled for: see
// cmake/exemplar_svm_library.cmake.

#include "kernels/architecture.hpp"

#if defined(EXEMPLAR_SVM_X86)

#if !defined(_MSC_VER) && \
    (!defined(__AVX512F__) || !defined(__AVX512DQ__) || !defined(__AVX512VL__))
#error "compile this file for AVX-512 F, VL and DQ: see cmake/exemplar_svm_library.cmake"
#endif

#include <immintrin.h>

#include "kernels/table.hpp"
//
#include "kernels/widen256.inl"

namespace exemplar_svm::kernels {
namespace {

__mmask16 head16(std::size_t n) noexcept { return static_cast<__mmask16>((1u << n) - 1u); }
__mmask8 head8(std::size_t n) noexcept { return static_cast<__mmask8>((1u << n) - 1u); }

__m512 floats16(const float16* p) noexcept {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
__m512 floats16(const bfloat16* p) noexcept {
    const __m256i upper = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(upper), 16));
}
__m512 floats16(const std::int8_t* p) noexcept {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load128(p)));
}

template <class Element>
struct Vector;

template <>
struct Vector<float> {
    using T = float;
    static constexpr std::size_t width = 16;

    __m512 lanes;

    static Vector zero() noexcept { return {_mm512_setzero_ps()}; }
    static Vector broadcast(float v) noexcept { return {_mm512_set1_ps(v)}; }
    static Vector load(const float* p) noexcept { return {_mm512_loadu_ps(p)}; }
    template <class U>
    static Vector load(const U* p) noexcept {
        return {floats16(p)};
    }
    static Vector load(const std::int8_t* p, float scale) noexcept {
        return {_mm512_mul_ps(floats16(p), _mm512_set1_ps(scale))};
    }
    static Vector load_head(const float* p, std::size_t n) noexcept {
        return {_mm512_maskz_loadu_ps(head16(n), p)};
    }
    static Vector gather(const float* w, const std::int32_t* columns) noexcept {
        return {_mm512_i32gather_ps(_mm512_loadu_si512(columns), w, sizeof(float))};
    }
    static Vector gather_head(const float* w, const std::int32_t* columns, std::size_t n) noexcept {
        return {_mm512_mask_i32gather_ps(_mm512_setzero_ps(), head16(n),
                                         _mm512_maskz_loadu_epi32(head16(n), columns), w,
                                         sizeof(float))};
    }
    void store(float* p) const noexcept { _mm512_storeu_ps(p, lanes); }
    void store_head(float* p, std::size_t n) const noexcept {
        _mm512_mask_storeu_ps(p, head16(n), lanes);
    }
};

template <>
struct Vector<double> {
    using T = double;
    static constexpr std::size_t width = 8;

    __m512d lanes;

    static Vector zero() noexcept { return {_mm512_setzero_pd()}; }
    static Vector broadcast(double v) noexcept { return {_mm512_set1_pd(v)}; }
    static Vector load(const double* p) noexcept { return {_mm512_loadu_pd(p)}; }
    static Vector load(const float* p) noexcept { return {_mm512_cvtps_pd(_mm256_loadu_ps(p))}; }
    template <class U>
    static Vector load(const U* p) noexcept {
        return {_mm512_cvtps_pd(floats8(p))};
    }
    static Vector load(const std::int8_t* p, float scale) noexcept {
        return {_mm512_cvtps_pd(_mm256_mul_ps(floats8(p), _mm256_set1_ps(scale)))};
    }
    static Vector load_head(const double* p, std::size_t n) noexcept {
        return {_mm512_maskz_loadu_pd(head8(n), p)};
    }
    static Vector load_head(const float* p, std::size_t n) noexcept {
        return {_mm512_cvtps_pd(_mm256_maskz_loadu_ps(head8(n), p))};
    }
    static Vector gather(const double* w, const std::int32_t* columns) noexcept {
        const __m256i places = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(columns));
        return {_mm512_i32gather_pd(places, w, sizeof(double))};
    }
    static Vector gather_head(const double* w, const std::int32_t* columns,
                              std::size_t n) noexcept {
        return {_mm512_mask_i32gather_pd(_mm512_setzero_pd(), head8(n),
                                         _mm256_maskz_loadu_epi32(head8(n), columns), w,
                                         sizeof(double))};
    }
    void store(double* p) const noexcept { _mm512_storeu_pd(p, lanes); }
    void store_head(double* p, std::size_t n) const noexcept {
        _mm512_mask_storeu_pd(p, head8(n), lanes);
    }
};

using F32 = Vector<float>;
using F64 = Vector<double>;

F32 fma(F32 a, F32 b, F32 c) noexcept { return {_mm512_fmadd_ps(a.lanes, b.lanes, c.lanes)}; }
F64 fma(F64 a, F64 b, F64 c) noexcept { return {_mm512_fmadd_pd(a.lanes, b.lanes, c.lanes)}; }
F32 add(F32 a, F32 b) noexcept { return {_mm512_add_ps(a.lanes, b.lanes)}; }
F64 add(F64 a, F64 b) noexcept { return {_mm512_add_pd(a.lanes, b.lanes)}; }
float sum(F32 a) noexcept { return _mm512_reduce_add_ps(a.lanes); }
double sum(F64 a) noexcept { return _mm512_reduce_add_pd(a.lanes); }

}  // namespace
}  // namespace exemplar_svm::kernels

#include "kernels/integers256.inl"
// and what is written in terms of all these
#include "kernels/body.inl"
#include "kernels/narrow.inl"
#include "kernels/sparse.inl"

namespace exemplar_svm::kernels {
const Kernels avx512{table<float>(),
                     table<double>(),
                     sum_nibbles,
                     dot_codes,
                     narrow_tables<Vector<float>>(),
                     narrow_tables<Vector<double>>()};
}

#endif
