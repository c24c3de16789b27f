// Rows of narrow types for the kernels of body.inl. The including file's `Vector` also has
//
//     load(const U*)                      for U = float16, bfloat16 and int8, as floats (widened
//                                         once more where T is double)
//     load(const std::int8_t*, float)     the same times a number, rounded to float
//
// so that lanes, and all sums, have the bits of the same rows as floats.

namespace exemplar_svm::kernels {
namespace {

/// The first n elements of a vector, padded with zeros.
template <class V, class U>
struct Padded {
    U values[V::width] = {};

    Padded(const U* p, std::size_t n) noexcept {
        for (std::size_t l = 0; l < n; ++l) values[l] = p[l];
    }
};

template <class V, class U>
struct NarrowRow {
    const U* values;
    std::size_t ahead;  // bytes

    void fetch_ahead(std::size_t j) const noexcept {
        // An integer, because the address may be past the last row.
        const auto address = reinterpret_cast<std::uintptr_t>(values + j) + ahead;
        prefetch(reinterpret_cast<const std::int8_t*>(address));
    }
    V load(std::size_t j) const noexcept { return V::load(values + j); }
    V load_head(std::size_t j, std::size_t n) const noexcept {
        return V::load(Padded<V, U>(values + j, n).values);
    }
};

/// Rows of n features; a single row if no stride is given.
template <class V, class U>
struct NarrowRows {
    static constexpr bool interleaves = sizeof(U) == 1;

    const U* first;
    std::ptrdiff_t stride;
    std::size_t ahead;

    NarrowRows(const void* rows, const float* /*scales*/, std::size_t n,
               std::ptrdiff_t row_stride = 0) noexcept
        : first(static_cast<const U*>(rows)),
          stride(row_stride),
          ahead(stride == static_cast<std::ptrdiff_t>(n) ? fetch_distance : 0) {}

    NarrowRow<V, U> operator[](std::size_t i) const noexcept {
        return {first + static_cast<std::ptrdiff_t>(i) * stride, ahead};
    }
};

template <class V>
struct ScaledRow {
    NarrowRow<V, std::int8_t> codes;
    float scale;

    void fetch_ahead(std::size_t j) const noexcept { codes.fetch_ahead(j); }
    V load(std::size_t j) const noexcept { return V::load(codes.values + j, scale); }
    V load_head(std::size_t j, std::size_t n) const noexcept {
        return V::load(Padded<V, std::int8_t>(codes.values + j, n).values, scale);
    }
};

template <class V>
struct ScaledRows {
    static constexpr bool interleaves = true;

    NarrowRows<V, std::int8_t> codes;
    const float* scales;

    ScaledRows(const void* rows, const float* row_scales, std::size_t n,
               std::ptrdiff_t row_stride = 0) noexcept
        : codes(rows, nullptr, n, row_stride), scales(row_scales) {}

    ScaledRow<V> operator[](std::size_t i) const noexcept { return {codes[i], scales[i]}; }
};

template <class V>
using Float16Rows = NarrowRows<V, float16>;
template <class V>
using Bfloat16Rows = NarrowRows<V, bfloat16>;
template <class V>
using Int8Rows = NarrowRows<V, std::int8_t>;

template <class V, class Rows, class T = typename V::T>
void widen(const void* row, const float* scale, std::size_t n, T* out) noexcept {
    const auto x = Rows(row, scale, n)[0];
    std::size_t j = 0;
    for (; j + V::width <= n; j += V::width) x.load(j).store(out + j);
    if (j < n) x.load_head(j, n - j).store_head(out + j, n - j);
}

template <class V, class Rows, class T = typename V::T>
T dot_narrow(const void* row, const float* scale, const T* w, std::size_t n) noexcept {
    return inner_product<V>(PlainRow<V, T>{w}, Rows(row, scale, n)[0], n);
}

template <class V, class Rows, class T = typename V::T>
T square_narrow(const void* row, const float* scale, std::size_t n) noexcept {
    const auto x = Rows(row, scale, n)[0];
    return inner_product<V>(x, x, n);
}

template <class V, class Rows, class T = typename V::T>
void dot_narrow_rows(const void* rows, std::ptrdiff_t stride, const float* scales,
                     std::size_t n_rows, const T* w, std::size_t n, T* out) noexcept {
    dot_each<V>(Rows(rows, scales, n, stride), n_rows, w, n, out);
}

template <class V, class Rows, class T = typename V::T>
void dot_narrow_rows_two(const void* rows, std::ptrdiff_t stride, const float* scales,
                         std::size_t n_rows, const T* w0, const T* w1, std::size_t n, T* out0,
                         T* out1) noexcept {
    dot_each_two<V>(Rows(rows, scales, n, stride), n_rows, w0, w1, n, out0, out1);
}

template <class V, class Rows>
constexpr NarrowTable<typename V::T> narrow_table() noexcept {
    return {widen<V, Rows>, dot_narrow<V, Rows>, square_narrow<V, Rows>, dot_narrow_rows<V, Rows>,
            dot_narrow_rows_two<V, Rows>};
}

template <class V>
constexpr NarrowTables<typename V::T> narrow_tables() noexcept {
    return {{narrow_table<V, Float16Rows<V>>(), narrow_table<V, Bfloat16Rows<V>>(),
             narrow_table<V, Int8Rows<V>>(), narrow_table<V, ScaledRows<V>>()}};
}

}  // namespace
}  // namespace exemplar_svm::kernels
