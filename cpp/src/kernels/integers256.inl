// Integer arithmetic in 256 bits for body.inl, shared by AVX2 and AVX-512. 512-bit arithmetic on 8
// and 16 bits would need AVX-512 BW.

namespace exemplar_svm::kernels {
namespace {

/// Sums of 32 rows in 16 bits: the even lanes, then the odd lanes.
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
