// Products with sparse rows, and the table of all kernels. Included after body.inl. If the
// instruction set has gather instructions, the including file's vectors have
//
//     gather(const T* w, const std::int32_t* columns)
//     gather_head(const T* w, const std::int32_t* columns, n)    n < width elements, others zero

namespace exemplar_svm::kernels {
namespace {

/// The elements of w in the columns of a sparse row.
template <class V, class T = typename V::T>
struct GatheredRow {
    const T* w;
    const std::int32_t* columns;

    V load(std::size_t j) const noexcept { return V::gather(w, columns + j); }
    V load_head(std::size_t j, std::size_t n) const noexcept {
        return V::gather_head(w, columns + j, n);
    }
};

/// Without gather instructions, packing single elements into vectors does not pay: four scalar
/// sums.
template <class V, class U, class T = typename V::T>
T dot_sparse(const U* values, const std::int32_t* columns, std::size_t n, const T* w) noexcept {
    if constexpr (requires { V::gather(w, columns); }) {
        return inner_product<V>(GatheredRow<V>{w, columns}, PlainRow<V, U>{values}, n);
    } else {
        T sums[sparse_sums] = {};
        std::size_t j = 0;
        for (; j + sparse_sums <= n; j += sparse_sums) {
            for (std::size_t lane = 0; lane < sparse_sums; ++lane) {
                sums[lane] += static_cast<T>(values[j + lane]) * w[columns[j + lane]];
            }
        }
        for (; j < n; ++j) sums[0] += static_cast<T>(values[j]) * w[columns[j]];
        return (sums[0] + sums[1]) + (sums[2] + sums[3]);
    }
}

template <class T>
constexpr KernelTable<T> table() noexcept {
    return {dot<Vector<T>, T>,       dot<Vector<double>, T>,       dot_pair<Vector<T>>,
            axpy<Vector<T>, T>,      axpy_pair<Vector<T>>,         axpy<Vector<double>, T>,
            axpy_four<Vector<T>, T>, axpy_four<Vector<double>, T>, dot_rows<Vector<T>>,
            dot_rows_two<Vector<T>>, dot_sparse<Vector<T>, T>,     dot_sparse<Vector<double>, T>,
            2 * Vector<T>::width};
}

}  // namespace
}  // namespace exemplar_svm::kernels
