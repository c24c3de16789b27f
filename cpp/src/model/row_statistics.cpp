#include "model/row_statistics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>
#include <string>

#include "base/stoppable_executor.hpp"
#include "exemplar_svm/error.hpp"
#include "exemplar_svm/scan.hpp"
#include "kernels/dispatch.hpp"

namespace exemplar_svm {
namespace {

/// Measured on text embeddings: a step with the Gram matrix costs n instead of 2 d and reads a
/// longer row, which pays up to n = 2 d. Below a thousand rows, choosing a working set does not
/// pay. The Gram matrix takes at most 2^30 multiply-adds here, about a tenth of a second.
template <Real T>
Method suitable_method(const RowsView<T>& rows) noexcept {
    const std::size_t n = rows.rows, d = rows.cols;
    if (rows.is_dense() && n <= 2 * d && n <= max_gram_rows &&
        n * n / 2 * d <= std::size_t{1} << 30) {
        return Method::gram;
    }
    return n >= 1024 ? Method::working_set : Method::full;
}

/// Rows summed before the mean adds their sum.
constexpr std::size_t rows_per_sum = 4;

/// The products of larger squares with costs would overflow in double precision.
template <Real T>
constexpr T largest_square =
    static_cast<T>(std::min(1e190, static_cast<double>(std::numeric_limits<T>::max())));

template <Real T>
void require_primal(const RowsView<T>& rows, const IndexSettings& settings) {
    require(rows.is_dense(), "method 'primal' is for dense rows, but embeddings has sparse ones");
    require(settings.loss == Loss::squared_hinge,
            "method 'primal' is for loss 'squared_hinge', but loss is 'hinge'");
    require(rows.rows >= fewest_primal_rows,
            "method is 'primal', which is for " + std::to_string(fewest_primal_rows) +
                " or more rows, but embeddings has " + std::to_string(rows.rows));
}

/// @param first  row number of the first of these rows
/// @throws std::invalid_argument naming the first bad element
template <Real T>
void require_finite(const RowsView<T>& rows, const std::vector<T>& squared_norms,
                    std::size_t first) {
    std::vector<T> scratch(rows.cols);
    for (std::size_t i = 0; i < rows.rows; ++i) {
        if (squared_norms[i] <= largest_square<T>) continue;  // false if any element is not finite
        const T* x = rows.read(i, scratch.data());
        std::ostringstream sentence;
        const T* bad = std::find_if_not(x, x + rows.cols, [](T v) { return std::isfinite(v); });
        if (bad == x + rows.cols) {
            sentence << "embeddings holds values at row " << first + i
                     << " that are too large: the square of its norm overflows";
        } else {
            sentence << "embeddings holds " << *bad << " at row " << first + i << ", column "
                     << bad - x;
        }
        require(false, sentence.str());
    }
}

}  // namespace

template <Real T>
void RowStatistics<T>::update(const RowsView<T>& rows, const IndexSettings& settings,
                              ExecutorRef threads, const StopCondition& stop) {
    // A stopped pass leaves statistics unfinished; throw_if_reached() then discards them.
    const StoppableExecutor executor(threads, stop);
    const std::size_t n = rows.rows;
    if (!live.empty()) {
        const std::size_t n_new = n - live.size();
        std::fill_n(live.extend(n_new), n_new, std::uint8_t{1});
    }
    n_live = n - static_cast<std::size_t>(std::ranges::count(live, 0));
    measure(rows, settings, executor, stop);
    require(rows.is_dense() || settings.sketch == SketchType::none,
            "sketch is for dense rows, but embeddings has sparse ones");
    method = settings.method;
    if (method == Method::automatic) {
        method = settings.sketch == SketchType::none ? suitable_method(rows) : Method::working_set;
    }
    require(settings.sketch == SketchType::none || method == Method::working_set,
            "sketch is 'int8', but only method 'working_set' scans a sketch");
    require(rows.is_dense() || method != Method::gram,
            "method 'gram' is for dense rows, but embeddings has sparse ones");
    if (method == Method::primal) require_primal(rows, settings);
    // Removed rows that are not finite would spoil the statistics, so searches visit all rows.
    if (!settings.check_finite &&
        !std::ranges::all_of(squared_norms, [](T square) { return std::isfinite(square); })) {
        method = Method::full;
        gaussian = {};
        sign_codes = {};
        postings = {};
        sketch = {};
        n_modelled_ = 0;
    }
    const bool models = (method == Method::working_set || method == Method::primal) && n > 1;
    if (!models && method != Method::gram) method = Method::full;
    if (method == Method::gram) {
        require(n <= max_gram_rows, "method is 'gram', which is for up to " +
                                        std::to_string(max_gram_rows) +
                                        " rows, but embeddings has " + std::to_string(n));
        if (settings.center) gram = {};
        gram.extend(rows, mean.empty() ? nullptr : mean.data(), executor, stop);
    } else {
        gram = {};
    }
    if (models) {
        // Guesses can use an old model, but not for ever: the rows that it never saw may differ.
        if (n_modelled_ == 0 || n >= 2 * n_modelled_) {
            gaussian = GaussianModel<T>(rows, stop);
            sign_codes = {};
            postings = {};
            n_modelled_ = n;
        }
        if (method == Method::primal) {
            // It guesses no scores.
        } else if (rows.is_dense()) {
            sign_codes.extend(rows, gaussian.mean(), executor);
        } else {
            postings.extend(rows, gaussian.mean(), executor, stop);
        }
        if (settings.sketch == SketchType::int8) sketch.extend(rows, executor);
    }
    stop.throw_if_reached();
    find_largest();
}

template <Real T>
void RowStatistics<T>::remove(const RowsView<T>& rows, std::span<const RowNumber> removed) {
    Buffer<std::uint8_t> left;
    std::uint8_t* const mask = left.extend(rows.rows);
    for (std::size_t i = 0; i < rows.rows; ++i) mask[i] = is_live(i) ? 1 : 0;
    for (const RowNumber row : removed) {
        require(row >= 0 && static_cast<std::size_t>(row) < rows.rows,
                "row " + std::to_string(row) + " cannot be removed: embeddings has " +
                    std::to_string(rows.rows) + " rows");
        std::uint8_t& is_left = mask[static_cast<std::size_t>(row)];
        require(is_left != 0, "row " + std::to_string(row) + " is already removed");
        is_left = 0;
    }
    live = std::move(left);
}

/// Measures the norms of the new rows; with centring, of all rows less the mean, because the mean
/// moves.
template <Real T>
void RowStatistics<T>::measure(const RowsView<T>& rows, const IndexSettings& settings,
                               ExecutorRef executor, const StopCondition& stop) {
    if (settings.center) squared_norms = {};
    const std::size_t first = squared_norms.size();
    const RowsView<T> added = rows.from(first);
    std::vector<T> squares(added.rows);
    square_rows(added, executor, squares.data());
    stop.throw_if_reached();
    if (settings.check_finite) require_finite(added, squares, first);
    // Norms serve in bounds, so they are rounded up by more than rounding can have lowered them.
    const double inflation = 2.0 * score_rounding_bound<T>(rows);
    for (T& square : squares) {
        square = static_cast<T>(static_cast<double>(square) * (1.0 + inflation));
    }
    if (settings.center) centre(rows, inflation, squares, executor, stop);
    squared_norms.append(squares.data(), squares.size());
}

template <Real T>
void RowStatistics<T>::centre(const RowsView<T>& rows, double inflation, std::vector<T>& squares,
                              ExecutorRef executor, const StopCondition& stop) {
    const std::size_t n = rows.rows, d = rows.cols;
    mean.clear();
    mean_products = {};
    if (n == 0) return;
    mean.assign(d, 0.0);
    // Sums of a few rows are added with compensation (Neumaier, ZAMM 54, 1974), so the error does
    // not grow with the number of rows.
    std::vector<double> few(d), lost(d);
    for (std::size_t begin = 0; begin < n; begin += rows_per_sum) {
        stop.throw_if_reached();
        std::ranges::fill(few, 0.0);
        for (std::size_t i = begin; i < std::min(begin + rows_per_sum, n); ++i) {
            if (is_live(i)) rows.axpy_wide(1.0, i, few.data());
        }
        for (std::size_t c = 0; c < d; ++c) {
            const double sum = mean[c] + few[c];
            lost[c] += std::abs(mean[c]) >= std::abs(few[c]) ? (mean[c] - sum) + few[c]
                                                             : (few[c] - sum) + mean[c];
            mean[c] = sum;
        }
    }
    for (std::size_t c = 0; c < d; ++c) mean[c] += lost[c];
    double mean_square = 0.0;
    for (double& m : mean) {
        m /= static_cast<double>(std::max<std::size_t>(n_live, 1));
        mean_square += m * m;
    }
    const std::vector<T> rounded_mean(mean.begin(), mean.end());
    T* const products = mean_products.extend(n);
    score_rows(rows, WeightsView<T>{rounded_mean.data(), 0.0}, executor, products);
    stop.throw_if_reached();
    for (std::size_t i = 0; i < n; ++i) {
        // ||x - m||^2 from three numbers that may cancel, plus the most that cancellation can lose.
        const auto raw = static_cast<double>(squares[i]);
        const double centred = raw - 2.0 * static_cast<double>(products[i]) + mean_square;
        squares[i] = static_cast<T>(std::max(centred, 0.0) + 2.0 * inflation * (raw + mean_square));
    }
}

template <Real T>
void RowStatistics<T>::find_largest() {
    max_squared_norm = max_sketch_error = 0.0;
    are_finite = true;
    for (std::size_t i = 0; i < squared_norms.size(); ++i) {
        if (!is_live(i)) continue;
        are_finite = are_finite && std::isfinite(squared_norms[i]);
        max_squared_norm = std::max(max_squared_norm, static_cast<double>(squared_norms[i]));
        if (sketch.empty()) continue;
        max_sketch_error = std::max(max_sketch_error, static_cast<double>(sketch.error(i)));
    }
    double mean_square = 0.0;
    for (const double m : mean) mean_square += m * m;
    mean_error = mean.empty() ? 0.0
                              : static_cast<double>(rows_per_sum + 4) * 0.5 *
                                    std::numeric_limits<double>::epsilon() *
                                    (std::sqrt(max_squared_norm) + std::sqrt(mean_square));
}

template <Real T>
void RowStatistics<T>::require_valid(const RowsView<T>& rows, const IndexSettings& settings) {
    const std::size_t n_rows = rows.rows, n_features = rows.cols;
    require(live.empty() || live.size() == n_rows, "live has " + std::to_string(live.size()) +
                                                       " values, but embeddings has " +
                                                       std::to_string(n_rows) + " rows");
    n_live = n_rows - static_cast<std::size_t>(std::ranges::count(live, 0));
    // Norms may overflow; without check_finite they may be NaN.
    const auto possible = [&](T square) { return !settings.check_finite || square >= T(0); };
    require(squared_norms.size() == n_rows && std::ranges::all_of(squared_norms, possible),
            "norms must have one non-negative value per row");
    const bool centred = settings.center && n_rows > 0;
    require(mean.size() == (centred ? n_features : 0) &&
                mean_products.size() == (centred ? n_rows : 0) &&
                std::ranges::all_of(
                    mean, [&](double m) { return !settings.check_finite || std::isfinite(m); }),
            "mean and mean_products must be finite and fit the rows, or be empty without center");
    if (!gram.empty()) gram.require_valid(n_rows);
    method = !gram.empty()                       ? Method::gram
             : gaussian.empty()                  ? Method::full
             : settings.method == Method::primal ? Method::primal
                                                 : Method::working_set;
    const bool chooses = method == Method::working_set;
    require(sign_codes.empty() != (chooses && rows.is_dense()) &&
                postings.empty() != (chooses && !rows.is_dense()),
            "the Gaussian model needs sign codes for dense rows, or postings for sparse ones");
    if (method == Method::primal) require_primal(rows, settings);
    if (!gaussian.empty()) {
        gaussian.require_valid(n_features);
        if (!chooses) {
            // It guesses no scores.
        } else if (rows.is_dense()) {
            sign_codes.require_valid(n_rows, n_features);
        } else {
            postings.require_valid(n_rows, n_features);
        }
        n_modelled_ = n_rows;
    }
    require(sketch.empty() == (settings.sketch == SketchType::none || sign_codes.empty()),
            "the sketch must be there if the settings ask for one, and only then");
    if (!sketch.empty()) sketch.require_valid(n_rows, n_features);
    find_largest();
}

template struct RowStatistics<float>;
template struct RowStatistics<double>;

}  // namespace exemplar_svm
