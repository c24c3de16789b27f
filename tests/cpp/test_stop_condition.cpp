#include "exemplar_svm/stop_condition.hpp"

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "exemplar_svm/index.hpp"
#include "exemplar_svm/linear_svc.hpp"
#include "exemplar_svm/session.hpp"
#include "reference.hpp"
#include "sparse_data.hpp"

using namespace exemplar_svm;
using reference::Random;

namespace {

/// A caller that raises a flag after a given number of looks.
struct Impatient {
    int patience;
    std::atomic<bool> flag{false};
    Lookout lookout{[](void* opaque) noexcept {
                        auto& caller = *static_cast<Impatient*>(opaque);
                        if (caller.patience-- == 0) caller.flag = true;
                    },
                    this};

    StopCondition stop() noexcept {
        StopCondition condition = StopCondition::when(flag);
        condition.lookout = &lookout;
        return condition;
    }
};

/// The rows, and the answer to a query, of an index.
template <Real T>
struct Answer {
    std::vector<T> scores = std::vector<T>(10);
    std::vector<RowNumber> rows = std::vector<RowNumber>(10);

    Answer(const Index<T>& index, const T* query) {
        Workspace<T> workspace(index, 10);
        index.search(query, 10, workspace, scores.data(), rows.data());
    }
    bool operator==(const Answer&) const = default;
};

/// Calls change(stop) with growing patience until it is not stopped. Each stop must leave
/// everything as it was. Returns the number of stops.
template <class Change, class Check>
int stop_everywhere(Change&& change, Check&& check) {
    for (int patience = 0, n_stops = 0;; ++n_stops, patience += 1 + patience / 2) {
        Impatient caller{patience};
        try {
            change(caller.stop());
            return n_stops;
        } catch (const Stopped&) {
            check();
        }
    }
}

struct Way {
    Method method = Method::automatic;
    SketchType sketch = SketchType::none;
    bool center = false;
};

}  // namespace

TEST_CASE("only the thread that made a lookout calls it, and only now and then") {
    int n_looks = 0;
    Lookout lookout([](void* context) noexcept { ++*static_cast<int*>(context); }, &n_looks);
    StopCondition stop;
    stop.lookout = &lookout;
    for (int i = 0; i < 1000; ++i) CHECK_FALSE(stop.reached(10));
    CHECK(n_looks > 10);
    CHECK(n_looks <= 1000);
    const int before = n_looks;
    std::thread([&] {
        for (int i = 0; i < 1000; ++i) (void)stop.reached(10);
    }).join();
    CHECK(n_looks == before);
}

TEMPLATE_TEST_CASE("a stopped build throws, and a stopped change leaves the index as it was", "",
                   float, double) {
    using T = TestType;
    const Way way = GENERATE(Way{Method::full}, Way{Method::working_set}, Way{Method::gram},
                             Way{Method::working_set, SketchType::int8},
                             Way{Method::full, SketchType::none, true},
                             Way{Method::gram, SketchType::none, true});
    CAPTURE(static_cast<int>(way.method), way.center);
    constexpr std::size_t n = 1500, d = 64;
    Random random(1);
    const auto values = random.normals<T>(n * d), more = random.normals<T>(300 * d);
    const DenseView<T> rows = reference::view(values, d), others = reference::view(more, d);
    IndexSettings settings;
    settings.method = way.method;
    settings.sketch = way.sketch;
    settings.center = way.center;

    std::optional<Index<T>> made;
    const int n_stops = stop_everywhere(
        [&](const StopCondition& stop) {
            made.emplace(RowsView<T>(rows), settings, SerialExecutor{}, stop);
        },
        [&] { CHECK_FALSE(made.has_value()); });
    CHECK(n_stops > 0);

    Index<T>& index = *made;
    const Answer<T> before(index, more.data());
    const auto revision = index.revision();
    const auto is_as_it_was = [&] {
        CHECK(index.n_rows() == n);
        CHECK(index.revision() == revision);
        CHECK(Answer<T>(index, more.data()) == before);
    };
    stop_everywhere(
        [&](const StopCondition& stop) {
            const Index<T> longer = index.with_rows(others, SerialExecutor{}, stop);
            CHECK(longer.n_rows() == n + 300);
        },
        is_as_it_was);
    const RowNumber removed[] = {1, 5};
    stop_everywhere(
        [&](const StopCondition& stop) {
            const Index<T> shorter = index.without_rows(removed, SerialExecutor{}, stop);
            CHECK(shorter.n_live() == n - 2);
        },
        is_as_it_was);
    stop_everywhere([&](const StopCondition& stop) { index.refresh(SerialExecutor{}, stop); },
                    is_as_it_was);
    CHECK(Answer<T>(index, more.data()) == before);
}

TEST_CASE("a stopped constructor makes no session, and a stopped session keeps its index") {
    constexpr std::size_t n = 3000, d = 48;
    Random random(2);
    const auto values = random.normals<float>(n * d), more = random.normals<float>(200 * d);
    IndexSettings settings;
    settings.method = Method::working_set;
    const Index<float> index(reference::view(values, d), settings);
    const Index<float> longer = index.with_rows(reference::view(more, d));
    std::optional<Session<float>> session;
    const int n_stops = stop_everywhere(
        [&](const StopCondition& stop) {
            session.emplace(index, 5, 2, SketchType::int8, SerialExecutor{}, stop);
        },
        [&] { CHECK_FALSE(session.has_value()); });
    CHECK(n_stops > 0);
    REQUIRE(session->like(3));
    std::vector<float> scores(5), expected_scores(5);
    std::vector<RowNumber> rows(5), expected(5);
    session->search(5, expected_scores.data(), expected.data());
    const int n_follows = stop_everywhere(
        [&](const StopCondition& stop) { session->follow(longer, SerialExecutor{}, stop); },
        [&] {
            const auto report = session->search(5, scores.data(), rows.data());
            CHECK(report.status == SearchStatus::converged);
            CHECK(rows == expected);
        });
    CHECK(n_follows > 0);
    CHECK(session->search(5, scores.data(), rows.data()).status == SearchStatus::converged);
}

TEST_CASE("a stopped fit reports it") {
    constexpr std::size_t n = 3000, d = 32;
    Random random(3);
    const auto values = random.normals<double>(n * d);
    const Index<double> index(reference::view(values, d));
    Workspace<double> workspace(index, 1);
    std::vector<double> scores(n);
    const std::atomic<bool> raised{true};
    const auto report =
        index.fit(reference::view(std::vector(values.begin(), values.begin() + d), d),
                  index.settings().search, workspace, scores.data(), SerialExecutor{},
                  StopCondition::when(raised));
    CHECK(report.status == SearchStatus::deadline);
}

TEST_CASE("training a classifier can be stopped") {
    constexpr std::size_t n = 2000, d = 50;
    Random random(4);
    const auto values = random.normals<double>(n * d);
    std::vector<std::int8_t> labels(n);
    for (auto& label : labels) label = random.below(2) == 0 ? std::int8_t{1} : std::int8_t{-1};
    const std::vector<double> costs(n, 1e4);
    SolverSettings settings;
    settings.tol = 1e-14;
    settings.max_epochs = 1'000'000'000;
    Impatient caller{20};
    const auto trained = train_linear_svc(RowsView<double>(reference::view(values, d)),
                                          labels.data(), costs.data(), Loss::hinge, 1.0, settings,
                                          SerialExecutor{}, Formulation::dual, caller.stop());
    CHECK(trained.report.status == SolveStatus::deadline);
    CHECK(trained.report.epochs < settings.max_epochs);
}

TEST_CASE("a stateless executor need not outlive those that borrow it") {
    const ExecutorRef borrowed = SerialExecutor{};
    int n_calls = 0;
    borrowed.run(
        7, [](void* context, std::size_t) noexcept { ++*static_cast<int*>(context); }, &n_calls);
    CHECK(n_calls == 7);
}
