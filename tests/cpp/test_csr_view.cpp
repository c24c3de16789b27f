#include "exemplar_svm/csr_view.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include "catch.hpp"
#include "exemplar_svm/index.hpp"
#include "exemplar_svm/rows_view.hpp"
#include "exemplar_svm/scan.hpp"
#include "reference.hpp"
#include "sparse_data.hpp"
#include "threads_executor.hpp"

using namespace exemplar_svm;
using reference::Random;
using reference::SparseData;

namespace {

template <Real T, ColumnNumber I>
std::string refusal_of(const CsrView<T, I>& view) {
    try {
        RowsView<T>(view).checked("rows");
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "";
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

template <Real T>
struct Found {
    SearchReport report;
    std::vector<T> scores;
    std::vector<RowNumber> rows;
};

template <Real T>
Found<T> search(const Index<T>& index, const Query<T>& query, std::size_t k,
                ExecutorRef executor = SerialExecutor{}, const StopCondition& stop = {}) {
    Found<T> found{{}, std::vector<T>(k), std::vector<RowNumber>(k)};
    Workspace<T> workspace(index, k, query.n_positives() + query.n_negatives());
    found.report = index.search(query, k, index.settings().search, workspace, found.scores.data(),
                                found.rows.data(), executor, stop);
    return found;
}

}  // namespace

TEMPLATE_TEST_CASE("sparse rows are read as their dense twins", "",
                   (std::tuple<float, std::int32_t>), (std::tuple<float, std::int64_t>),
                   (std::tuple<double, std::int32_t>), (std::tuple<double, std::int64_t>)) {
    using T = std::tuple_element_t<0, TestType>;
    using I = std::tuple_element_t<1, TestType>;
    const double tol = std::is_same_v<T, float> ? 1e-5 : 1e-13;
    Random random(1);
    const SparseData<T, I> data(40, 60, 0.2, random);
    const RowsView<T> sparse(data.view()), dense(data.dense_view());
    CHECK(!sparse.is_dense());
    CHECK(sparse.rows == 40);
    CHECK(sparse.cols == 60);
    const auto w = random.normals<T>(60);
    const std::vector<double> wide(w.begin(), w.end());
    std::vector<T> scratch(60), products(40), second(40);
    sparse.dot_rows_two(0, 40, w.data(), data.dense.data(), products.data(), second.data());
    for (std::size_t i = 0; i < 40; ++i) {
        const std::vector<T> row(dense.row(i), dense.row(i) + 60);
        CHECK(std::equal(row.begin(), row.end(), sparse.read(i, scratch.data())));
        std::vector<double> widened(60, -1.0);
        sparse.widen(i, widened.data());
        CHECK(widened == std::vector<double>(row.begin(), row.end()));
        CHECK(std::abs(static_cast<double>(sparse.dot(i, w.data()) - dense.dot(i, w.data()))) <
              tol);
        CHECK(std::abs(sparse.dot_wide(i, wide.data()) - dense.dot_wide(i, wide.data())) < 1e-13);
        // The bits do not depend on the number of rows in a call.
        CHECK(products[i] == sparse.dot(i, w.data()));
        CHECK(second[i] == sparse.dot(i, data.dense.data()));
        CHECK(sparse.from(3).dot(i < 37 ? i : 0, w.data()) ==
              sparse.dot(i < 37 ? i + 3 : 3, w.data()));
        CHECK(std::abs(static_cast<double>(sparse.squared_norm(i) - dense.squared_norm(i))) < tol);
        std::vector<T> y(w), y_dense(w);
        sparse.axpy(T(0.5), i, y.data());
        dense.axpy(T(0.5), i, y_dense.data());
        std::vector<double> z(wide), z_dense(wide);
        sparse.axpy_wide(-0.3, i, z.data());
        dense.axpy_wide(-0.3, i, z_dense.data());
        for (std::size_t c = 0; c < 60; ++c) {
            CHECK(std::abs(static_cast<double>(y[c] - y_dense[c])) < tol);
            CHECK(std::abs(z[c] - z_dense[c]) < 1e-14);
        }
        for (std::size_t j = 0; j < 40; ++j) {
            CHECK(std::abs(sparse.distance(i, j) - dense.distance(i, j)) < 1e-12);
            CHECK(sparse.equals(i, dense.row(j)) == dense.equals(i, dense.row(j)));
        }
        if (std::ranges::count(row, T(0)) < 60) CHECK(!sparse.equals(i, w.data()));
    }
    CHECK(sparse.equals(5, std::vector<T>(60).data()));  // an empty row
}

TEMPLATE_TEST_CASE("rows in two parts are read as if they were in one", "",
                   (std::tuple<float, std::int32_t>), (std::tuple<float, std::int64_t>),
                   (std::tuple<double, std::int32_t>), (std::tuple<double, std::int64_t>)) {
    using T = std::tuple_element_t<0, TestType>;
    using I = std::tuple_element_t<1, TestType>;
    constexpr std::size_t n = 40, d = 60;
    const std::size_t seam = GENERATE(as<std::size_t>{}, 0, 1, 17, 39, 40);
    Random random(1);
    const SparseData<T, I> data(n, d, 0.2, random);
    const std::vector<std::int64_t> starts(data.starts.begin(), data.starts.end());
    const RowsView<T> one(data.view());
    const RowsView<T> two = RowsView<T>(data.part(0, seam))
                                .followed_by(CsrView<T, I, std::int64_t>{
                                    data.values.data(), data.columns.data(), starts.data() + seam,
                                    n - seam, d, data.values.size()});
    CHECK(two.rows == n);
    CHECK(two.first_part().rows == seam);
    CHECK(two.checked("rows").rows == n);
    CHECK(two.bytes_per_row() == one.bytes_per_row());
    CHECK(two.sparse().roundings() == one.sparse().roundings());
    const auto w = random.normals<T>(d);
    const std::vector<double> wide(w.begin(), w.end());
    for (std::size_t i = 0; i < n; ++i) {
        std::vector<T> row(d), same(d), y(w), y_same(w);
        one.copy(i, row.data());
        two.copy(i, same.data());
        CHECK(same == row);
        std::vector<double> widened(d), z(wide), z_same(wide);
        two.widen(i, widened.data());
        CHECK(widened == std::vector<double>(row.begin(), row.end()));
        CHECK(two.sparse().count(i) == one.sparse().count(i));
        CHECK(two.dot(i, w.data()) == one.dot(i, w.data()));
        CHECK(two.dot_wide(i, wide.data()) == one.dot_wide(i, wide.data()));
        one.axpy(T(0.5), i, y.data());
        two.axpy(T(0.5), i, y_same.data());
        CHECK(y == y_same);
        one.axpy_wide(-0.3, i, z.data());
        two.axpy_wide(-0.3, i, z_same.data());
        CHECK(z == z_same);
        CHECK(two.squared_norm(i) == one.squared_norm(i));
        CHECK(two.equals(i, row.data()));
        two.prefetch(i);
        bool same_distances = true;
        for (std::size_t j = 0; j < n; ++j) {
            same_distances = same_distances && two.distance(i, j) == one.distance(i, j);
        }
        CHECK(same_distances);

        // All ranges that begin here, and the rest of the view.
        const RowsView<T> rest = two.from(i);
        CHECK(rest.rows == n - i);
        CHECK(rest.dot(0, w.data()) == one.dot(i, w.data()));
        CHECK(rest.dot(n - i - 1, w.data()) == one.dot(n - 1, w.data()));
        bool same_products = true;
        for (std::size_t end = i; end <= n; ++end) {
            std::vector<T> products(end - i + 1, T(7)), expected(products), second(products);
            one.dot_rows(i, end, w.data(), expected.data());
            two.dot_rows(i, end, w.data(), products.data());
            same_products = same_products && products == expected;
            two.dot_rows_two(i, end, row.data(), w.data(), products.data(), second.data());
            same_products = same_products && second == expected;
        }
        CHECK(same_products);
    }
    CHECK(two.from(n).rows == 0);
}

TEMPLATE_TEST_CASE("the bound on rounding holds for products with sparse rows", "", std::int32_t,
                   std::int64_t) {
    Random random(2);
    const SparseData<float, TestType> data(60, 400, 0.5, random);
    const RowsView<float> rows(data.view());
    const auto w = random.normals<float>(400);
    const std::vector<double> wide(w.begin(), w.end());
    const double bound = score_rounding_bound<float>(rows);
    CHECK(bound < 1e-5);
    const double w_norm = std::sqrt(reference::dot(wide, wide));
    for (std::size_t i = 0; i < 60; ++i) {
        const double error =
            std::abs(static_cast<double>(rows.dot(i, w.data())) - rows.dot_wide(i, wide.data()));
        CHECK(error <= bound * w_norm * std::sqrt(static_cast<double>(rows.squared_norm(i))));
    }
}

TEMPLATE_TEST_CASE("errors in sparse rows are named", "", std::int32_t, std::int64_t) {
    const std::vector<float> values{1, 2, 3};
    std::vector<TestType> columns{0, 2, 1}, starts{0, 2, 3};
    const auto view = [&] {
        return CsrView<float, TestType>{values.data(), columns.data(), starts.data(), 2, 3, 3};
    };
    CHECK(refusal_of(view()).empty());
    CHECK(is_canonical(view(), "rows"));
    columns = {2, 0, 1};
    CHECK(!is_canonical(view(), "rows"));
    CHECK(contains(refusal_of(view()), "rows has rows whose columns do not ascend strictly"));
    columns = {2, 2, 1};
    CHECK(!is_canonical(view(), "rows"));
    columns = {0, 3, 1};
    CHECK(contains(refusal_of(view()),
                   "rows has a row 0 that has an entry in column 3, "
                   "but the columns are 0 to 2"));
    columns = {0, 2, -1};
    CHECK(contains(refusal_of(view()), "row 1 that has an entry in column -1"));
    columns = {0, 2, 1};
    for (const auto& bad : {std::vector<TestType>{0, 2, 4}, {0, 4, 3}, {-1, 2, 3}, {3, 2, 3}}) {
        starts = bad;
        CHECK(contains(refusal_of(view()), "that begins at entry"));
    }
    starts = {1, 2, 2};  // uses only some of the entries
    CHECK(refusal_of(view()).empty());
}

TEST_CASE("sparse rows refuse settings for dense rows, and values that are not finite") {
    Random random(3);
    SparseData<float> data(30, 10, 0.3, random);
    const auto refusal = [&](auto&& set) {
        IndexSettings settings;
        set(settings);
        try {
            const Index<float> index(RowsView<float>(data.view()), settings);
        } catch (const std::invalid_argument& error) {
            return std::string(error.what());
        }
        return std::string();
    };
    CHECK(refusal([](IndexSettings& s) { s.method = Method::full; }).empty());
    CHECK(refusal([](IndexSettings& s) { s.method = Method::working_set; }).empty());
    CHECK(contains(refusal([](IndexSettings& s) { s.method = Method::gram; }), "is for dense"));
    CHECK(contains(refusal([](IndexSettings& s) { s.sketch = SketchType::int8; }),
                   "sketch is for dense"));
    const auto entry = static_cast<std::size_t>(data.starts[7]);
    data.values[entry] = std::numeric_limits<float>::infinity();
    CHECK(contains(refusal([](IndexSettings&) {}),
                   "holds inf at row 7, column " + std::to_string(data.columns[entry])));
}

TEST_CASE("refresh checks the columns again, and a workspace of dense rows is refused") {
    Random random(4);
    SparseData<float> data(30, 10, 0.3, random);
    Index<float> index{RowsView<float>(data.view())};
    const std::vector<RowNumber> numbers{0};
    Query<float> query;
    query.positive_rows = numbers;
    const auto before = search(index, query, 5);
    std::swap(data.columns[0], data.columns[1]);
    CHECK_THROWS_AS(index.refresh(), std::invalid_argument);
    std::swap(data.columns[0], data.columns[1]);
    CHECK(search(index, query, 5).scores == before.scores);

    std::vector<float> scores(5);
    std::vector<RowNumber> rows(5);
    Workspace<float> of_dense_rows(30, 10, 5, 1);
    CHECK(index.search(query, 5, {}, of_dense_rows, scores.data(), rows.data()).status ==
          SearchStatus::invalid_input);
    Workspace<float> too_small(index, 5, 1, 1);  // one entry
    CHECK(index.search(query, 5, {}, too_small, scores.data(), rows.data()).status ==
          SearchStatus::invalid_input);
    Workspace<float> enough(index, 5, 1, count_entries(query, index.rows()));
    CHECK(index.search(query, 5, {}, enough, scores.data(), rows.data()).status ==
          SearchStatus::converged);
}

TEMPLATE_TEST_CASE("searches among sparse rows have the optimum of their dense twins", "", float,
                   double) {
    using T = TestType;
    IndexSettings settings;
    settings.loss = GENERATE(Loss::squared_hinge, Loss::hinge);
    settings.center = GENERATE(false, true);
    settings.search.C = GENERATE(0.01, 0.1, 10.0);
    const auto n_positives = GENERATE(as<std::size_t>{}, 1, 3, 40);  // 40: not eliminated
    Random random(5);
    const SparseData<T, std::int64_t> data(300, 50, 0.1, random);
    settings.search.prior = n_positives == 3 ? 0.5 : 0.0;
    const Index<T> sparse(RowsView<T>(data.view()), settings);
    // The reference is the dense search in double precision, solved further.
    settings.method = Method::full;
    settings.search.solver.tol = 1e-9;
    settings.search.solver.max_epochs = 20000;
    const std::vector<double> wide_rows(data.dense.begin(), data.dense.end());
    const Index<double> judge({wide_rows.data(), 300, 50, 50}, settings);

    std::vector<T> vectors(2 * 50);
    for (std::size_t c = 0; c < 100; c += 3) vectors[c] = static_cast<T>(random.uniform());
    const std::vector<double> wide_vectors(vectors.begin(), vectors.end());
    std::vector<RowNumber> positives;
    for (std::size_t j = 1; j < n_positives; ++j)
        positives.push_back(static_cast<RowNumber>(5 * j));
    const std::vector<RowNumber> negatives{201, 207};
    std::vector<double> weights(n_positives, 1.0);
    weights.back() = 2.5;
    std::vector<std::uint8_t> background(300, 1), candidates(300, 1);
    for (std::size_t i = 0; i < 300; i += 7) background[i] = 0;
    for (std::size_t i = 0; i < 300; i += 11) candidates[i] = 0;
    const auto ask = [&]<Real U>(const std::vector<U>& of) {
        Query<U> query;
        query.positives = {of.data(), 1, 50, 50};
        query.positive_rows = positives;
        query.positive_weights = weights;
        query.negatives = {of.data() + 50, 1, 50, 50};
        query.negative_rows = negatives;
        query.background = background.data();
        query.candidates = candidates.data();
        query.duplicates = Duplicates::ignore;
        return query;
    };
    const std::size_t k = 250;
    const auto exact = search(judge, ask(wide_vectors), 300);
    const auto found = search(sparse, ask(vectors), k);
    CAPTURE(static_cast<int>(settings.loss), settings.center, settings.search.C, n_positives);
    // float32 does not resolve the tolerance of a hinge with a large C.
    CHECK((found.report.status == SearchStatus::converged ||
           (std::is_same_v<T, float> && found.report.status == SearchStatus::precision_limit)));
    double worst = 0.0, largest = 0.0;
    std::vector<double> exact_scores(300, std::numeric_limits<double>::quiet_NaN());
    for (std::size_t rank = 0; rank < 300 && exact.rows[rank] >= 0; ++rank) {
        exact_scores[static_cast<std::size_t>(exact.rows[rank])] = exact.scores[rank];
        largest = std::max(largest, std::abs(exact.scores[rank]));
    }
    for (std::size_t rank = 0; rank < k && found.rows[rank] >= 0; ++rank) {
        const double off = std::abs(static_cast<double>(found.scores[rank]) -
                                    exact_scores[static_cast<std::size_t>(found.rows[rank])]);
        REQUIRE(std::isfinite(off));
        worst = std::max(worst, off);
        if (rank < found.report.certified_k) {
            CHECK(std::abs(exact_scores[static_cast<std::size_t>(found.rows[rank])] -
                           exact.scores[rank]) <= 2.0 * exact.report.score_error_bound + 1e-12);
        }
    }
    CHECK(worst <= found.report.score_error_bound + exact.report.score_error_bound);
    CHECK(worst < (std::is_same_v<T, float> ? 2e-5 : 3e-6) * (1.0 + largest));
    // Threads change no bit.
    const reference::ThreadsExecutor threads{3};
    const auto again = search(sparse, ask(vectors), k, threads);
    CHECK(again.scores == found.scores);
    CHECK(again.rows == found.rows);
    CHECK(again.report.score_error_bound == found.report.score_error_bound);
}

TEMPLATE_TEST_CASE("a stopped search among sparse rows has a bound that holds", "", float, double) {
    using T = TestType;
    IndexSettings settings;
    settings.center = GENERATE(false, true);
    Random random(6);
    const SparseData<T> data(800, 80, 0.1, random);
    const Index<T> index(RowsView<T>(data.view()), settings);
    const std::vector<RowNumber> numbers{3, 9};
    Query<T> query;
    query.positive_rows = numbers;
    const auto exact = search(index, query, 800);
    std::vector<double> exact_scores(800);
    for (std::size_t rank = 0; rank < 798; ++rank) {
        exact_scores[static_cast<std::size_t>(exact.rows[rank])] =
            static_cast<double>(exact.scores[rank]);
    }
    std::size_t n_stopped = 0;
    for (const int budget : {0, 20, 60, 120, 200, 400}) {
        const auto found = search(index, query, 800, SerialExecutor{},
                                  StopCondition::after(std::chrono::microseconds(budget)));
        n_stopped += found.report.status == SearchStatus::deadline ? 1 : 0;
        for (std::size_t rank = 0; rank < 798; ++rank) {
            const auto row = static_cast<std::size_t>(found.rows[rank]);
            CHECK(std::abs(static_cast<double>(found.scores[rank]) - exact_scores[row]) <=
                  found.report.score_error_bound + exact.report.score_error_bound);
        }
    }
    CHECK(n_stopped > 0);
}
