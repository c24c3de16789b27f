#include "model/sign_codes.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "reference.hpp"
#include "threads_executor.hpp"

using namespace exemplar_svm;
using reference::Random;
using reference::view;

namespace {

template <Real T>
std::vector<T> mean_of(const std::vector<T>& rows, std::size_t d) {
    std::vector<double> sum(d);
    for (std::size_t i = 0; i < rows.size(); ++i) sum[i % d] += static_cast<double>(rows[i]);
    std::vector<T> mean(d);
    for (std::size_t j = 0; j < d; ++j) {
        mean[j] =
            static_cast<T>(sum[j] * static_cast<double>(d) / static_cast<double>(rows.size()));
    }
    return mean;
}

template <Real T>
std::vector<T> guess(const SignCodes<T>& codes, std::size_t n, const std::vector<double>& coef,
                     ExecutorRef executor = SerialExecutor{}) {
    // The contents that an earlier search left in the scratch must not matter.
    std::vector<std::uint8_t> scratch(SignCodes<T>::scratch_size(coef.size()), 0xbe);
    std::vector<T> scores(n, std::numeric_limits<T>::quiet_NaN());
    codes.guess_scores(coef.data(), executor, scratch.data(), scores.data());
    return scores;
}

struct Guess {
    double score;
    double error;  // of the tables, whose entries are rounded to a common step
};

/// Signs times weights times the scale of the row, feature by feature.
template <Real T>
Guess guess_slowly(const T* x, const std::vector<T>& mean, const std::vector<double>& coef) {
    double widest = 0.0;
    std::size_t n_tables = 0;
    for (std::size_t t = 0; t < coef.size(); t += 4, ++n_tables) {
        double width = 0.0;
        for (std::size_t j = t; j < std::min(t + 4, coef.size()); ++j) width += std::abs(coef[j]);
        widest = std::max(widest, width);
    }
    double sum = 0.0, magnitude = 0.0, absolute = 0.0, square = 0.0;
    for (std::size_t j = 0; j < coef.size(); ++j) {
        const double centred = static_cast<double>(x[j] - mean[j]);
        sum += centred > 0.0 ? coef[j] : -coef[j];
        magnitude += std::abs(coef[j]);
        absolute += std::abs(centred);
        square += centred * centred;
    }
    const double scale = absolute > 0.0 ? square / absolute : 0.0;
    const double step = widest / 127.0;
    const double rounding = static_cast<double>(std::numeric_limits<T>::epsilon()) *
                            static_cast<double>(2 * coef.size() + 8) * magnitude;
    return {scale * sum, scale * (static_cast<double>(n_tables) * step + rounding)};
}

double correlation(const std::vector<double>& a, const std::vector<double>& b) {
    const auto n = static_cast<double>(a.size());
    double mean_a = 0.0, mean_b = 0.0, ab = 0.0, aa = 0.0, bb = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        mean_a += a[i] / n;
        mean_b += b[i] / n;
    }
    for (std::size_t i = 0; i < a.size(); ++i) {
        ab += (a[i] - mean_a) * (b[i] - mean_b);
        aa += (a[i] - mean_a) * (a[i] - mean_a);
        bb += (b[i] - mean_b) * (b[i] - mean_b);
    }
    return ab / std::sqrt(aa * bb);
}

}  // namespace

TEMPLATE_TEST_CASE("a guess is the sum of signs times weights times the row's scale", "", float,
                   double) {
    using T = TestType;
    Random random(1);
    // The kernel sums the bytes of 2048 features in one go.
    for (const std::size_t d :
         {1u, 2u, 7u, 8u, 9u, 63u, 64u, 65u, 128u, 384u, 2048u, 2049u, 5000u}) {
        for (const std::size_t n : {1u, 2u, 31u, 32u, 33u, 100u}) {
            const auto rows = random.normals<T>(n * d);
            const auto mean = mean_of(rows, d);
            auto coef = random.normals<double>(d);
            coef[d / 2] = 0.0;
            const SignCodes<T> codes(view(rows, d), mean, SerialExecutor{});
            const auto scores = guess(codes, n, coef);
            bool close = true;
            for (std::size_t i = 0; i < n; ++i) {
                const Guess slow = guess_slowly(rows.data() + i * d, mean, coef);
                close =
                    close && std::abs(static_cast<double>(scores[i]) - slow.score) <= slow.error;
            }
            CAPTURE(n, d);
            CHECK(close);
            CHECK_FALSE(codes.empty());
            CHECK(codes.bytes() == (n + 31) / 32 * 32 * ((d + 7) / 8) + n * sizeof(T));
        }
    }
}

TEMPLATE_TEST_CASE("guesses correlate with the scores", "", float, double) {
    using T = TestType;
    constexpr std::size_t n = 400, d = 200;
    Random random(2);
    auto rows = random.normals<T>(n * d);
    for (std::size_t i = 0; i < n; ++i) {
        const double norm = std::pow(10.0, random.uniform(-1.0, 1.0));
        for (std::size_t j = 0; j < d; ++j) {
            rows[i * d + j] = static_cast<T>(norm * static_cast<double>(rows[i * d + j]));
        }
    }
    const auto mean = mean_of(rows, d);
    const SignCodes<T> codes(view(rows, d), mean, SerialExecutor{});
    const auto coef = random.normals<double>(d);
    const auto guessed = guess(codes, n, coef);
    std::vector<double> scores(n);
    for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t j = 0; j < d; ++j) {
            scores[i] += coef[j] * static_cast<double>(rows[i * d + j] - mean[j]);
        }
    }
    CHECK(correlation({guessed.begin(), guessed.end()}, scores) > 0.7);
}

TEMPLATE_TEST_CASE("weights of zero and rows at the mean are guessed to score zero", "", float,
                   double) {
    using T = TestType;
    constexpr std::size_t n = 20, d = 70;
    Random random(3);
    auto rows = random.normals<T>(n * d);
    const auto mean = random.normals<T>(d);
    std::copy(mean.begin(), mean.end(), rows.begin() + 5 * d);
    const SignCodes<T> codes(view(rows, d), mean, SerialExecutor{});
    CHECK(guess(codes, n, std::vector<double>(d)) == std::vector<T>(n));
    CHECK(guess(codes, n, random.normals<double>(d))[5] == T(0));
}

TEMPLATE_TEST_CASE("without rows there are no sign codes", "", float, double) {
    using T = TestType;
    const SignCodes<T> codes(DenseView<T>{nullptr, 0, 3, 3}, std::vector<T>(3), SerialExecutor{});
    CHECK(codes.empty());
    CHECK(SignCodes<T>{}.empty());
    CHECK(guess(codes, 0, {1.0, 2.0, 3.0}).empty());
}

TEMPLATE_TEST_CASE("a guess has the same bits on any executor and at any stride", "", float,
                   double) {
    using T = TestType;
    constexpr std::size_t n = 9000, d = 70;  // several blocks of rows, and of codes
    constexpr std::ptrdiff_t step = d;
    Random random(4);
    std::vector<T> rows(n * d);
    for (T& v : rows) v = static_cast<T>(random.uniform(-1.0, 1.0));
    const std::vector<T> mean(d, T(0.01));
    const auto coef = random.normals<double>(d);
    const SignCodes<T> plain(view(rows, d), mean, SerialExecutor{});
    const SignCodes<T> reversed(DenseView<T>{rows.data() + (n - 1) * d, n, d, -step}, mean,
                                reference::ThreadsExecutor{2});
    const auto expected = guess(plain, n, coef);
    CHECK(guess(plain, n, coef, reference::ThreadsExecutor{3}) == expected);
    auto found = guess(reversed, n, coef, OpenMpExecutor{2});
    std::reverse(found.begin(), found.end());
    CHECK(found == expected);
}
