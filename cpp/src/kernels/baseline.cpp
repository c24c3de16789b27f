// Plain C++ for the compiler's default target. Compilers put the four lanes of a vector into one
// (float) or two (double) registers of SSE2, which every x86-64 has.

#include <cstring>

#include "kernels/table.hpp"

namespace exemplar_svm::kernels {
namespace {

float float_of_bits(std::uint32_t bits) noexcept {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

/// Widens an element to a type that T holds exactly.
template <class U>
U value(U element) noexcept {
    return element;
}
float value(bfloat16 element) noexcept {
    return float_of_bits(static_cast<std::uint32_t>(element.bits) << 16);
}

/// Without a branch, and without subnormal floats, which a program may have switched off (after
/// FP16, https://github.com/Maratyszcza/FP16). Exact. The exponent of a normal number, infinity or
/// NaN is raised by 112 + 112, as infinities need, and lowered by 112 again, which leaves
/// infinities as they are. The fraction of a subnormal number is put behind the leading bit of 1/2,
/// which is then subtracted.
float value(float16 element) noexcept {
    const std::uint32_t sign = (element.bits & 0x8000u) << 16;
    const std::uint32_t rest = element.bits & 0x7fffu;
    const float normal = float_of_bits((rest << 13) + (0xe0u << 23)) * 0x1p-112f;
    const float subnormal = float_of_bits(rest | (126u << 23)) - 0.5f;
    const float magnitude = rest < 0x0400u ? subnormal : normal;
    std::uint32_t bits;
    std::memcpy(&bits, &magnitude, sizeof bits);
    return float_of_bits(sign | bits);
}

template <class Element>
struct Vector {
    using T = Element;
    static constexpr std::size_t width = 4;

    T lane[width];

    static Vector zero() noexcept { return {{T(0), T(0), T(0), T(0)}}; }
    static Vector broadcast(T v) noexcept { return {{v, v, v, v}}; }
    template <class U>
    static Vector load(const U* p) noexcept {
        return {{T(value(p[0])), T(value(p[1])), T(value(p[2])), T(value(p[3]))}};
    }
    static Vector load(const std::int8_t* p, float scale) noexcept {
        return {{T(float(p[0]) * scale), T(float(p[1]) * scale), T(float(p[2]) * scale),
                 T(float(p[3]) * scale)}};
    }
    template <class U>
    static Vector load_head(const U* p, std::size_t n) noexcept {
        return {{T(p[0]), n > 1 ? T(p[1]) : T(0), n > 2 ? T(p[2]) : T(0), T(0)}};
    }
    void store(T* p) const noexcept {
        for (std::size_t l = 0; l < width; ++l) p[l] = lane[l];
    }
    void store_head(T* p, std::size_t n) const noexcept {
        for (std::size_t l = 0; l < n; ++l) p[l] = lane[l];
    }
};

template <class T>
Vector<T> fma(const Vector<T>& a, const Vector<T>& b, const Vector<T>& c) noexcept {
    return {{a.lane[0] * b.lane[0] + c.lane[0], a.lane[1] * b.lane[1] + c.lane[1],
             a.lane[2] * b.lane[2] + c.lane[2], a.lane[3] * b.lane[3] + c.lane[3]}};
}

template <class T>
Vector<T> add(const Vector<T>& a, const Vector<T>& b) noexcept {
    return {{a.lane[0] + b.lane[0], a.lane[1] + b.lane[1], a.lane[2] + b.lane[2],
             a.lane[3] + b.lane[3]}};
}

template <class T>
T sum(const Vector<T>& a) noexcept {
    return (a.lane[0] + a.lane[2]) + (a.lane[1] + a.lane[3]);
}

struct Shorts {
    std::int16_t lane[code_group];

    template <class U>
    static Shorts load(const U* p) noexcept {
        Shorts shorts;
        for (std::size_t l = 0; l < code_group; ++l) shorts.lane[l] = p[l];
        return shorts;
    }
};

/// Sums of 32 rows: the even lanes, then the odd lanes.
struct NibbleSums {
    std::uint16_t sum[signature_rows];

    static NibbleSums zero() noexcept { return {}; }

    void add(const std::uint8_t* codes, const std::uint8_t* tables) noexcept {
        for (std::size_t lane = 0; lane < signature_rows; ++lane) {
            const std::size_t place = lane / 2 + (lane % 2) * (signature_rows / 2);
            const auto value = tables[codes[lane] & 0x0f] + tables[16 + (codes[lane] >> 4)];
            sum[place] = static_cast<std::uint16_t>(sum[place] + value);
        }
    }
    void store(std::uint16_t* out) const noexcept {
        for (std::size_t t = 0; t < signature_rows; ++t) out[t] = sum[t];
    }
};

struct Sums {
    std::int32_t lane[8];

    static Sums zero() noexcept { return {}; }
};

Sums multiply_add(const Shorts& a, const Shorts& b, Sums c) noexcept {
    for (std::size_t l = 0; l < code_group / 2; ++l) {
        c.lane[l] += a.lane[2 * l] * b.lane[2 * l] + a.lane[2 * l + 1] * b.lane[2 * l + 1];
    }
    return c;
}
std::int32_t sum(const Sums& a) noexcept {
    std::int32_t total = 0;
    for (const std::int32_t lane : a.lane) total += lane;
    return total;
}

}  // namespace
}  // namespace exemplar_svm::kernels

#include "kernels/body.inl"
#include "kernels/narrow.inl"
#include "kernels/sparse.inl"

namespace exemplar_svm::kernels {
const Kernels baseline{table<float>(),
                       table<double>(),
                       sum_nibbles,
                       dot_codes,
                       narrow_tables<Vector<float>>(),
                       narrow_tables<Vector<double>>()};
}
