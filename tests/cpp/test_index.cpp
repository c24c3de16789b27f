#include "exemplar_svm/index.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "exemplar_svm/scan.hpp"
#include "reference.hpp"
#include "threads_executor.hpp"

using namespace exemplar_svm;
using reference::Random;

static_assert(noexcept(std::declval<const Index<float>&>().search(nullptr, 0,
                                                                  std::declval<Workspace<float>&>(),
                                                                  nullptr, nullptr)));
static_assert(noexcept(std::declval<const Index<float>&>().search_shared(
    DenseView<float>{}, 0, std::declval<Workspace<float>&>(), nullptr, nullptr)));
static_assert(noexcept(std::declval<const Index<float>&>().search_shared(
    DenseView<float>{}, 0, SearchSettings{}, std::declval<Workspace<float>&>(), nullptr, nullptr)));
static_assert(noexcept(std::declval<const Index<float>&>().fit(DenseView<float>{}, SearchSettings{},
                                                               std::declval<Workspace<float>&>(),
                                                               nullptr)));

namespace {

template <Real T>
struct Found {
    SearchReport report;
    std::vector<T> scores;
    std::vector<RowNumber> rows;
};

template <Real T>
Found<T> search(const Index<T>& index, const std::vector<T>& positives, std::size_t k,
                ExecutorRef executor = SerialExecutor{}) {
    Found<T> found{{}, std::vector<T>(k), std::vector<RowNumber>(k)};
    const auto view = reference::view(positives, index.n_features());
    Workspace<T> workspace(index, k, view.rows);
    found.report =
        index.search_shared(view, k, workspace, found.scores.data(), found.rows.data(), executor);
    return found;
}

/// The constructor's error message about the settings or rows; empty if there is none.
template <Real T>
std::string refusal(const DenseView<T>& rows, const IndexSettings& settings) {
    try {
        const Index<T> index(rows, settings);
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "";
}

template <Real T>
std::string refusal_of(void (*spoil)(IndexSettings&)) {
    Random random(1);
    const auto rows = random.normals<T>(12);
    IndexSettings settings;
    spoil(settings);
    return refusal(reference::view(rows, 3), settings);
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

/// The scores of the exact optimum, in double precision.
template <Real T>
std::vector<double> exact_scores(reference::TestData<T> data, const IndexSettings& settings) {
    if (settings.center) data.center();
    Problem<T> problem = data.problem();
    problem.loss = settings.loss;
    problem.intercept_scaling = settings.intercept_scaling;
    problem.prior = settings.search.prior;
    const auto n = static_cast<double>(data.n), p = static_cast<double>(data.p);
    const double C = settings.search.C;
    const bool balanced = settings.class_weight.balanced;
    problem.cost = C * (balanced ? (n + p) / (2.0 * n) : settings.class_weight.negative);
    problem.example_cost = C * (balanced ? (n + p) / (2.0 * p) : settings.class_weight.positive);
    const auto samples = reference::samples_of(problem);
    const auto w = reference::weights_of(samples, reference::solve_slowly(samples));
    std::vector<double> scores;
    for (std::size_t i = 0; i < data.n; ++i) scores.push_back(reference::dot(w, samples.x[i]));
    return scores;
}

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

}  // namespace

TEST_CASE("settings out of range are refused by name") {
    using S = IndexSettings;
    const auto refused = [](const char* name, void (*spoil)(S&)) {
        CAPTURE(name);
        CHECK(contains(refusal_of<float>(spoil), name));
        CHECK(contains(refusal_of<double>(spoil), name));
    };
    refused("C is 0", [](S& s) { s.search.C = 0.0; });
    refused("C is -1", [](S& s) { s.search.C = -1.0; });
    refused("C is nan", [](S& s) { s.search.C = not_a_number; });
    refused("C is inf", [](S& s) { s.search.C = reference::infinity; });
    refused("prior is -0.5", [](S& s) { s.search.prior = -0.5; });
    refused("prior is nan", [](S& s) { s.search.prior = not_a_number; });
    refused("tol is 0", [](S& s) { s.search.solver.tol = 0.0; });
    refused("tol is nan", [](S& s) { s.search.solver.tol = not_a_number; });
    refused("max_epochs is 0", [](S& s) { s.search.solver.max_epochs = 0; });
    refused("intercept_scaling is 0", [](S& s) { s.intercept_scaling = 0.0; });
    refused("intercept_scaling is -1", [](S& s) { s.intercept_scaling = -1.0; });
    refused("class_weight of the positives is 0", [](S& s) { s.class_weight = {false, 0.0, 1.0}; });
    refused("class_weight of the negatives is nan",
            [](S& s) { s.class_weight = {false, 1.0, not_a_number}; });
    CHECK(refusal_of<float>([](S&) {}).empty());
    CHECK(refusal_of<float>([](S& s) { s.class_weight = {true, 0.0, not_a_number}; }).empty());
}

TEMPLATE_TEST_CASE("a row that is not finite is refused by row and column", "", float, double) {
    using T = TestType;
    Random random(1);
    for (const T bad : {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity(),
                        -std::numeric_limits<T>::infinity()}) {
        auto rows = random.normals<T>(7 * 5);
        rows[3 * 5 + 2] = rows[4 * 5] = bad;
        CHECK(contains(refusal(reference::view(rows, 5), {}), "at row 3, column 2"));
        IndexSettings unchecked;
        unchecked.check_finite = false;
        CHECK(refusal(reference::view(rows, 5), unchecked).empty());
    }
    auto rows = random.normals<T>(7 * 5);
    rows[6 * 5 + 1] = std::numeric_limits<T>::max();
    CHECK(contains(refusal(reference::view(rows, 5), {}), "at row 6"));
    CHECK(contains(refusal(DenseView<T>{rows.data(), 7, 0, 5}, {}), "no features"));
}

TEMPLATE_TEST_CASE("ranks without a row hold minus infinity and minus one", "", float, double) {
    using T = TestType;
    const std::size_t n = GENERATE(as<std::size_t>{}, 0, 1, 4);
    Random random(2);
    const reference::TestData<T> data(n, 3, 1, random);
    const Index<T> index(DenseView<T>{data.rows.data(), n, 3, 3});
    const auto found = search(index, data.positives, 6);
    CHECK(found.report.status == SearchStatus::converged);
    CHECK(found.report.certified_k <= n);
    for (std::size_t rank = 0; rank < 6; ++rank) {
        CHECK((found.rows[rank] == -1) == (rank >= n));
        if (rank < n) {
            CHECK(std::isfinite(found.scores[rank]));
        } else {
            CHECK(found.scores[rank] == -std::numeric_limits<T>::infinity());
        }
    }
    CHECK(search(index, data.positives, 0).report.certified_k == 0);
}

TEMPLATE_TEST_CASE("certified ranks are those of the exact optimum", "", float, double) {
    using T = TestType;
    IndexSettings settings;
    settings.loss = GENERATE(Loss::squared_hinge, Loss::hinge);
    settings.center = GENERATE(false, true);
    settings.search.C = GENERATE(0.1, 2.0);
    const double tol = GENERATE(1e-2, 1e-5);
    settings.search.solver.tol = tol;
    Random random(3);
    std::size_t certified = 0;
    for (int repetition = 0; repetition < 6; ++repetition) {
        const std::size_t k = 20;
        reference::TestData<T> data(70, 8, repetition % 3 == 2 ? 3 : 1, random);
        for (const std::ptrdiff_t twin : {40, 41}) {
            std::copy_n(data.rows.begin(), 8, data.rows.begin() + 8 * twin);
        }
        settings.search.prior = repetition % 2 == 1 ? 0.3 : 0.0;
        settings.class_weight.balanced = repetition % 4 != 0;
        const Index<T> index(reference::view(data.rows, data.d), settings);
        const auto found = search(index, data.positives, k);

        const auto exact = exact_scores(data, settings);
        std::vector<RowNumber> order(data.n);
        std::iota(order.begin(), order.end(), 0);
        std::stable_sort(order.begin(), order.end(), [&](RowNumber a, RowNumber b) {
            return exact[static_cast<std::size_t>(a)] > exact[static_cast<std::size_t>(b)];
        });
        CAPTURE(static_cast<int>(settings.loss), settings.center, tol, repetition);
        CHECK(found.report.certified_k <= k);
        for (std::size_t rank = 0; rank < found.report.certified_k; ++rank) {
            CHECK(found.rows[rank] == order[rank]);
        }
        for (std::size_t rank = 0; rank < k; ++rank) {
            const double error = static_cast<double>(found.scores[rank]) -
                                 exact[static_cast<std::size_t>(found.rows[rank])];
            CHECK(std::abs(error) <= found.report.score_error_bound + 1e-11);
        }
        certified += found.report.certified_k;
    }
    CHECK((tol > 1e-3 || certified > 0));
}

TEMPLATE_TEST_CASE("a converged search proves its whole ranking when scores are well apart", "",
                   float, double) {
    using T = TestType;
    std::vector<T> rows;  // on a ray, each row a tenth longer than the last
    for (int i = 0; i < 12; ++i) {
        rows.push_back(static_cast<T>(0.5 + 0.1 * i));
        rows.push_back(static_cast<T>(0.1));
    }
    IndexSettings settings;
    settings.search.solver.score_tol = 1e-4;
    const Index<T> index(reference::view(rows, 2), settings);
    const auto found = search(index, std::vector<T>{T(2), T(0.1)}, 12);
    CHECK(found.report.status == SearchStatus::converged);
    CHECK(found.report.certified_k == 12);
    for (std::size_t rank = 0; rank < 12; ++rank) {
        CHECK(found.rows[rank] == static_cast<RowNumber>(11 - rank));
    }
}

TEMPLATE_TEST_CASE("search ranks the scores of fit", "", float, double) {
    using T = TestType;
    Random random(4);
    const reference::TestData<T> data(50, 6, 2, random);
    const Index<T> index(reference::view(data.rows, data.d));
    const auto found = search(index, data.positives, 50);
    Workspace<T> workspace(index, 0, 2);
    std::vector<T> scores(50);
    const auto report = index.fit(reference::view(data.positives, data.d), index.settings().search,
                                  workspace, scores.data());
    CHECK(report.duality_gap == found.report.duality_gap);
    CHECK(report.n_support == found.report.n_support);
    for (std::size_t rank = 0; rank < 50; ++rank) {
        CHECK(found.scores[rank] == scores[static_cast<std::size_t>(found.rows[rank])]);
        if (rank > 0) CHECK(found.scores[rank - 1] >= found.scores[rank]);
    }
    // The weights in the workspace give the scores.
    std::vector<T> again(50);
    score_rows(index.rows(), workspace.weights().view(), SerialExecutor{}, again.data());
    CHECK(again == scores);
}

TEMPLATE_TEST_CASE("input that does not fit is invalid, and no row is returned", "", float,
                   double) {
    using T = TestType;
    Random random(5);
    reference::TestData<T> data(20, 4, 2, random);
    const Index<T> index(reference::view(data.rows, data.d));
    std::vector<T> scores(5);
    std::vector<RowNumber> rows(5);
    const auto is_refused = [&](DenseView<T> positives, Workspace<T>& workspace) {
        std::fill(rows.begin(), rows.end(), 7);
        const auto report =
            index.search_shared(positives, 5, workspace, scores.data(), rows.data());
        return report.status == SearchStatus::invalid_input && report.certified_k == 0 &&
               rows == std::vector<RowNumber>(5, -1) &&
               scores == std::vector<T>(5, -std::numeric_limits<T>::infinity());
    };
    const auto positives = reference::view(data.positives, data.d);
    Workspace<T> fitting(index, 5, 2);
    CHECK_FALSE(is_refused(positives, fitting));

    Workspace<T> few_ranks(index, 4, 2), few_positives(index, 5, 1);
    Workspace<T> few_rows(19, 4, 5, 2), few_features(20, 3, 5, 2);
    for (Workspace<T>* workspace : {&few_ranks, &few_positives, &few_rows, &few_features}) {
        CHECK(is_refused(positives, *workspace));
    }
    CHECK(is_refused({data.positives.data(), 0, 4, 4}, fitting));
    CHECK(is_refused({data.positives.data(), 2, 3, 3}, fitting));
    for (const T bad : {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity()}) {
        data.positives[6] = bad;
        CHECK(is_refused(positives, fitting));
    }
    data.positives[6] = std::numeric_limits<T>::max();  // the square of its norm overflows
    CHECK(is_refused(positives, fitting));
    data.positives[6] = T(0);
    CHECK_FALSE(is_refused(positives, fitting));
}

TEMPLATE_TEST_CASE("refresh sees rows that have changed", "", float, double) {
    using T = TestType;
    Random random(6);
    reference::TestData<T> data(40, 5, 1, random);
    IndexSettings settings;
    settings.center = true;
    Index<T> index(reference::view(data.rows, data.d), settings);
    for (T& v : data.rows) v = T(3) - T(2) * v;
    index.refresh();
    const Index<T> anew(reference::view(data.rows, data.d), settings);
    const auto found = search(index, data.positives, 40),
               expected = search(anew, data.positives, 40);
    CHECK(found.rows == expected.rows);
    CHECK(found.scores == expected.scores);
    CHECK(found.report.score_error_bound == expected.report.score_error_bound);

    data.rows[7] = std::numeric_limits<T>::quiet_NaN();
    CHECK_THROWS_AS(index.refresh(), std::invalid_argument);
}

TEMPLATE_TEST_CASE("strided rows and executors do not change a bit of the result", "", float,
                   double) {
    using T = TestType;
    constexpr std::size_t n = 150, d = 700;  // several blocks
    Random random(7);
    const reference::TestData<T> data(n, d, 2, random);
    std::vector<T> padded, backwards;
    for (std::size_t i = 0; i < n; ++i) {
        const auto row = data.rows.begin() + static_cast<std::ptrdiff_t>(i * d);
        padded.insert(padded.end(), row, row + d);
        padded.insert(padded.end(), 3, std::numeric_limits<T>::quiet_NaN());
        backwards.insert(backwards.begin(), row, row + d);
    }
    constexpr auto step = static_cast<std::ptrdiff_t>(d);
    IndexSettings settings;
    settings.center = GENERATE(false, true);
    const Index<T> plain({data.rows.data(), n, d, step}, settings);
    const Index<T> with_padding({padded.data(), n, d, step + 3}, settings, OpenMpExecutor{2});
    const Index<T> reversed({backwards.data() + (n - 1) * d, n, d, -step}, settings);
    const auto expected = search(plain, data.positives, 30);
    const SerialExecutor serial;
    const OpenMpExecutor openmp{3};
    const reference::ThreadsExecutor threads{2};
    for (const Index<T>* index : {&plain, &with_padding, &reversed}) {
        for (const ExecutorRef executor :
             {ExecutorRef(serial), ExecutorRef(openmp), ExecutorRef(threads)}) {
            const auto found = search(*index, data.positives, 30, executor);
            CHECK(found.rows == expected.rows);
            CHECK(found.scores == expected.scores);
            CHECK(found.report.duality_gap == expected.report.duality_gap);
        }
    }
}

TEMPLATE_TEST_CASE("searches of one index may run at the same time", "", float, double) {
    using T = TestType;
    constexpr std::size_t k = 10, n_threads = 8, n_searches = 12;
    IndexSettings settings;
    settings.method = GENERATE(Method::full, Method::working_set, Method::gram);
    settings.sketch = settings.method == Method::working_set ? SketchType::int8 : SketchType::none;
    Random random(9);
    const reference::TestData<T> data(300, 12, n_searches, random);
    const Index<T> index(reference::view(data.rows, data.d), settings);
    const auto query = [&](std::size_t q) { return data.positives.data() + q * data.d; };
    std::vector<RowNumber> alone(n_searches * k);
    std::vector<T> scores(n_searches * k);
    Workspace<T> workspace(index, k);
    for (std::size_t q = 0; q < n_searches; ++q) {
        index.search(query(q), k, workspace, scores.data() + q * k, alone.data() + q * k);
    }

    std::vector<std::vector<RowNumber>> together(n_threads, std::vector<RowNumber>(alone.size()));
    std::vector<std::thread> threads;
    for (std::vector<RowNumber>& rows : together) {
        threads.emplace_back([&] {
            Workspace<T> own(index, k);
            std::vector<T> own_scores(k);
            for (std::size_t q = 0; q < n_searches; ++q) {
                index.search(query(q), k, own, own_scores.data(), rows.data() + q * k);
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    for (const std::vector<RowNumber>& rows : together) CHECK(rows == alone);
}
