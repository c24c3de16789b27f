// Eight narrow numbers as floats, for AVX2; AVX-512 widens these to doubles.

namespace exemplar_svm::kernels {
namespace {

__m128i load128(const void* p) noexcept {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}
__m128i load64(const void* p) noexcept {
    return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
}

__m256 floats8(const float16* p) noexcept { return _mm256_cvtph_ps(load128(p)); }
__m256 floats8(const bfloat16* p) noexcept {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load128(p)), 16));
}
__m256 floats8(const std::int8_t* p) noexcept {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(load64(p)));
}

}  // namespace
}  // namespace exemplar_svm::kernels
