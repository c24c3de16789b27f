#include "model/postings.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "reference.hpp"
#include "sparse_data.hpp"
#include "threads_executor.hpp"

using namespace exemplar_svm;
using reference::Random;
using reference::SparseData;

TEMPLATE_TEST_CASE("postings score rows by their products with the examples", "", float, double) {
    using T = TestType;
    const auto p = GENERATE(std::size_t{1}, std::size_t{3});
    const auto n_listed =
        GENERATE(std::size_t{0}, std::size_t{1}, std::size_t{150}, std::size_t{200});
    Random random(1);
    const SparseData<T> data(200, 50, 0.1, random), examples(p, 50, 0.2, random);
    const std::vector<T> mean = random.normals<T>(50);
    const std::vector<std::int8_t> labels{1, -1, 1};
    const RowsView<T> rows(data.view());

    Postings<T> postings;
    CHECK(postings.empty());
    auto first = data.view();
    first.rows = n_listed;
    postings.extend(first, mean, SerialExecutor{});
    const Postings<T> before = postings;
    postings.extend(rows, mean, SerialExecutor{});
    postings.extend(rows, mean, SerialExecutor{});
    postings.require_valid(200, 50);
    CHECK(!postings.empty());
    CHECK(postings.bytes() > before.bytes() - (n_listed == 200 ? 1 : 0));
    CHECK_THROWS_AS(postings.require_valid(201, 50), std::invalid_argument);
    CHECK_THROWS_AS(postings.require_valid(200, 49), std::invalid_argument);

    Problem<T> problem;
    problem.rows = rows;
    problem.examples = examples.view();
    problem.example_labels = labels.data();
    std::vector<T> scratch(50, T(9)), scores(200), again(200);
    postings.guess_scores(problem, reference::ThreadsExecutor{3}, scratch.data(), scores.data());
    postings.guess_scores(problem, SerialExecutor{}, scratch.data(), again.data());
    CHECK(scores == again);
    for (std::size_t i = 0; i < 200; ++i) {
        double expected = 0.0;
        for (std::size_t c = 0; c < 50; ++c) {
            double direction = -static_cast<double>(mean[c]);
            for (std::size_t j = 0; j < p; ++j) {
                direction += labels[j] * static_cast<double>(examples.dense_view().row(j)[c]) /
                             static_cast<double>(p);
            }
            expected += direction * static_cast<double>(data.dense_view().row(i)[c]);
        }
        CHECK(static_cast<double>(scores[i]) == Approx(expected).margin(1e-5));
    }
}

TEST_CASE("postings that do not ascend are refused") {
    Random random(2);
    const SparseData<float> data(40, 6, 0.5, random);
    Postings<float> postings;
    postings.extend(RowsView<float>(data.view()), random.normals<float>(6), SerialExecutor{});
    std::vector<RowIndex> rows;
    std::uint64_t second = 0;  // where the list of the second column begins
    Postings<float>::visit_parts(postings, [&](std::string_view name, auto& values) {
        using Values = std::remove_cvref_t<decltype(values)>;
        if constexpr (std::is_same_v<Values, Buffer<std::uint64_t>>) second = values[1];
        if constexpr (std::is_same_v<Values, Buffer<RowIndex>>) {
            rows.assign(values.begin(), values.end());
            values = Values(rows.data(), rows.size());
        }
        CHECK(!name.empty());
    });
    postings.require_valid(40, 6);
    REQUIRE(second > 3);
    std::swap(rows[1], rows[2]);
    CHECK_THROWS_AS(postings.require_valid(40, 6), std::invalid_argument);
    rows[1] = rows[2] = rows[0];  // a row is listed once
    CHECK_THROWS_AS(postings.require_valid(40, 6), std::invalid_argument);
}
