#include "problem/samples.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "catch.hpp"
#include "narrow_data.hpp"
#include "reference.hpp"
#include "sparse_data.hpp"
#include "threads_executor.hpp"

using namespace exemplar_svm;
using reference::NarrowData;
using reference::Random;
using reference::Scaled;
using reference::ThreadsExecutor;

namespace {

/// Rows that are stored in one way: as T, narrower, or without their zeros; some of them may lie in
/// a second part, as rows that were added to an index do.
template <class Storage>
struct Stored {
    using T = float;
    NarrowData<Storage> data;
    std::vector<T> widened;

    Stored(const std::vector<double>& values, std::size_t d, Random& random)
        : data(values, d, 3, random), widened(data.widened()) {}
    RowsView<T> view(const std::vector<T>& added, std::size_t d) const {
        const RowsView<T> rows = data.view();
        return added.empty() ? rows : rows.followed_by(reference::view(added, d));
    }
};

template <Real U>
struct Stored<U> {
    using T = U;
    std::vector<T> widened;

    Stored(const std::vector<double>& values, std::size_t, Random&)
        : widened(values.begin(), values.end()) {}
    RowsView<T> view(const std::vector<T>& added, std::size_t d) const {
        const RowsView<T> rows = reference::view(widened, d);
        return added.empty() ? rows : rows.followed_by(reference::view(added, d));
    }
};

template <class U>
struct Sparse {};

template <class U>
struct Stored<Sparse<U>> {
    using T = U;
    std::vector<T> widened;
    reference::CompressedRows<T, std::int64_t> compressed;
    mutable reference::CompressedRows<T, std::int64_t> behind{{}, 0, 0};

    Stored(const std::vector<double>& values, std::size_t d, Random& random)
        : widened(zeroed(values, random)), compressed(widened, widened.size() / d, d) {}
    static std::vector<T> zeroed(const std::vector<double>& values, Random& random) {
        std::vector<T> result;
        for (const double v : values) result.push_back(static_cast<T>(random.chance(0.7) ? 0 : v));
        return result;
    }
    RowsView<T> view(const std::vector<T>& added, std::size_t d) const {
        const RowsView<T> rows = compressed.view();
        if (added.empty()) return rows;
        behind = {added, added.size() / d, d};
        return rows.followed_by(behind.view());
    }
};

std::vector<double> with_bias(std::vector<double> weights, double bias) {
    weights.push_back(bias);
    return weights;
}

}  // namespace

TEMPLATE_TEST_CASE("samples do what plain loops over [x - mean, s] in double precision do", "",
                   float, double, float16, bfloat16, std::int8_t, Scaled, Sparse<float>,
                   Sparse<double>) {
    using T = typename Stored<TestType>::T;
    const bool center = GENERATE(false, true), varied = GENERATE(false, true);
    const std::size_t n_added = GENERATE(as<std::size_t>{}, 0, 5);
    // Fewer and more features than are widened at a time; narrow rows end within a group of four.
    const std::size_t d = GENERATE(as<std::size_t>{}, 7, 300);
    constexpr std::size_t p = 5;
    Random random(3);
    const std::size_t n_stored = 26, n = n_stored + n_added;
    const Stored<TestType> rows(random.normals<double>(n_stored * d), d, random);
    const Stored<TestType> examples(random.normals<double>(p * d), d, random);
    const std::vector<T> added = random.normals<T>(n_added * d);
    std::vector<T> all = rows.widened;
    all.insert(all.end(), added.begin(), added.end());

    std::vector<std::int8_t> labels, example_labels;
    std::vector<double> costs, example_costs, mean = random.normals<double>(d);
    std::vector<std::uint8_t> background;
    for (std::size_t i = 0; i < n; ++i) {
        labels.push_back(random.chance(0.4) ? std::int8_t{1} : std::int8_t{-1});
        costs.push_back(random.uniform(0.1, 2.0));
        background.push_back(random.chance(0.8) ? std::uint8_t{1} : std::uint8_t{0});
    }
    for (std::size_t j = 0; j < p; ++j) {
        example_labels.push_back(j % 3 == 1 ? std::int8_t{-1} : std::int8_t{1});
        example_costs.push_back(random.uniform(1.0, 5.0));
    }
    std::vector<T> squared_norms;
    for (std::size_t i = 0; i < n; ++i) squared_norms.push_back(static_cast<T>(i + 1));
    Problem<T> plain;
    plain.rows = reference::view(all, d);
    plain.examples = reference::view(examples.widened, d);
    plain.squared_norms = squared_norms.data();
    plain.intercept_scaling = 2.0;
    plain.cost = 0.25;
    plain.prior = 0.5;
    if (center) plain.mean = mean.data();
    if (varied) {
        plain.labels = labels.data();
        plain.costs = costs.data();
        plain.background = background.data();
        plain.example_labels = example_labels.data();
        plain.example_costs = example_costs.data();
    }
    Problem<T> problem = plain;
    problem.rows = rows.view(added, d);
    problem.examples = examples.view({}, d);

    const auto expected = reference::samples_of(plain);
    const Samples<T> samples(problem);
    const double s = problem.intercept_scaling, bias = -0.75;
    const std::vector<double> weights = random.normals<double>(d);
    const std::vector<double> augmented = with_bias(weights, bias);
    const double offset = samples.offset(weights.data(), s * bias);
    REQUIRE(samples.count() == n + p);
    CHECK(samples.n_features() == d);
    CHECK(samples.bias_square() == 4.0);
    CHECK(samples.mean_square() == Approx(center ? reference::dot(mean, mean) : 0.0));
    CHECK(samples.mean_product(weights.data()) ==
          Approx(center ? reference::dot(mean, weights) : 0.0).margin(1e-12));

    std::vector<double> products(n + p), wide(d), squares(d), scratch(d), prior(d);
    samples.multiply(ThreadsExecutor{3}, weights.data(), offset, products.data());
    samples.copy_prior(prior.data());
    CHECK(reference::distance(with_bias(prior, 0.0), expected.prior) < 1e-6);
    double share = 0.0;
    for (std::size_t j = 0; j < p; ++j) share += samples.share_in_mean(j);
    CHECK(share == Approx(1.0));

    std::vector<double> expected_squares(d), expected_sum(d + 1);
    const auto factor = [](std::size_t i) {
        return i % 6 == 2 ? 0.0 : std::sin(1.0 + static_cast<double>(i));
    };
    for (std::size_t i = 0; i < n + p; ++i) {
        CAPTURE(i, center, varied, n_added, d);
        const std::vector<double>& x = expected.x[i];
        const double y = expected.y[i], score = reference::dot(x, augmented);
        CHECK(samples.is_row(i) == (i < n));
        CHECK(samples.label(i) == y);
        CHECK(samples.cost(i) == expected.cost[i]);
        CHECK(samples.penalty(i).diagonal == expected.diagonal(i));
        CHECK(samples.score(i, weights.data(), offset) == Approx(score).margin(1e-9));
        CHECK(samples.product(i, weights.data(), offset) == Approx(y * score).margin(1e-9));
        CHECK(products[i] == Approx(expected.cost[i] > 0.0 ? y * score : 0.0).margin(1e-9));
        CHECK(samples.squared_norm(i) ==
              Approx(i < n ? static_cast<double>(i + 1) + 4.0 : reference::dot(x, x)));
        samples.widen(i, wide.data());
        samples.add_squares(i, 1.0 + static_cast<double>(i), squares.data(), scratch.data());
        double difference = 0.0;
        for (std::size_t c = 0; c < d; ++c) {
            difference = std::max(difference, std::abs(wide[c] - y * x[c]));
            expected_squares[c] += (1.0 + static_cast<double>(i)) * x[c] * x[c];
        }
        CHECK(difference < 1e-12);
        for (std::size_t c = 0; c <= d; ++c) expected_sum[c] += factor(i) * y * x[c];
    }
    CHECK(reference::distance(squares, expected_squares) < 1e-9);

    const auto sum_of = [&](ExecutorRef executor, std::size_t n_groups) {
        std::vector<double> w(d), partial((n_groups - 1) * d);
        const double sum =
            samples.sum(executor, samples.count(), n_groups, w.data(), partial.data(),
                        [&](std::size_t begin, std::size_t end, SampleSum<T>& part) noexcept {
                            for (std::size_t i = begin; i < end; ++i) part.add(factor(i), i);
                        });
        return with_bias(w, s * sum);
    };
    const std::vector<double> at_once = sum_of(SerialExecutor{}, 1);
    CHECK(reference::distance(at_once, expected_sum) < 1e-9);
    const std::vector<double> in_groups = sum_of(SerialExecutor{}, 5);
    CHECK(reference::distance(in_groups, expected_sum) < 1e-9);
    CHECK(sum_of(ThreadsExecutor{3}, 5) == in_groups);

    // The same bits as one sample after the other.
    std::vector<double> one_by_one(d), four_at_once(d);
    SampleSum<T> sum(samples, four_at_once.data());
    double label_sum = 0.0;
    for (std::size_t i = 0; i < samples.count(); ++i) {
        if (factor(i) == 0.0) continue;
        const double multiple = samples.label(i) * factor(i);
        label_sum += multiple;
        (i < n ? problem.rows : problem.examples)
            .axpy_wide(multiple, i < n ? i : i - n, one_by_one.data());
        sum.add(factor(i), i);
    }
    samples.subtract_mean(label_sum, one_by_one.data());
    CHECK(sum.finish() == label_sum);
    CHECK(four_at_once == one_by_one);
}
