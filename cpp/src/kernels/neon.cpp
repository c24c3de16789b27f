// NEON of 64-bit ARM; every such processor has it.

#include "kernels/architecture.hpp"

#if defined(EXEMPLAR_SVM_NEON)

#include <arm_neon.h>

#include <cstring>

#include "kernels/table.hpp"

namespace exemplar_svm::kernels {
namespace {

float32x4_t floats4(const float16* p) noexcept {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(&p->bits)));
}
float32x4_t floats4(const bfloat16* p) noexcept {
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(&p->bits), 16));
}
float32x4_t floats4(const std::int8_t* p) noexcept {
    std::uint32_t four;
    std::memcpy(&four, p, sizeof four);
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vcreate_s8(four)))));
}

template <class U>
float32x2_t floats2(const U* p) noexcept {
    const U padded[4] = {p[0], p[1]};
    return vget_low_f32(floats4(padded));
}

template <class Element>
struct Vector;

template <>
struct Vector<float> {
    using T = float;
    static constexpr std::size_t width = 4;

    float32x4_t lanes;

    static Vector zero() noexcept { return {vdupq_n_f32(0.0f)}; }
    static Vector broadcast(float v) noexcept { return {vdupq_n_f32(v)}; }
    static Vector load(const float* p) noexcept { return {vld1q_f32(p)}; }
    template <class U>
    static Vector load(const U* p) noexcept {
        return {floats4(p)};
    }
    static Vector load(const std::int8_t* p, float scale) noexcept {
        return {vmulq_n_f32(floats4(p), scale)};
    }
    static Vector load_head(const float* p, std::size_t n) noexcept {
        const float padded[width] = {p[0], n > 1 ? p[1] : 0.0f, n > 2 ? p[2] : 0.0f, 0.0f};
        return load(padded);
    }
    void store(float* p) const noexcept { vst1q_f32(p, lanes); }
    void store_head(float* p, std::size_t n) const noexcept {
        float padded[width];
        store(padded);
        for (std::size_t l = 0; l < n; ++l) p[l] = padded[l];
    }
};

template <>
struct Vector<double> {
    using T = double;
    static constexpr std::size_t width = 2;

    float64x2_t lanes;

    static Vector zero() noexcept { return {vdupq_n_f64(0.0)}; }
    static Vector broadcast(double v) noexcept { return {vdupq_n_f64(v)}; }
    static Vector load(const double* p) noexcept { return {vld1q_f64(p)}; }
    static Vector load(const float* p) noexcept { return {vcvt_f64_f32(vld1_f32(p))}; }
    template <class U>
    static Vector load(const U* p) noexcept {
        return {vcvt_f64_f32(floats2(p))};
    }
    static Vector load(const std::int8_t* p, float scale) noexcept {
        return {vcvt_f64_f32(vmul_n_f32(floats2(p), scale))};
    }
    template <class U>
    static Vector load_head(const U* p, std::size_t) noexcept {
        const double padded[width] = {double(p[0]), 0.0};
        return load(padded);
    }
    void store(double* p) const noexcept { vst1q_f64(p, lanes); }
    void store_head(double* p, std::size_t) const noexcept { p[0] = vgetq_lane_f64(lanes, 0); }
};

using F32 = Vector<float>;
using F64 = Vector<double>;

F32 fma(F32 a, F32 b, F32 c) noexcept { return {vfmaq_f32(c.lanes, a.lanes, b.lanes)}; }
F64 fma(F64 a, F64 b, F64 c) noexcept { return {vfmaq_f64(c.lanes, a.lanes, b.lanes)}; }
F32 add(F32 a, F32 b) noexcept { return {vaddq_f32(a.lanes, b.lanes)}; }
F64 add(F64 a, F64 b) noexcept { return {vaddq_f64(a.lanes, b.lanes)}; }
float sum(F32 a) noexcept { return vaddvq_f32(a.lanes); }
double sum(F64 a) noexcept { return vaddvq_f64(a.lanes); }

/// Sums of 32 rows in 16 bits: the even lanes, then the odd lanes.
struct NibbleSums {
    uint16x8_t even[2], odd[2];

    static NibbleSums zero() noexcept {
        const uint16x8_t none = vdupq_n_u16(0);
        return {{none, none}, {none, none}};
    }

    void add(const std::uint8_t* codes, const std::uint8_t* tables) noexcept {
        const uint8x16_t low_table = vld1q_u8(tables), high_table = vld1q_u8(tables + 16);
        for (int half = 0; half < 2; ++half) {
            const uint8x16_t bytes = vld1q_u8(codes + 16 * half);
            const uint16x8_t values = vreinterpretq_u16_u8(
                vaddq_u8(vqtbl1q_u8(low_table, vandq_u8(bytes, vdupq_n_u8(0x0f))),
                         vqtbl1q_u8(high_table, vshrq_n_u8(bytes, 4))));
            even[half] = vaddq_u16(even[half], vandq_u16(values, vdupq_n_u16(0x00ff)));
            odd[half] = vaddq_u16(odd[half], vshrq_n_u16(values, 8));
        }
    }
    void store(std::uint16_t* out) const noexcept {
        for (int half = 0; half < 2; ++half) {
            vst1q_u16(out + 8 * half, even[half]);
            vst1q_u16(out + 16 + 8 * half, odd[half]);
        }
    }
};

struct Shorts {
    int16x8_t low, high;

    static Shorts load(const std::int16_t* p) noexcept { return {vld1q_s16(p), vld1q_s16(p + 8)}; }
    static Shorts load(const std::int8_t* p) noexcept {
        const int8x16_t narrow = vld1q_s8(p);
        return {vmovl_s8(vget_low_s8(narrow)), vmovl_high_s8(narrow)};
    }
};

struct Sums {
    int32x4_t low, high;

    static Sums zero() noexcept { return {vdupq_n_s32(0), vdupq_n_s32(0)}; }
};

Sums multiply_add(Shorts a, Shorts b, Sums c) noexcept {
    const int32x4_t low = vmlal_s16(c.low, vget_low_s16(a.low), vget_low_s16(b.low));
    const int32x4_t high = vmlal_high_s16(c.high, a.low, b.low);
    return {vmlal_s16(low, vget_low_s16(a.high), vget_low_s16(b.high)),
            vmlal_high_s16(high, a.high, b.high)};
}
std::int32_t sum(Sums a) noexcept { return vaddvq_s32(vaddq_s32(a.low, a.high)); }

}  // namespace
}  // namespace exemplar_svm::kernels

#include "kernels/body.inl"
#include "kernels/narrow.inl"
#include "kernels/sparse.inl"

namespace exemplar_svm::kernels {
const Kernels neon{table<float>(),
                   table<double>(),
                   sum_nibbles,
                   dot_codes,
                   narrow_tables<Vector<float>>(),
                   narrow_tables<Vector<double>>()};
}

#endif
