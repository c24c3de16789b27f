// Plain C++ for whatever the compiler's default target is. Four lanes per vector are what SSE2,
// which every x86-64 has, needs one (float) or two (double) registers for; compilers find them.

#include "kernels/table.hpp"

namespace exemplar_svm::kernels {
namespace {

template <class Element>
struct Vector {
    using T = Element;
    static constexpr std::size_t width = 4;

    T lane[width];

    static Vector zero() noexcept { return {{T(0), T(0), T(0), T(0)}}; }
    static Vector broadcast(T v) noexcept { return {{v, v, v, v}}; }
    template <class U>
    static Vector load(const U* p) noexcept {
        return {{T(p[0]), T(p[1]), T(p[2]), T(p[3])}};
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

/// Sums of 32 rows: those of even and of odd lanes.
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

namespace exemplar_svm::kernels {
const Kernels baseline{table<float>(), table<double>(), sum_nibbles, dot_codes};
}
