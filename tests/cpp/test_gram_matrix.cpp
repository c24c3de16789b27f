#include "model/gram_matrix.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "catch.hpp"
#include "reference.hpp"
#include "threads_executor.hpp"

using namespace exemplar_svm;
using reference::Random;
using reference::TestData;

namespace {

template <Real T>
GramMatrix<T> gram_of(const TestData<T>& data, ExecutorRef executor = SerialExecutor{}) {
    return {reference::view(data.rows, data.d), data.mean.empty() ? nullptr : data.mean.data(),
            executor};
}

}  // namespace

TEMPLATE_TEST_CASE("products are within the stated bound of those in double precision", "", float,
                   double) {
    using T = TestType;
    const auto d = GENERATE(as<std::size_t>{}, 1, 5, 300, 1000);
    const auto kind = GENERATE(0, 1, 2);
    Random random(1);
    TestData<T> data(40, d, 1, random);
    for (std::size_t i = 0; i < data.rows.size(); ++i) {
        const double norm = std::pow(10.0, static_cast<double>(i / d % 5) - 2.0);
        data.rows[i] = static_cast<T>(norm * static_cast<double>(data.rows[i]));
    }
    std::fill_n(data.rows.begin(), d, T(0));
    if (kind > 0) data.center();
    if (kind == 2) {
        for (double& m : data.mean) m *= 100.0;
    }
    const auto gram = gram_of(data);
    auto samples = reference::samples_of(data.problem());
    for (auto& x : samples.x) x.back() = 0.0;  // the intercept's
    const double mean_square = reference::dot(data.mean, data.mean);
    // As GramDescent::verify bounds them.
    std::vector<double> norms;
    for (const auto& x : samples.x) {
        norms.push_back(std::sqrt(reference::dot(x, x)) + std::sqrt(mean_square));
    }
    bool within = true, symmetric = true;
    for (std::size_t i = 0; i < data.n; ++i) {
        for (std::size_t j = 0; j < data.n; ++j) {
            const double exact = reference::dot(samples.x[i], samples.x[j]);
            const double error = std::abs(static_cast<double>(gram.row(i)[j]) - exact);
            within = within && error <= GramMatrix<T>::rounding(d) * norms[i] * norms[j];
            symmetric = symmetric && gram.row(i)[j] == gram.row(j)[i];
        }
    }
    CAPTURE(d, kind);
    CHECK(within);
    // Each centred row of the matrix is computed on its own.
    CHECK((symmetric || !data.mean.empty()));
    CHECK(gram.bytes() == data.n * data.n * sizeof(T));
}

TEMPLATE_TEST_CASE(
    "the executor changes no bit of a product, and the order of the rows only its rounding", "",
    float, double) {
    using T = TestType;
    constexpr std::size_t n = 150, d = 700;  // several blocks
    Random random(2);
    TestData<T> data(n, d, 1, random);
    if (GENERATE(false, true)) data.center();
    const auto expected = gram_of(data);
    const auto threaded = gram_of(data, reference::ThreadsExecutor{3});
    constexpr auto step = static_cast<std::ptrdiff_t>(d);
    const GramMatrix<T> reversed({data.rows.data() + (n - 1) * d, n, d, -step},
                                 data.mean.empty() ? nullptr : data.mean.data(), OpenMpExecutor{2});
    bool same = true, close = true;
    for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t j = 0; j < n; ++j) {
            same = same && threaded.row(i)[j] == expected.row(i)[j];
            // The other of the two rows is centred.
            close = close && reversed.row(n - 1 - i)[n - 1 - j] ==
                                 Approx(expected.row(i)[j]).margin(1e-2).epsilon(1e-4);
        }
    }
    CHECK(same);
    CHECK(close);
}

TEMPLATE_TEST_CASE("the Gram matrix of no rows is empty, and that of one row is a square", "",
                   float, double) {
    using T = TestType;
    CHECK(GramMatrix<T>{}.empty());
    CHECK(GramMatrix<T>(DenseView<T>{nullptr, 0, 2, 2}, nullptr, SerialExecutor{}).empty());
    const std::vector<T> row{T(3), T(4)};
    const GramMatrix<T> gram(reference::view(row, 2), nullptr, SerialExecutor{});
    CHECK(gram.row(0)[0] == T(25));
}
