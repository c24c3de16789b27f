#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include "exemplar_svm/matrix_view.hpp"
#include "reference.hpp"

namespace exemplar_svm::reference {

/// Rows around a few directions with a common mean, of norm about one, and positives like them.
template <Real T>
struct ClusteredData {
    std::size_t n, d;
    std::vector<T> rows, positives;

    ClusteredData(std::size_t n_rows, std::size_t n_features, std::size_t n_positives,
                  Random& random)
        : n(n_rows), d(n_features) {
        constexpr std::size_t n_clusters = 6;
        auto centres = random.normals<double>(n_clusters * d);
        for (double& v : centres) v += 1.0;
        const double scale = 0.6 / std::sqrt(static_cast<double>(d));
        const auto add = [&](std::vector<T>& values) {
            const std::size_t cluster = random.below(n_clusters);
            for (std::size_t j = 0; j < d; ++j) {
                const double x = centres[cluster * d + j] + 0.7 * random.normal();
                values.push_back(static_cast<T>(scale * x));
            }
        };
        for (std::size_t i = 0; i < n; ++i) add(rows);
        for (std::size_t j = 0; j < n_positives; ++j) add(positives);
    }

    DenseView<T> view() const { return {rows.data(), n, d, static_cast<std::ptrdiff_t>(d)}; }

    auto row(std::size_t i) { return rows.begin() + static_cast<std::ptrdiff_t>(i * d); }

    void scale(std::size_t i, double factor) {
        for (std::size_t j = 0; j < d; ++j) {
            rows[i * d + j] = static_cast<T>(factor * static_cast<double>(rows[i * d + j]));
        }
    }
};

}  // namespace exemplar_svm::reference
