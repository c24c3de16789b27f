#include "row_statistics.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <sstream>
#include <string>

#include "exemplar_svm/error.hpp"
#include "exemplar_svm/scan.hpp"
#include "exemplar_svm/workspace.hpp"
#include "kernels/dispatch.hpp"

namespace exemplar_svm {
namespace {

/// Sparse rows are cheap to visit, and all of them are. Of dense ones, measured on text embeddings:
/// with the Gram matrix a step costs n instead of 2 d and reads a longer row, which pays up to n =
/// 2 d; below a thousand rows a choice among them does not pay. The Gram matrix takes at most 2^30
/// multiply-adds here, about a tenth of a second.
template <Real T>
Method suitable_method(const RowsView<T>& rows) noexcept {
    if (!rows.is_dense()) return Method::full;
    const std::size_t n = rows.rows, d = rows.cols;
    if (n <= 2 * d && n <= max_gram_rows && n * n / 2 * d <= std::size_t{1} << 30) {
        return Method::gram;
    }
    return n >= 1024 ? Method::working_set : Method::full;
}

/// @throws std::invalid_argument naming the first element of the rows that is not finite
template <Real T>
void require_finite(const RowsView<T>& rows, const std::vector<T>& squared_norms) {
    std::vector<T> scratch(rows.cols);
    for (std::size_t i = 0; i < rows.rows; ++i) {
        if (std::isfinite(squared_norms[i])) continue;  // it is not if any element is not
        const T* x = rows.read(i, scratch.data());
        std::ostringstream sentence;
        const T* bad = std::find_if_not(x, x + rows.cols, [](T v) { return std::isfinite(v); });
        if (bad == x + rows.cols) {
            sentence << "embeddings holds values at row " << i
                     << " that are too large: the square of its norm overflows";
        } else {
            sentence << "embeddings holds " << *bad << " at row " << i << ", column " << bad - x;
        }
        require(false, sentence.str());
    }
}

template <Real T>
double square_of_sum(const RowsView<T>& rows) {
    std::vector<double> sum(rows.cols);
    for (std::size_t i = 0; i < rows.rows; ++i) rows.axpy_wide(1.0, i, sum.data());
    return std::inner_product(sum.begin(), sum.end(), sum.begin(), 0.0);
}

}  // namespace

template <Real T>
RowStatistics<T>::RowStatistics(const RowsView<T>& rows, const IndexSettings& settings,
                                ExecutorRef executor)
    : squared_norms(rows.rows) {
    square_rows(rows, executor, squared_norms.data());
    if (settings.check_finite) require_finite(rows, squared_norms);
    // Norms serve in bounds: rounded up by more than they can have been rounded down.
    const double inflation = 2.0 * score_rounding_bound<T>(rows);
    for (T& square : squared_norms) {
        square = static_cast<T>(static_cast<double>(square) * (1.0 + inflation));
    }
    if (settings.center && rows.rows > 0) centre(rows, inflation, executor);
    if (!rows.is_dense()) sum_square = settings.center ? 0.0 : square_of_sum(rows);
    for (const T square : squared_norms) {
        max_squared_norm = std::max(max_squared_norm, static_cast<double>(square));
    }
    require(rows.is_dense() || settings.sketch == SketchType::none,
            "sketch is of dense rows, but embeddings has sparse ones");
    Method method = settings.method;
    if (method == Method::automatic) {
        method = settings.sketch == SketchType::none ? suitable_method(rows) : Method::working_set;
    }
    require(settings.sketch == SketchType::none || method == Method::working_set,
            "sketch is read by searches with method 'working_set' alone");
    require(rows.is_dense() || method == Method::full,
            "method is for dense rows, but embeddings has sparse ones: 'full' serves these");
    if (method == Method::gram) {
        require(rows.rows <= max_gram_rows,
                "method is 'gram', which is for up to 8192 rows, but embeddings has " +
                    std::to_string(rows.rows));
        gram = GramMatrix<T>(rows, mean.empty() ? nullptr : mean.data(), executor);
    } else if (method == Method::working_set && rows.rows > 1) {
        background = Background<T>(rows);
        signatures = Signatures<T>(rows, background.mean(), executor);
        if (settings.sketch == SketchType::int8) sketch = Sketch<T>(rows, executor);
        for (std::size_t i = 0; !sketch.empty() && i < rows.rows; ++i) {
            max_sketch_error = std::max(max_sketch_error, static_cast<double>(sketch.error(i)));
        }
    }
}

template <Real T>
void RowStatistics<T>::centre(const RowsView<T>& rows, double inflation, ExecutorRef executor) {
    const std::size_t n = rows.rows, d = rows.cols;
    mean.assign(d, 0.0);
    for (std::size_t i = 0; i < n; ++i) rows.axpy_wide(1.0, i, mean.data());
    double mean_square = 0.0;
    for (double& m : mean) {
        m /= static_cast<double>(n);
        mean_square += m * m;
    }
    const std::vector<T> rounded_mean(mean.begin(), mean.end());
    mean_products.resize(n);
    score_rows(rows, WeightsView<T>{rounded_mean.data(), 0.0}, executor, mean_products.data());
    for (std::size_t i = 0; i < n; ++i) {
        // ||x - m||^2 from three numbers that may cancel: plus what they may have lost.
        const auto raw = static_cast<double>(squared_norms[i]);
        const double centred = raw - 2.0 * static_cast<double>(mean_products[i]) + mean_square;
        squared_norms[i] =
            static_cast<T>(std::max(centred, 0.0) + 2.0 * inflation * (raw + mean_square));
    }
}

template struct RowStatistics<float>;
template struct RowStatistics<double>;

}  // namespace exemplar_svm
