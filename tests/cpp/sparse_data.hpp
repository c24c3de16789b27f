#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "exemplar_svm/csr_view.hpp"
#include "reference.hpp"

namespace exemplar_svm::reference {

/// The non-zeros of dense rows.
template <Real T, ColumnNumber I = std::int32_t>
struct CompressedRows {
    std::size_t n, d;
    std::vector<T> values;
    std::vector<I> columns, starts{0};

    CompressedRows(const std::vector<T>& dense, std::size_t n_rows, std::size_t n_features)
        : n(n_rows), d(n_features) {
        for (std::size_t i = 0; i < n; ++i) {
            for (std::size_t c = 0; c < d; ++c) {
                if (dense[i * d + c] == T(0)) continue;
                values.push_back(dense[i * d + c]);
                columns.push_back(static_cast<I>(c));
            }
            starts.push_back(static_cast<I>(values.size()));
        }
    }

    CsrView<T, I> view() const {
        return {values.data(), columns.data(), starts.data(), n, d, values.size()};
    }
};

/// Rows that are mostly zeros, some of them empty, both dense and compressed.
template <Real T, ColumnNumber I = std::int32_t>
struct SparseData {
    std::size_t n, d;
    std::vector<T> dense;
    std::vector<T> values;
    std::vector<I> columns, starts{0};

    SparseData(std::size_t n_rows, std::size_t n_features, double density, Random& random)
        : n(n_rows), d(n_features), dense(n_rows * n_features) {
        for (std::size_t i = 0; i < n; ++i) {
            const bool empty = i % 17 == 5;
            for (std::size_t c = 0; c < d; ++c) {
                if (empty || !random.chance(c < 3 ? 0.8 : density)) continue;
                add(i, c, static_cast<T>(0.3 + 0.3 * random.normal()));
            }
            starts.push_back(static_cast<I>(values.size()));
        }
    }

    CsrView<T, I> view() const {
        return {values.data(), columns.data(), starts.data(), n, d, values.size()};
    }
    CsrView<T, I> part(std::size_t begin, std::size_t end) const {
        return {values.data(), columns.data(), starts.data() + begin, end - begin, d,
                values.size()};
    }
    DenseView<T> dense_part(std::size_t begin, std::size_t end) const {
        return {dense.data() + begin * d, end - begin, d, static_cast<std::ptrdiff_t>(d)};
    }
    DenseView<T> dense_view() const { return {dense.data(), n, d, static_cast<std::ptrdiff_t>(d)}; }

  private:
    void add(std::size_t i, std::size_t c, T value) {
        dense[i * d + c] = value;
        values.push_back(value);
        columns.push_back(static_cast<I>(c));
    }
};

}  // namespace exemplar_svm::reference
