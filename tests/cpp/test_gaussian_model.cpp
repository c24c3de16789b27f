#include "model/gaussian_model.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "reference.hpp"

using namespace exemplar_svm;
using reference::Random;
using reference::view;

namespace {

/// n normal rows around `mean`, with the given standard deviations along the features.
template <Real T>
std::vector<T> normal_rows(std::size_t n, double mean, const std::vector<double>& deviations,
                           Random& random) {
    std::vector<T> rows;
    for (std::size_t i = 0; i < n; ++i) {
        for (const double s : deviations)
            rows.push_back(static_cast<T>(mean + s * random.normal()));
    }
    return rows;
}

template <Real T>
std::vector<double> suppressed(const GaussianModel<T>& model, std::vector<double> x) {
    model.suppress(x.data());
    return x;
}

/// The remainder of a unit step from the mean along one feature.
template <Real T>
double left_of_step(const GaussianModel<T>& model, std::size_t feature) {
    std::vector<double> x(model.mean().begin(), model.mean().end());
    x[feature] += 1.0;
    const auto w = suppressed(model, x);
    return std::sqrt(reference::dot(w, w));
}

bool all_close(const std::vector<double>& a, const std::vector<double>& b, double tol) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [tol](double u, double v) { return std::abs(u - v) <= tol; });
}

template <Real T>
constexpr double small = 16.0 * static_cast<double>(std::numeric_limits<T>::epsilon());

}  // namespace

TEMPLATE_TEST_CASE("the mean of few rows is their mean, and that of many close to it", "", float,
                   double) {
    using T = TestType;
    constexpr std::size_t d = 7;
    Random random(1);
    const auto n = GENERATE(as<std::size_t>{}, 2, 3, 100, 512, 6000);
    const auto rows = normal_rows<T>(n, 2.0, std::vector<double>(d, 1.0), random);
    const GaussianModel<T> model(view(rows, d));
    std::vector<double> mean(d);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        mean[i % d] += static_cast<double>(rows[i]) / static_cast<double>(n);
    }
    CAPTURE(n);
    CHECK(all_close({model.mean().begin(), model.mean().end()}, mean,
                    n <= 512 ? 4.0 * small<T> : 0.25));
    CHECK(model.bytes() > 0);
}

TEMPLATE_TEST_CASE("directions are suppressed more the more the rows vary along them", "", float,
                   double) {
    using T = TestType;
    const auto d = GENERATE(as<std::size_t>{}, 4, 16, 17, 60);
    std::vector<double> deviations(d, 0.1);
    deviations[1] = 10.0;
    deviations[2] = 3.0;
    deviations[0] = 1.0;
    Random random(2);
    const auto rows = normal_rows<T>(1000, 0.5, deviations, random);
    const GaussianModel<T> model(view(rows, d));
    CAPTURE(d);
    CHECK(left_of_step(model, 1) < 0.3 * left_of_step(model, 2));
    CHECK(left_of_step(model, 2) < 0.8 * left_of_step(model, 0));
    CHECK(left_of_step(model, 0) < left_of_step(model, 3));
    // The mean itself becomes zero, and suppressing is linear.
    const std::vector<double> mean(model.mean().begin(), model.mean().end());
    CHECK(all_close(suppressed(model, mean), std::vector<double>(d), small<T>));
    auto once = mean, twice = mean;
    for (std::size_t j = 0; j < d; ++j) {
        const double step = random.normal();
        once[j] += step;
        twice[j] += 2.0 * step;
    }
    auto doubled = suppressed(model, once);
    for (double& v : doubled) v *= 2.0;
    CHECK(all_close(suppressed(model, twice), doubled, 1e-9));
}

TEMPLATE_TEST_CASE("suppressing gives the linear discriminant, up to a factor", "", float, double) {
    using T = TestType;
    constexpr std::size_t n = 500, d = 5;
    Random random(3);
    // Variances far apart, so that a few iterations find the directions.
    const auto rows = normal_rows<T>(n, 1.0, {10.0, 3.0, 0.7, 0.2, 0.05}, random);
    const GaussianModel<T> model(view(rows, d));
    std::vector<std::vector<double>> covariance(d, std::vector<double>(d));
    double trace = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t a = 0; a < d; ++a) {
            for (std::size_t b = 0; b < d; ++b) {
                covariance[a][b] += static_cast<double>(rows[i * d + a] - model.mean()[a]) *
                                    static_cast<double>(rows[i * d + b] - model.mean()[b]);
            }
        }
    }
    for (std::size_t a = 0; a < d; ++a) trace += covariance[a][a];
    const auto x = random.normals<double>(d);
    const auto w = suppressed(model, x);
    for (std::size_t a = 0; a < d; ++a) {
        const double expected = x[a] - static_cast<double>(model.mean()[a]);
        const double image = w[a] + 100.0 / trace * reference::dot(covariance[a], w);
        CHECK(image == Approx(expected).margin(0.02));
    }
}

TEMPLATE_TEST_CASE("rows that do not vary suppress nothing but their mean", "", float, double) {
    using T = TestType;
    constexpr std::size_t d = 20;
    Random random(4);
    const auto x = random.normals<double>(d);
    const auto n = GENERATE(as<std::size_t>{}, 2, 10, 600);
    const GaussianModel<T> constant(view(std::vector<T>(n * d, T(0.25)), d));
    auto expected = x;
    for (double& v : expected) v -= 0.25;
    CHECK(all_close(suppressed(constant, x), expected, 1e-12));
}

TEMPLATE_TEST_CASE("no rows and a single row have no model", "", float, double) {
    using T = TestType;
    Random random(5);
    const auto x = random.normals<double>(6);
    for (const std::size_t n : {0u, 1u}) {
        const auto row = random.normals<T>(6);
        const GaussianModel<T> model(DenseView<T>{row.data(), n, 6, 6});
        CHECK(suppressed(model, x) == x);
    }
    CHECK(GaussianModel<T>{}.bytes() == 0);
}

TEMPLATE_TEST_CASE("few rows of many features suppress the space they span", "", float, double) {
    using T = TestType;
    constexpr std::size_t n = 4, d = 100;
    Random random(6);
    const auto rows = random.normals<T>(n * d);
    const GaussianModel<T> model(view(rows, d));
    std::vector<double> row(rows.begin(), rows.begin() + d), other = random.normals<double>(d);
    auto from_mean = row;
    for (std::size_t j = 0; j < d; ++j) {
        from_mean[j] -= static_cast<double>(model.mean()[j]);
        other[j] += static_cast<double>(model.mean()[j]);
    }
    const auto w = suppressed(model, row), far = suppressed(model, other);
    CHECK(reference::dot(w, w) < 0.01 * reference::dot(from_mean, from_mean));
    CHECK(reference::dot(far, far) > 0.5 * static_cast<double>(d));
}

TEMPLATE_TEST_CASE("rows that are not finite do not crash the model", "", float, double) {
    using T = TestType;
    constexpr std::size_t d = 9;
    Random random(7);
    for (const T bad : {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity()}) {
        for (const std::size_t n : {1u, 2u, 40u}) {
            auto rows = random.normals<T>(n * d);
            rows[n * d / 2] = bad;
            const GaussianModel<T> model(view(rows, d));
            CHECK(suppressed(model, random.normals<double>(d)).size() == d);
            CHECK(model.mean().size() == d);
        }
    }
}
