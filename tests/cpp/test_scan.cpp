#include "exemplar_svm/scan.hpp"

#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "reference.hpp"
#include "threads_executor.hpp"

using namespace exemplar_svm;
using reference::Random;

namespace {

struct Exact {
    long double product = 0.0L;
    double norms = 0.0;  // ||coef|| ||x||
};

template <Real T>
Exact exact_product(const T* x, const std::vector<T>& coef) {
    Exact exact;
    double xx = 0.0, cc = 0.0;
    for (std::size_t j = 0; j < coef.size(); ++j) {
        const double a = static_cast<double>(x[j]), b = static_cast<double>(coef[j]);
        exact.product += static_cast<long double>(a) * static_cast<long double>(b);
        xx += a * a;
        cc += b * b;
    }
    exact.norms = std::sqrt(xx * cc);
    return exact;
}

template <Real T>
bool within(double computed, const Exact& exact, double bound) {
    return std::abs(static_cast<long double>(computed) - exact.product) <=
           static_cast<long double>(bound * exact.norms * (1.0 + 1e-12));
}

/// Rows with padding after each, all of one sign if rounding is to add up.
template <Real T>
struct Padded {
    std::vector<T> values;
    DenseView<T> view;

    Padded(std::size_t n, std::size_t d, bool one_sign, Random& random)
        : values(random.normals<T>(n * (d + 3))),
          view{values.data(), n, d, static_cast<std::ptrdiff_t>(d + 3)} {
        for (T& v : values) v = one_sign ? std::abs(v) + T(0.1) : v;
    }
};

constexpr std::size_t some_features[] = {1, 3, 16, 255, 256, 257, 511, 512, 513, 2000};

}  // namespace

TEMPLATE_TEST_CASE("multiply_rows gives products within their bound", "", float, double) {
    using T = TestType;
    const bool one_sign = GENERATE(false, true);
    Random random(1);
    for (const std::size_t d : some_features) {
        for (const std::size_t n : {0u, 1u, 15u, 16u, 17u, 70u}) {
            const Padded<T> rows(n, d, one_sign, random);
            auto coef = random.normals<T>(d);
            for (T& v : coef) v = one_sign ? std::abs(v) : v;
            std::vector<double> products(n, std::numeric_limits<double>::quiet_NaN());
            multiply_rows(rows.view, coef.data(), SerialExecutor{}, products.data());
            bool close = true;
            for (std::size_t i = 0; i < n; ++i) {
                close = close && within<T>(products[i], exact_product(rows.view.row(i), coef),
                                           product_rounding_bound<T>(d));
            }
            CAPTURE(n, d, one_sign);
            CHECK(close);
        }
    }
}

TEMPLATE_TEST_CASE("score_rows gives scores within their bound", "", float, double) {
    using T = TestType;
    const bool one_sign = GENERATE(false, true);
    const double intercept = GENERATE(0.0, -30.0);
    Random random(2);
    for (const std::size_t d : some_features) {
        constexpr std::size_t n = 19;
        const Padded<T> rows(n, d, one_sign, random);
        const auto coef = random.normals<T>(d);
        std::vector<T> scores(n);
        score_rows(rows.view, WeightsView<T>{coef.data(), intercept}, SerialExecutor{},
                   scores.data());
        bool close = true;
        for (std::size_t i = 0; i < n; ++i) {
            const Exact exact = exact_product(rows.view.row(i), coef);
            const double error =
                static_cast<double>(static_cast<long double>(scores[i]) - exact.product) -
                intercept;
            const double bound =
                score_rounding_bound<T>(RowsView<T>(rows.view), exact.norms, intercept);
            close = close && std::abs(error) <= bound + 1e-14;
        }
        CAPTURE(d, one_sign, intercept);
        CHECK(close);
    }
}

TEMPLATE_TEST_CASE("the bound on a product hardly grows with the features", "", float, double) {
    using T = TestType;
    CHECK(product_rounding_bound<T>(1) > 0.0);
    for (const std::size_t d : some_features) {
        CAPTURE(d);
        CHECK(product_rounding_bound<T>(d) <=
              score_rounding_bound<T>(d) + static_cast<double>(d / 256 + 1) * 0x1p-52);
        CHECK(product_rounding_bound<T>(d) <= product_rounding_bound<T>(2 * d));
    }
    CHECK(product_rounding_bound<float>(20000) < 0.1 * score_rounding_bound<float>(20000));
}

TEMPLATE_TEST_CASE("products and scores have the same bits on any executor", "", float, double) {
    using T = TestType;
    constexpr std::size_t n = 150, d = 700;  // several blocks
    Random random(3);
    const Padded<T> rows(n, d, false, random);
    const auto coef = random.normals<T>(d);
    const WeightsView<T> weights{coef.data(), 0.5};
    std::vector<double> products(n), threaded_products(n);
    std::vector<T> scores(n), threaded_scores(n);
    const reference::ThreadsExecutor threads{3};
    multiply_rows(rows.view, coef.data(), SerialExecutor{}, products.data());
    multiply_rows(rows.view, coef.data(), threads, threaded_products.data());
    CHECK(products == threaded_products);
    score_rows(rows.view, weights, SerialExecutor{}, scores.data());
    score_rows(rows.view, weights, threads, threaded_scores.data());
    CHECK(scores == threaded_scores);
    for (std::size_t i = 0; i < n; i += 7) {
        T alone = T(0);
        score_block(rows.view, i, i + 1, weights, &alone);
        CHECK(alone == scores[i]);
    }
}

TEMPLATE_TEST_CASE("scores under several weights at once have the bits of each alone", "", float,
                   double) {
    using T = TestType;
    Random random(4);
    for (const std::size_t d : {1u, 17u, 300u}) {
        constexpr std::size_t n = 23;
        const Padded<T> rows(n, d, false, random);
        for (std::size_t n_weights = 0; n_weights <= 8; ++n_weights) {
            const auto coefs = random.normals<T>(n_weights * d);
            std::vector<WeightsView<T>> weights;
            std::vector<std::vector<T>> scores(n_weights, std::vector<T>(n, T(7)));
            std::vector<T*> outputs;
            for (std::size_t q = 0; q < n_weights; ++q) {
                weights.push_back({coefs.data() + q * d, 0.25 * static_cast<double>(q)});
                outputs.push_back(scores[q].data());
            }
            score_block_together(rows.view, 2, n, weights.data(), n_weights, outputs.data());
            for (std::size_t q = 0; q < n_weights; ++q) {
                std::vector<T> alone(n, T(7));
                score_block(rows.view, 2, n, weights[q], alone.data() + 2);
                CAPTURE(d, n_weights, q);
                CHECK(scores[q] == alone);
            }
        }
    }
}

TEMPLATE_TEST_CASE("offer_block offers exactly the rows that can enter the ranking", "", float,
                   double) {
    using T = TestType;
    const std::vector<T> scores{T(1), T(3), T(2), T(3), T(-1), T(2)};
    std::vector<Ranked<T>> storage(3);
    TopK<T> best(storage.data(), 3);
    offer_block(scores.data(), 3, 6, best);
    offer_block(scores.data(), 0, 3, best);
    CHECK(best.finish() == 3);
    CHECK(storage[0].row == 1);
    CHECK(storage[1].row == 3);
    CHECK(storage[2].row == 2);
}
