// AVX2 with FMA and F16C. This file has these flags whatever the rest is compiled for: see
// cmake/exemplar_svm_library.cmake.

#include "kernels/architecture.hpp"

#if defined(EXEMPLAR_SVM_X86)

#if !defined(_MSC_VER) && (!defined(__AVX2__) || !defined(__FMA__) || !defined(__F16C__))
#error "compile this file for AVX2, FMA and F16C: see cmake/exemplar_svm_library.cmake"
#endif

#include <immintrin.h>

#include <cstring>

#include "kernels/table.hpp"
//
#include "kernels/widen256.inl"

namespace exemplar_svm::kernels {
namespace {

// A mask of n leading lanes is the window that starts `width - n` entries before the zeros.
alignas(32) constexpr int lanes32[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
alignas(32) constexpr long long lanes64[8] = {-1, -1, -1, -1, 0, 0, 0, 0};

__m256i head32(std::size_t n) noexcept {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(lanes32 + 8 - n));
}
__m128i half_head32(std::size_t n) noexcept {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(lanes32 + 8 - n));
}
__m256i head64(std::size_t n) noexcept {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(lanes64 + 4 - n));
}

__m128 floats4(const float16* p) noexcept { return _mm_cvtph_ps(load64(p)); }
__m128 floats4(const bfloat16* p) noexcept {
    return _mm_castsi128_ps(_mm_slli_epi32(_mm_cvtepu16_epi32(load64(p)), 16));
}
__m128 floats4(const std::int8_t* p) noexcept {
    int four;
    std::memcpy(&four, p, sizeof four);
    return _mm_cvtepi32_ps(_mm_cvtepi8_epi32(_mm_cvtsi32_si128(four)));
}

template <class Element>
struct Vector;

template <>
struct Vector<float> {
    using T = float;
    static constexpr std::size_t width = 8;

    __m256 lanes;

    static Vector zero() noexcept { return {_mm256_setzero_ps()}; }
    static Vector broadcast(float v) noexcept { return {_mm256_set1_ps(v)}; }
    static Vector load(const float* p) noexcept { return {_mm256_loadu_ps(p)}; }
    template <class U>
    static Vector load(const U* p) noexcept {
        return {floats8(p)};
    }
    static Vector load(const std::int8_t* p, float scale) noexcept {
        return {_mm256_mul_ps(floats8(p), _mm256_set1_ps(scale))};
    }
    static Vector load_head(const float* p, std::size_t n) noexcept {
        return {_mm256_maskload_ps(p, head32(n))};
    }
    void store(float* p) const noexcept { _mm256_storeu_ps(p, lanes); }
    void store_head(float* p, std::size_t n) const noexcept {
        _mm256_maskstore_ps(p, head32(n), lanes);
    }
};

template <>
struct Vector<double> {
    using T = double;
    static constexpr std::size_t width = 4;

    __m256d lanes;

    static Vector zero() noexcept { return {_mm256_setzero_pd()}; }
    static Vector broadcast(double v) noexcept { return {_mm256_set1_pd(v)}; }
    static Vector load(const double* p) noexcept { return {_mm256_loadu_pd(p)}; }
    static Vector load(const float* p) noexcept { return {_mm256_cvtps_pd(_mm_loadu_ps(p))}; }
    template <class U>
    static Vector load(const U* p) noexcept {
        return {_mm256_cvtps_pd(floats4(p))};
    }
    static Vector load(const std::int8_t* p, float scale) noexcept {
        return {_mm256_cvtps_pd(_mm_mul_ps(floats4(p), _mm_set1_ps(scale)))};
    }
    static Vector load_head(const double* p, std::size_t n) noexcept {
        return {_mm256_maskload_pd(p, head64(n))};
    }
    static Vector load_head(const float* p, std::size_t n) noexcept {
        return {_mm256_cvtps_pd(_mm_maskload_ps(p, half_head32(n)))};
    }
    void store(double* p) const noexcept { _mm256_storeu_pd(p, lanes); }
    void store_head(double* p, std::size_t n) const noexcept {
        _mm256_maskstore_pd(p, head64(n), lanes);
    }
};

using F32 = Vector<float>;
using F64 = Vector<double>;

F32 fma(F32 a, F32 b, F32 c) noexcept { return {_mm256_fmadd_ps(a.lanes, b.lanes, c.lanes)}; }
F64 fma(F64 a, F64 b, F64 c) noexcept { return {_mm256_fmadd_pd(a.lanes, b.lanes, c.lanes)}; }
F32 add(F32 a, F32 b) noexcept { return {_mm256_add_ps(a.lanes, b.lanes)}; }
F64 add(F64 a, F64 b) noexcept { return {_mm256_add_pd(a.lanes, b.lanes)}; }

float sum(F32 a) noexcept {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(a.lanes), _mm256_extractf128_ps(a.lanes, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
}
double sum(F64 a) noexcept {
    const __m128d s =
        _mm_add_pd(_mm256_castpd256_pd128(a.lanes), _mm256_extractf128_pd(a.lanes, 1));
    return _mm_cvtsd_f64(_mm_add_sd(s, _mm_unpackhi_pd(s, s)));
}

}  // namespace
}  // namespace exemplar_svm::kernels

#include "kernels/integers256.inl"
// and what is written in terms of all these
#include "kernels/body.inl"
#include "kernels/narrow.inl"
#include "kernels/sparse.inl"

namespace exemplar_svm::kernels {
const Kernels avx2{table<float>(),
                   table<double>(),
                   sum_nibbles,
                   dot_codes,
                   narrow_tables<Vector<float>>(),
                   narrow_tables<Vector<double>>()};
}

#endif
