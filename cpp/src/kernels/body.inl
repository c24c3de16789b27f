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
// Everything here has internal linkage: see table.hpp.

namespace exemplar_svm::kernels {
namespace {

/// Four partial sums hide the latency of the multiply-add.
template <class V, class U, class T = typename V::T>
T dot(const T* a, const U* b, std::size_t n) noexcept {
    V sum0 = V::zero(), sum1 = V::zero(), sum2 = V::zero(), sum3 = V::zero();
    std::size_t j = 0;
    for (; j + 4 * V::width <= n; j += 4 * V::width) {
        sum0 = fma(V::load(a + j), V::load(b + j), sum0);
        sum1 = fma(V::load(a + j + V::width), V::load(b + j + V::width), sum1);
        sum2 = fma(V::load(a + j + 2 * V::width), V::load(b + j + 2 * V::width), sum2);
        sum3 = fma(V::load(a + j + 3 * V::width), V::load(b + j + 3 * V::width), sum3);
    }
    for (; j + V::width <= n; j += V::width) sum0 = fma(V::load(a + j), V::load(b + j), sum0);
    if (j < n) sum1 = fma(V::load_head(a + j, n - j), V::load_head(b + j, n - j), sum1);
    return sum(add(add(sum0, sum1), add(sum2, sum3)));
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

/// `Rows` rows against one w. Each row has its own two partial sums, added up in the same order
/// for every value of Rows.
template <class V, std::size_t Rows, class T = typename V::T>
void dot_few_rows(const T* rows, std::ptrdiff_t stride, const T* w, std::size_t n,
                  T* out) noexcept {
    const T* row[Rows];
    V even[Rows], odd[Rows];
    for (std::size_t r = 0; r < Rows; ++r) {
        row[r] = rows + static_cast<std::ptrdiff_t>(r) * stride;
        even[r] = odd[r] = V::zero();
    }
    std::size_t j = 0;
    for (; j + 2 * V::width <= n; j += 2 * V::width) {
        const V w_even = V::load(w + j), w_odd = V::load(w + j + V::width);
        for (std::size_t r = 0; r < Rows; ++r) {
            even[r] = fma(V::load(row[r] + j), w_even, even[r]);
            odd[r] = fma(V::load(row[r] + j + V::width), w_odd, odd[r]);
        }
    }
    for (; j + V::width <= n; j += V::width) {
        const V w_even = V::load(w + j);
        for (std::size_t r = 0; r < Rows; ++r) {
            even[r] = fma(V::load(row[r] + j), w_even, even[r]);
        }
    }
    if (j < n) {
        const V w_odd = V::load_head(w + j, n - j);
        for (std::size_t r = 0; r < Rows; ++r) {
            odd[r] = fma(V::load_head(row[r] + j, n - j), w_odd, odd[r]);
        }
    }
    for (std::size_t r = 0; r < Rows; ++r) out[r] = sum(add(even[r], odd[r]));
}

template <class V, class T = typename V::T>
void dot_rows(const T* rows, std::ptrdiff_t stride, std::size_t n_rows, const T* w, std::size_t n,
              T* out) noexcept {
    std::size_t i = 0;
    for (; i + 4 <= n_rows; i += 4) {
        dot_few_rows<V, 4>(rows + static_cast<std::ptrdiff_t>(i) * stride, stride, w, n, out + i);
    }
    for (; i < n_rows; ++i) {
        dot_few_rows<V, 1>(rows + static_cast<std::ptrdiff_t>(i) * stride, stride, w, n, out + i);
    }
}

/// Bits set in a word. std::popcount is a template, of which a copy could leak (see table.hpp).
std::uint32_t count_bits(std::uint64_t word) noexcept {
#if defined(__GNUC__)
    return static_cast<std::uint32_t>(__builtin_popcountll(word));
#else
    word -= (word >> 1) & 0x5555555555555555u;
    word = (word & 0x3333333333333333u) + ((word >> 2) & 0x3333333333333333u);
    word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return static_cast<std::uint32_t>((word * 0x0101010101010101u) >> 56);
#endif
}

void differing_magnitude(const std::uint64_t* rows, std::size_t n_rows, std::size_t words,
                         const std::uint64_t* signs, const std::uint64_t* planes,
                         std::uint32_t* out) noexcept {
    for (std::size_t i = 0; i < n_rows; ++i) {
        std::uint32_t counts[signature_planes] = {};
        for (std::size_t j = 0; j < words; ++j) {
            const std::uint64_t differing = rows[i * words + j] ^ signs[j];
            for (std::size_t p = 0; p < signature_planes; ++p) {
                counts[p] += count_bits(differing & planes[p * words + j]);
            }
        }
        out[i] = 0;
        for (std::size_t p = 0; p < signature_planes; ++p) out[i] += counts[p] << p;
    }
}

template <class T>
constexpr KernelTable<T> table() noexcept {
    return {dot<Vector<T>, T>,       dot<Vector<double>, T>, axpy<Vector<T>, T>,
            axpy<Vector<double>, T>, dot_rows<Vector<T>>,    2 * Vector<T>::width};
}

}  // namespace
}  // namespace exemplar_svm::kernels
