#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "model/sketch.hpp"
#include "reference.hpp"
#include "threads_executor.hpp"

using namespace exemplar_svm;
using reference::Random;
using reference::ThreadsExecutor;
using reference::view;

namespace {

struct Kind {
    const char* name;
    double norm;     // roughly
    double common;   // how much the rows have in common
    double outlier;  // of the first feature
};

const std::vector<Kind> kinds = {{"random", 1.0, 0.0, 1.0},   {"clustered", 1.0, 5.0, 1.0},
                                 {"outlier", 1.0, 0.0, 50.0}, {"tiny", 0.01, 0.0, 1.0},
                                 {"huge", 1e4, 0.0, 1.0},     {"minute", 1e-30, 0.0, 1.0}};

constexpr std::size_t n_rows = 41;

/// The first row is zero.
template <Real T>
std::vector<T> rows_of(const Kind& kind, std::size_t d, Random& random) {
    const std::vector<double> common = random.normals<double>(d);
    std::vector<T> rows(n_rows * d);
    for (std::size_t i = d; i < rows.size(); ++i) {
        const double x = random.normal() + kind.common * common[i % d];
        rows[i] = static_cast<T>(kind.norm / std::sqrt(static_cast<double>(d)) * x *
                                 (i % d == 0 ? kind.outlier : 1.0));
    }
    return rows;
}

template <Real T>
long double exact_score(const T* x, const Weights<T>& weights) {
    long double score = static_cast<long double>(weights.intercept);
    for (std::size_t j = 0; j < weights.coef.size(); ++j) {
        score += static_cast<long double>(x[j]) * static_cast<long double>(weights.coef[j]);
    }
    return score;
}

/// The bound on a score from its documentation.
template <Real T>
double bound(const Sketch<T>& sketch, std::size_t i, const Weights<T>& weights) {
    double square = 0.0;
    for (const T w : weights.coef) square += static_cast<double>(w) * static_cast<double>(w);
    return static_cast<double>(sketch.error(i)) * std::sqrt(square) +
           Sketch<T>::rounding(weights.intercept);
}

template <Real T>
std::vector<T> scores_of(const Sketch<T>& sketch, std::size_t n, const Weights<T>& weights) {
    IntegerWeights integers(weights.coef.size());
    integers.assign(weights.view());
    std::vector<T> scores(n);
    sketch.score_block(0, n, integers, scores.data());
    return scores;
}

template <Real T>
bool same_bits(const T* a, const T* b, std::size_t n) {
    return std::memcmp(a, b, n * sizeof(T)) == 0;
}

/// body(rows, d, random) for rows of every kind and length.
template <Real T, class Body>
void for_all(Body body) {
    Random random(1);
    for (const Kind& kind : kinds) {
        for (const std::size_t d : {1u, 7u, 8u, 15u, 31u, 384u, 1536u}) {
            INFO(kind.name << ", " << d << " features");
            body(rows_of<T>(kind, d, random), d, random);
        }
    }
}

}  // namespace

TEST_CASE("an empty sketch takes no memory") {
    CHECK(Sketch<float>().empty());
    CHECK(Sketch<float>().bytes() == 0);
}

TEMPLATE_TEST_CASE("no score is further from the exact one than its bound", "", float, double) {
    using T = TestType;
    for_all<T>([](const std::vector<T>& rows, std::size_t d, Random& random) {
        const Sketch<T> sketch(view(rows, d), SerialExecutor{});
        CHECK(!sketch.empty());
        CHECK(sketch.error(0) == T(0));
        std::vector<Weights<T>> all = {{random.normals<T>(d), 0.5}, {std::vector<T>(d), -2.0}};
        all.push_back({std::vector<T>(d, T(1e-3)), 0.0});
        all.push_back({std::vector<T>(d), 0.0});  // all of its norm in one coefficient
        all.back().coef[d / 2] = T(-1e3);
        // The error of a row's codes is partly parallel to the row.
        all.push_back({{rows.end() - static_cast<std::ptrdiff_t>(d), rows.end()}, 1.0});
        for (const Weights<T>& weights : all) {
            const std::vector<T> scores = scores_of(sketch, n_rows, weights);
            bool within = true;
            for (std::size_t i = 0; i < n_rows; ++i) {
                const long double exact = exact_score(rows.data() + i * d, weights);
                const long double off = std::abs(static_cast<long double>(scores[i]) - exact);
                within = within && off <= static_cast<long double>(bound(sketch, i, weights));
            }
            CHECK(within);
        }
    });
}

TEMPLATE_TEST_CASE("a bound holds for the weights parallel to the error", "", float, double) {
    using T = TestType;
    for_all<T>([](const std::vector<T>& rows, std::size_t d, Random&) {
        const Sketch<T> sketch(view(rows, d), SerialExecutor{});
        for (std::size_t i = 0; i < 5; ++i) {
            // The codes, feature by feature, from the scores under unit vectors.
            const T* const x = rows.data() + i * d;
            Weights<T> weights{std::vector<T>(d), 0.0};
            Weights<T> unit = weights;
            IntegerWeights integers(d);
            for (std::size_t j = 0; j < d; ++j) {
                unit.coef[j] = T(1);
                integers.assign(unit.view());
                T value = T(0);
                sketch.score_block(i, i + 1, integers, &value);
                weights.coef[j] =
                    static_cast<T>((x[j] - value) / std::max(std::abs(x[0]), T(1e-35)));
                unit.coef[j] = T(0);
            }
            const long double exact = exact_score(x, weights);
            T score = T(0);
            integers.assign(weights.view());
            sketch.score_block(i, i + 1, integers, &score);
            const long double off = std::abs(static_cast<long double>(score) - exact);
            const auto largest = static_cast<long double>(bound(sketch, i, weights));
            CHECK(off <= largest);
            // Nor is the bound much larger than necessary.
            if (d >= 7 && i > 0) CHECK(off >= 0.85L * largest);
        }
    });
}

TEMPLATE_TEST_CASE("scores agree with the slow twin", "", float, double) {
    using T = TestType;
    for_all<T>([](const std::vector<T>& rows, std::size_t d, Random& random) {
        const Sketch<T> sketch(view(rows, d), SerialExecutor{});
        const Weights<T> weights{random.normals<T>(d), 0.25};
        double norm = 0.0;
        for (const T w : weights.coef) norm += static_cast<double>(w) * static_cast<double>(w);
        const std::vector<T> scores = scores_of(sketch, n_rows, weights);
        bool close = true;
        for (std::size_t i = 0; i < n_rows; ++i) {
            const T* const x = rows.data() + i * d;
            double largest = 0.0, square = 0.0, twin = 0.0;
            for (std::size_t j = 0; j < d; ++j) {
                largest = std::max(largest, std::abs(static_cast<double>(x[j])));
            }
            for (std::size_t j = 0; largest > 0.0 && j < d; ++j) {
                const double sketched =
                    largest / 127.0 * std::round(static_cast<double>(x[j]) / largest * 127.0);
                twin += sketched * static_cast<double>(weights.coef[j]);
                square += sketched * sketched;
            }
            // The twin rounds neither weights nor sums, and may break a tie of its codes the other
            // way.
            const double off =
                std::abs(static_cast<double>(scores[i]) - (twin + weights.intercept));
            close = close && off <= 1e-3 * std::sqrt(norm * square) + 1e-6;
        }
        CHECK(close);
    });
}

TEMPLATE_TEST_CASE("bits depend neither on blocks nor on threads", "", float, double) {
    using T = TestType;
    Random random(2);
    constexpr std::size_t n = 1400, d = 37;
    const std::vector<T> rows = random.normals<T>(n * d);
    const Weights<T> weights{random.normals<T>(d), -0.5};
    const Sketch<T> sketch(view(rows, d), SerialExecutor{});
    const Sketch<T> threaded(view(rows, d), ThreadsExecutor{3});
    const std::vector<T> scores = scores_of(sketch, n, weights);
    CHECK(same_bits(scores.data(), scores_of(threaded, n, weights).data(), n));

    IntegerWeights integers(d);
    integers.assign(weights.view());
    for (const std::size_t step : {1u, 3u, 4u, 170u, 511u, 513u}) {
        std::vector<T> stepwise(n);
        for (std::size_t i = 0; i < n; i += step) {
            sketch.score_block(i, std::min(n, i + step), integers, stepwise.data() + i);
        }
        CHECK(same_bits(scores.data(), stepwise.data(), n));
    }
    bool same_errors = true;
    for (std::size_t i = 0; i < n; ++i) {
        same_errors = same_errors && sketch.error(i) == threaded.error(i);
    }
    CHECK(same_errors);
}

TEMPLATE_TEST_CASE("rows may have any stride", "", float, double) {
    using T = TestType;
    Random random(3);
    constexpr std::size_t n = 9, d = 20;
    const std::vector<T> rows = random.normals<T>(n * d);
    const DenseView<T> reversed{rows.data() + (n - 1) * d, n, d, -std::ptrdiff_t{d}};
    const Weights<T> weights{random.normals<T>(d), 0.0};
    const Sketch<T> sketch(view(rows, d), SerialExecutor{});
    std::vector<T> scores = scores_of(Sketch<T>(reversed, SerialExecutor{}), n, weights);
    std::reverse(scores.begin(), scores.end());
    CHECK(scores == scores_of(sketch, n, weights));
}

TEMPLATE_TEST_CASE("a row that is not finite has an infinite bound", "", float, double) {
    using T = TestType;
    constexpr T infinity = std::numeric_limits<T>::infinity();
    constexpr T nan = std::numeric_limits<T>::quiet_NaN();
    constexpr T largest = std::numeric_limits<T>::max();
    const std::vector<T> rows = {1,         nan, 2, infinity, 1, 1,
                                 -infinity, nan, 0, largest,  1, -largest};
    const Sketch<T> sketch(view(rows, 3), SerialExecutor{});
    for (std::size_t i = 0; i < 3; ++i) CHECK(sketch.error(i) == infinity);
    CHECK(sketch.error(3) > largest / T(1e6));

    const std::vector<T> scores = scores_of(sketch, 3, Weights<T>{{T(1), T(2), T(3)}, 0.5});
    CHECK(scores == std::vector<T>(3, T(0.5)));
}

TEMPLATE_TEST_CASE("the smallest numbers are within their bound", "", float, double) {
    using T = TestType;
    const T least = std::numeric_limits<T>::denorm_min(), normal = std::numeric_limits<T>::min();
    const std::vector<T> rows = {least, T(0), normal, -least, T(100) * normal, T(-127) * normal};
    const Sketch<T> sketch(view(rows, 2), SerialExecutor{});
    const Weights<T> weights{{T(3), T(-2)}, 0.0};
    const std::vector<T> scores = scores_of(sketch, 3, weights);
    for (std::size_t i = 0; i < 3; ++i) {
        const long double exact = exact_score(rows.data() + 2 * i, weights);
        CHECK(std::abs(static_cast<long double>(scores[i]) - exact) <=
              static_cast<long double>(bound(sketch, i, weights)));
    }
}

TEMPLATE_TEST_CASE("weights that are not finite give NaN scores", "", float, double) {
    using T = TestType;
    const std::vector<T> rows = {1, 2, 3, 0, 0, 0};
    const Sketch<T> sketch(view(rows, 3), SerialExecutor{});
    for (const T bad : {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity()}) {
        for (const T score : scores_of(sketch, 2, Weights<T>{{T(1), bad, T(1)}, 0.5})) {
            CHECK(std::isnan(score));
        }
    }
}
