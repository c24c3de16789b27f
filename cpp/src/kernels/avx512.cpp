// AVX-512 F, VL and DQ. Compiled for these whatever the target of the rest is; see CMakeLists.txt.

#include <immintrin.h>

#include "kernels/table.hpp"

namespace exemplar_svm::kernels {
namespace {

__mmask16 head16(std::size_t n) noexcept { return static_cast<__mmask16>((1u << n) - 1u); }
__mmask8 head8(std::size_t n) noexcept { return static_cast<__mmask8>((1u << n) - 1u); }

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
    static Vector load_head(const float* p, std::size_t n) noexcept {
        return {_mm512_maskz_loadu_ps(head16(n), p)};
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
    static Vector load_head(const double* p, std::size_t n) noexcept {
        return {_mm512_maskz_loadu_pd(head8(n), p)};
    }
    static Vector load_head(const float* p, std::size_t n) noexcept {
        return {_mm512_cvtps_pd(_mm256_maskz_loadu_ps(head8(n), p))};
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

// Integers of 8 and 16 bits in 512 would need AVX-512 BW.

/// Sums of 32 rows: those of even and of odd lanes, in 16 bits each.
struct NibbleSums {
    __m256i even, odd;

    static NibbleSums zero() noexcept { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }

    void add(const std::uint8_t* codes, const std::uint8_t* tables) noexcept {
        const __m256i low_bits = _mm256_set1_epi8(0x0f);
        const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes));
        const __m256i low = _mm256_and_si256(bytes, low_bits);
        const __m256i high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), low_bits);
        const __m256i values = _mm256_add_epi8(_mm256_shuffle_epi8(table(tables), low),
                                               _mm256_shuffle_epi8(table(tables + 16), high));
        even = _mm256_add_epi16(even, _mm256_and_si256(values, _mm256_set1_epi16(0x00ff)));
        odd = _mm256_add_epi16(odd, _mm256_srli_epi16(values, 8));
    }
    void store(std::uint16_t* out) const noexcept {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), even);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 16), odd);
    }

  private:
    static __m256i table(const std::uint8_t* values) noexcept {
        return _mm256_broadcastsi128_si256(
            _mm_loadu_si128(reinterpret_cast<const __m128i*>(values)));
    }
};

struct Shorts {
    __m256i lanes;

    static Shorts load(const std::int16_t* p) noexcept {
        return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))};
    }
    static Shorts load(const std::int8_t* p) noexcept {
        return {_mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
    }
};

struct Sums {
    __m256i lanes;

    static Sums zero() noexcept { return {_mm256_setzero_si256()}; }
};

Sums multiply_add(Shorts a, Shorts b, Sums c) noexcept {
    return {_mm256_add_epi32(_mm256_madd_epi16(a.lanes, b.lanes), c.lanes)};
}
std::int32_t sum(Sums a) noexcept {
    __m128i s =
        _mm_add_epi32(_mm256_castsi256_si128(a.lanes), _mm256_extracti128_si256(a.lanes, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1)));
}

}  // namespace
}  // namespace exemplar_svm::kernels

#include "kernels/body.inl"

namespace exemplar_svm::kernels {
const Kernels avx512{table<float>(), table<double>(), sum_nibbles, dot_codes};
}
