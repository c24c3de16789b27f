// The kernels, written once over a vector type and compiled once per instruction set. The including
// file defines, in an unnamed namespace, `Vector<float>` and `Vector<double>` with
//
//     T, width
//     zero(), broadcast(T)
//     load(const U*), load_head(const U*, n)   n < width elements, the other lanes zero; U may be
//                                              float where T is double, and is widened
//     store(T*), store_head(T*, n)
//     fma(a, b, c) = a * b + c                 fused where the instruction set has it
//     add(a, b), sum(a)
//
// and `Shorts`, 16 integers of 16 bits, and `Sums`, some of 32 bits, with
//
//     Shorts::load(const std::int16_t*), Shorts::load(const std::int8_t*)    the latter widens
//     Sums::zero()
//     multiply_add(Shorts, Shorts, Sums)       adds each product to one of the sums
//     sum(Sums)
//
// Everything here has internal linkage: see table.hpp.

#include <type_traits>

namespace exemplar_svm::kernels {
namespace {

/// Prefetches the cache line at p. A hint: it may do nothing.
void prefetch([[maybe_unused]] const std::int8_t* p) noexcept {
#if defined(__GNUC__)
    __builtin_prefetch(p);
#endif
}

/// Prefetch distance in bytes, for rows of bytes stored one after the other.
constexpr std::size_t fetch_distance = 4096;

/// A row of U in place, read as vectors of V. narrow.inl has the same for other storage.
template <class V, class U>
struct PlainRow {
    const U* values;
    V load(std::size_t j) const noexcept { return V::load(values + j); }
    V load_head(std::size_t j, std::size_t n) const noexcept { return V::load_head(values + j, n); }
};

template <class V, class U>
struct PlainRows {
    static constexpr bool interleaves = false;

    const U* first;
    std::ptrdiff_t stride;

    PlainRow<V, U> operator[](std::size_t i) const noexcept {
        return {first + static_cast<std::ptrdiff_t>(i) * stride};
    }
};

/// Four partial sums hide the latency of the multiply-add.
template <class V, class A, class B>
typename V::T inner_product(A a, B b, std::size_t n) noexcept {
    V sum0 = V::zero(), sum1 = V::zero(), sum2 = V::zero(), sum3 = V::zero();
    std::size_t j = 0;
    for (; j + 4 * V::width <= n; j += 4 * V::width) {
        sum0 = fma(a.load(j), b.load(j), sum0);
        sum1 = fma(a.load(j + V::width), b.load(j + V::width), sum1);
        sum2 = fma(a.load(j + 2 * V::width), b.load(j + 2 * V::width), sum2);
        sum3 = fma(a.load(j + 3 * V::width), b.load(j + 3 * V::width), sum3);
    }
    for (; j + V::width <= n; j += V::width) sum0 = fma(a.load(j), b.load(j), sum0);
    if (j < n) sum1 = fma(a.load_head(j, n - j), b.load_head(j, n - j), sum1);
    return sum(add(add(sum0, sum1), add(sum2, sum3)));
}

template <class V, class U, class T = typename V::T>
T dot(const T* a, const U* b, std::size_t n) noexcept {
    return inner_product<V>(PlainRow<V, T>{a}, PlainRow<V, U>{b}, n);
}

template <class V, class U, class T = typename V::T>
void axpy(T alpha, const U* x, T* y, std::size_t n) noexcept {
    const V alphas = V::broadcast(alpha);
    std::size_t j = 0;
    for (; j + 2 * V::width <= n; j += 2 * V::width) {
        fma(alphas, V::load(x + j), V::load(y + j)).store(y + j);
        fma(alphas, V::load(x + j + V::width), V::load(y + j + V::width)).store(y + j + V::width);
    }
    for (; j + V::width <= n; j += V::width) {
        fma(alphas, V::load(x + j), V::load(y + j)).store(y + j);
    }
    if (j < n) {
        fma(alphas, V::load_head(x + j, n - j), V::load_head(y + j, n - j))
            .store_head(y + j, n - j);
    }
}

/// Two partial sums for each of three products hide the latency of the multiply-add.
template <class V, class T = typename V::T>
void dot_pair(const T* a, const T* b, const T* c, std::size_t n, T* out) noexcept {
    V ab0 = V::zero(), ac0 = V::zero(), bc0 = V::zero();
    V ab1 = V::zero(), ac1 = V::zero(), bc1 = V::zero();
    std::size_t j = 0;
    for (; j + 2 * V::width <= n; j += 2 * V::width) {
        const V a0 = V::load(a + j), b0 = V::load(b + j), c0 = V::load(c + j);
        ab0 = fma(a0, b0, ab0);
        ac0 = fma(a0, c0, ac0);
        bc0 = fma(b0, c0, bc0);
        const V a1 = V::load(a + j + V::width), b1 = V::load(b + j + V::width),
                c1 = V::load(c + j + V::width);
        ab1 = fma(a1, b1, ab1);
        ac1 = fma(a1, c1, ac1);
        bc1 = fma(b1, c1, bc1);
    }
    for (; j + V::width <= n; j += V::width) {
        const V a0 = V::load(a + j), b0 = V::load(b + j), c0 = V::load(c + j);
        ab0 = fma(a0, b0, ab0);
        ac0 = fma(a0, c0, ac0);
        bc0 = fma(b0, c0, bc0);
    }
    if (j < n) {
        const V a1 = V::load_head(a + j, n - j), b1 = V::load_head(b + j, n - j),
                c1 = V::load_head(c + j, n - j);
        ab1 = fma(a1, b1, ab1);
        ac1 = fma(a1, c1, ac1);
        bc1 = fma(b1, c1, bc1);
    }
    out[0] = sum(add(ab0, ab1));
    out[1] = sum(add(ac0, ac1));
    out[2] = sum(add(bc0, bc1));
}

template <class V, class T = typename V::T>
void axpy_pair(T alpha, const T* x, T beta, const T* z, T* y, std::size_t n) noexcept {
    const V alphas = V::broadcast(alpha), betas = V::broadcast(beta);
    std::size_t j = 0;
    for (; j + V::width <= n; j += V::width) {
        fma(betas, V::load(z + j), fma(alphas, V::load(x + j), V::load(y + j))).store(y + j);
    }
    if (j < n) {
        const std::size_t rest = n - j;
        fma(betas, V::load_head(z + j, rest),
            fma(alphas, V::load_head(x + j, rest), V::load_head(y + j, rest)))
            .store_head(y + j, rest);
    }
}

template <class V, class U, class T = typename V::T>
void axpy_four(const T* alpha, const U* const* x, T* y, std::size_t n) noexcept {
    const V a0 = V::broadcast(alpha[0]), a1 = V::broadcast(alpha[1]);
    const V a2 = V::broadcast(alpha[2]), a3 = V::broadcast(alpha[3]);
    std::size_t j = 0;
    for (; j + V::width <= n; j += V::width) {
        V sums = fma(a0, V::load(x[0] + j), V::load(y + j));
        sums = fma(a1, V::load(x[1] + j), sums);
        sums = fma(a2, V::load(x[2] + j), sums);
        fma(a3, V::load(x[3] + j), sums).store(y + j);
    }
    if (j < n) {
        const std::size_t rest = n - j;
        V sums = fma(a0, V::load_head(x[0] + j, rest), V::load_head(y + j, rest));
        sums = fma(a1, V::load_head(x[1] + j, rest), sums);
        sums = fma(a2, V::load_head(x[2] + j, rest), sums);
        fma(a3, V::load_head(x[3] + j, rest), sums).store_head(y + j, rest);
    }
}

/// `Few` rows, row i and those behind it that are `apart` from each other, against one w. Each row
/// has its own two partial sums, added in the same order for every value of Few, so the bits of a
/// product do not depend on Few.
template <class V, std::size_t Few, class Rows, class T = typename V::T>
void dot_few_rows(const Rows& rows, std::size_t i, std::size_t apart, const T* w, std::size_t n,
                  T* out) noexcept {
    decltype(rows[i]) row[Few];
    V even[Few], odd[Few];
    for (std::size_t r = 0; r < Few; ++r) {
        row[r] = rows[i + r * apart];
        even[r] = odd[r] = V::zero();
    }
    std::size_t j = 0;
    for (; j + 2 * V::width <= n; j += 2 * V::width) {
        const V w_even = V::load(w + j), w_odd = V::load(w + j + V::width);
        for (std::size_t r = 0; r < Few; ++r) {
            // The rows after a single one may not be wanted.
            if constexpr (Few > 1 && Rows::interleaves) row[r].fetch_ahead(j);
            even[r] = fma(row[r].load(j), w_even, even[r]);
            odd[r] = fma(row[r].load(j + V::width), w_odd, odd[r]);
        }
    }
    for (; j + V::width <= n; j += V::width) {
        const V w_even = V::load(w + j);
        for (std::size_t r = 0; r < Few; ++r) {
            even[r] = fma(row[r].load(j), w_even, even[r]);
        }
    }
    if (j < n) {
        const V w_odd = V::load_head(w + j, n - j);
        for (std::size_t r = 0; r < Few; ++r) {
            odd[r] = fma(row[r].load_head(j, n - j), w_odd, odd[r]);
        }
    }
    for (std::size_t r = 0; r < Few; ++r) out[i + r * apart] = sum(add(even[r], odd[r]));
}

/// The same with two w. The partial sums are those of dot_few_rows.
template <class V, std::size_t Few, class Rows, class T = typename V::T>
void dot_few_rows_two(const Rows& rows, std::size_t i, std::size_t apart, const T* w0, const T* w1,
                      std::size_t n, T* out0, T* out1) noexcept {
    decltype(rows[i]) row[Few];
    V even0[Few], odd0[Few], even1[Few], odd1[Few];
    for (std::size_t r = 0; r < Few; ++r) {
        row[r] = rows[i + r * apart];
        even0[r] = odd0[r] = even1[r] = odd1[r] = V::zero();
    }
    std::size_t j = 0;
    for (; j + 2 * V::width <= n; j += 2 * V::width) {
        const V even_w0 = V::load(w0 + j), even_w1 = V::load(w1 + j);
        for (std::size_t r = 0; r < Few; ++r) {
            const V x = row[r].load(j);
            even0[r] = fma(x, even_w0, even0[r]);
            even1[r] = fma(x, even_w1, even1[r]);
        }
        const V odd_w0 = V::load(w0 + j + V::width), odd_w1 = V::load(w1 + j + V::width);
        for (std::size_t r = 0; r < Few; ++r) {
            const V x = row[r].load(j + V::width);
            odd0[r] = fma(x, odd_w0, odd0[r]);
            odd1[r] = fma(x, odd_w1, odd1[r]);
        }
    }
    for (; j + V::width <= n; j += V::width) {
        const V even_w0 = V::load(w0 + j), even_w1 = V::load(w1 + j);
        for (std::size_t r = 0; r < Few; ++r) {
            const V x = row[r].load(j);
            even0[r] = fma(x, even_w0, even0[r]);
            even1[r] = fma(x, even_w1, even1[r]);
        }
    }
    if (j < n) {
        const V odd_w0 = V::load_head(w0 + j, n - j), odd_w1 = V::load_head(w1 + j, n - j);
        for (std::size_t r = 0; r < Few; ++r) {
            const V x = row[r].load_head(j, n - j);
            odd0[r] = fma(x, odd_w0, odd0[r]);
            odd1[r] = fma(x, odd_w1, odd1[r]);
        }
    }
    for (std::size_t r = 0; r < Few; ++r) {
        out0[i + r * apart] = sum(add(even0[r], odd0[r]));
        out1[i + r * apart] = sum(add(even1[r], odd1[r]));
    }
}

/// Calls body(i, apart, Few) until each row has had its turn, `Few` rows at a time where there are
/// so many. Rows a part of all away from each other are streams of lines, which the hardware
/// prefetches; neighbours that are read together are not. From memory, Zen 4 reads rows of float32
/// at 27 and 11 GB/s, Zen 5 at 37 and 29. Rows of bytes are too short for that: neighbours and
/// prefetches read them up to a fifth faster on Zen 5.
template <class Rows, std::size_t Few, class Body>
void for_few_rows(std::size_t n_rows, Body&& body) noexcept {
    const std::size_t n_together = n_rows / Few, apart = Rows::interleaves ? 1 : n_together;
    for (std::size_t t = 0; t < n_together; ++t) {
        body(Rows::interleaves ? Few * t : t, apart, std::integral_constant<std::size_t, Few>{});
    }
    for (std::size_t i = Few * n_together; i < n_rows; ++i) {
        body(i, 0, std::integral_constant<std::size_t, 1>{});
    }
}

template <class V, class Rows, class T = typename V::T>
void dot_each(const Rows& rows, std::size_t n_rows, const T* w, std::size_t n, T* out) noexcept {
    for_few_rows<Rows, 4>(n_rows, [&](std::size_t i, std::size_t apart, auto few) noexcept {
        dot_few_rows<V, decltype(few)::value>(rows, i, apart, w, n, out);
    });
}

template <class V, class Rows, class T = typename V::T>
void dot_each_two(const Rows& rows, std::size_t n_rows, const T* w0, const T* w1, std::size_t n,
                  T* out0, T* out1) noexcept {
    for_few_rows<Rows, 3>(n_rows, [&](std::size_t i, std::size_t apart, auto few) noexcept {
        dot_few_rows_two<V, decltype(few)::value>(rows, i, apart, w0, w1, n, out0, out1);
    });
}

template <class V, class T = typename V::T>
void dot_rows(const T* rows, std::ptrdiff_t stride, std::size_t n_rows, const T* w, std::size_t n,
              T* out) noexcept {
    dot_each<V>(PlainRows<V, T>{rows, stride}, n_rows, w, n, out);
}

template <class V, class T = typename V::T>
void dot_rows_two(const T* rows, std::ptrdiff_t stride, std::size_t n_rows, const T* w0,
                  const T* w1, std::size_t n, T* out0, T* out1) noexcept {
    dot_each_two<V>(PlainRows<V, T>{rows, stride}, n_rows, w0, w1, n, out0, out1);
}

/// Sixteen-entry tables in registers, as in fast scans of product-quantised codes (Andre,
/// Kermarrec, Le Scouarnec, VLDB 2015).
void sum_nibbles(const std::uint8_t* codes, std::size_t n_bytes, const std::uint8_t* tables,
                 std::uint16_t* out) noexcept {
    NibbleSums sums = NibbleSums::zero();
    for (std::size_t b = 0; b < n_bytes; ++b) {
        sums.add(codes + signature_rows * b, tables + 32 * b);
    }
    sums.store(out);
}

/// `Rows` rows of codes against one w; prefetches from `ahead`.
template <std::size_t Rows>
void dot_few_codes(const std::int8_t* codes, const std::int8_t* ahead, const std::int16_t* w,
                   std::size_t n, std::int32_t* out) noexcept {
    Sums sums[Rows];
    for (std::size_t r = 0; r < Rows; ++r) sums[r] = Sums::zero();
    for (std::size_t j = 0; j < n; j += code_group) {
        prefetch(ahead + Rows * j);
        const Shorts weights = Shorts::load(w + j);
        for (std::size_t r = 0; r < Rows; ++r) {
            sums[r] = multiply_add(Shorts::load(codes + r * n + j), weights, sums[r]);
        }
    }
    for (std::size_t r = 0; r < Rows; ++r) out[r] = sum(sums[r]);
}

/// Four groups of codes fill a cache line, so each line read prefetches one line. The hardware
/// prefetches four interleaved rows too late (without prefetching Zen 1 takes 1.7 times as long).
void dot_codes(const std::int8_t* codes, std::size_t n_rows, const std::int16_t* w, std::size_t n,
               std::int32_t* out) noexcept {
    constexpr std::size_t distance = 4096;
    std::size_t i = 0;
    for (; i + 4 <= n_rows; i += 4) {
        const std::int8_t* const four = codes + i * n;
        const bool has_more = (n_rows - i - 4) * n >= distance;
        dot_few_codes<4>(four, has_more ? four + distance : four, w, n, out + i);
    }
    for (; i < n_rows; ++i) dot_few_codes<1>(codes + i * n, codes + i * n, w, n, out + i);
}

}  // namespace
}  // namespace exemplar_svm::kernels
