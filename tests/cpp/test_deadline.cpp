// A stopped search answers with what it has, and its bounds hold.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <limits>
#include <set>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "base/stoppable_executor.hpp"
#include "catch.hpp"
#include "clustered_data.hpp"
#include "exemplar_svm/index.hpp"
#include "exemplar_svm/workspace.hpp"
#include "model/row_statistics.hpp"
#include "search/scratch.hpp"
#include "search/working_set.hpp"
#include "sparse_data.hpp"

using namespace exemplar_svm;
using namespace std::chrono_literals;
using reference::ClusteredData;
using reference::CompressedRows;
using reference::Random;

namespace {

constexpr std::size_t k = 20;

/// Raises a flag before it runs the task with a given number.
class RaisingExecutor {
  public:
    RaisingExecutor(std::atomic<bool>& flag, std::size_t n_tasks) : flag_(flag), left_(n_tasks) {}

    void run(std::size_t n_tasks, Task task, void* context) const noexcept {
        for (std::size_t i = 0; i < n_tasks; ++i) {
            if (left_ == 0) {
                flag_ = true;
            } else {
                --left_;
            }
            task(context, i);
        }
    }

    std::size_t left() const noexcept { return left_; }

  private:
    std::atomic<bool>& flag_;
    mutable std::size_t left_;
};

struct Way {
    Method method;
    SketchType sketch = SketchType::none;
    bool center = false;
    Loss loss = Loss::squared_hinge;
    double prior = 0.0;
    double C = 0.1;
    bool is_sparse = false;
};

/// At a large C by a working set, at a small one by conjugate gradients over all rows.
Way sparse_way(double C, bool center = false) {
    return {Method::automatic, SketchType::none, center, Loss::squared_hinge, 0.5, C, true};
}

template <Real T>
struct Answer {
    SearchReport report;
    std::vector<T> scores = std::vector<T>(k);
    std::vector<RowNumber> rows = std::vector<RowNumber>(k);
};

/// An index, and the exact score of every row for its one search.
template <Real T>
struct Case {
    ClusteredData<T> data;
    CompressedRows<T> compressed;
    Index<T> index;
    Workspace<T> workspace;
    std::vector<double> exact;
    std::vector<RowNumber> ranking;

    Case(std::size_t n, std::size_t d, std::size_t p, const Way& way, Random& random)
        : data(n, d, p, random),
          compressed(thinned(way), n, d),
          index(way.is_sparse ? RowsView<T>(compressed.view()) : RowsView<T>(data.view()),
                settings_of(way)),
          workspace(index, k, p) {
        const std::vector<double> rows(data.rows.begin(), data.rows.end());
        const std::vector<double> positives(data.positives.begin(), data.positives.end());
        IndexSettings tight = settings_of(way);
        tight.method = Method::full;
        tight.sketch = SketchType::none;
        tight.search.solver.tol = 1e-10;
        const Index<double> judge(reference::view(rows, d), tight);
        Workspace<double> judge_workspace(judge, k, p);
        exact.resize(n);
        const auto report =
            judge.fit(reference::view(positives, d), tight.search, judge_workspace, exact.data());
        // Rounding alone leaves the hinge this gap, whose root enters the bound.
        REQUIRE(report.score_error_bound < (way.loss == Loss::hinge ? 1e-5 : 1e-6));
        ranking.resize(n);
        for (std::size_t i = 0; i < n; ++i) ranking[i] = static_cast<RowNumber>(i);
        std::sort(ranking.begin(), ranking.end(), [&](RowNumber a, RowNumber b) {
            return exact[static_cast<std::size_t>(a)] > exact[static_cast<std::size_t>(b)];
        });
    }

    /// The rows, mostly zeros for sparse tests.
    const std::vector<T>& thinned(const Way& way) {
        for (std::size_t e = 0; way.is_sparse && e < data.rows.size(); ++e) {
            if (e * 2654435761 % 7 > 1) data.rows[e] = T(0);
        }
        return data.rows;
    }

    static IndexSettings settings_of(const Way& way) {
        IndexSettings settings;
        settings.method = way.method;
        settings.sketch = way.sketch;
        settings.center = way.center;
        settings.loss = way.loss;
        settings.search.prior = way.prior;
        settings.search.C = way.C;
        return settings;
    }

    Answer<T> search(ExecutorRef executor, const StopCondition& stop) {
        Answer<T> answer;
        answer.report =
            index.search_shared(reference::view(data.positives, data.d), k, workspace,
                                answer.scores.data(), answer.rows.data(), executor, stop);
        return answer;
    }

    void check(const Answer<T>& answer) const {
        const SearchReport& report = answer.report;
        CAPTURE(static_cast<int>(report.status), report.score_error_bound, report.certified_k,
                report.epochs);
        REQUIRE(
            (report.status == SearchStatus::deadline || report.status == SearchStatus::converged));
        REQUIRE(report.score_error_bound >= 0.0);  // false for NaN too
        REQUIRE(report.duality_gap >= 0.0);
        std::set<RowNumber> seen;
        for (std::size_t r = 0; r < k; ++r) {
            const RowNumber row = answer.rows[r];
            if (row == -1) {
                REQUIRE(answer.scores[r] == -std::numeric_limits<T>::infinity());
                continue;
            }
            REQUIRE(seen.size() == r);  // missing rows come last
            REQUIRE(seen.insert(row).second);
            if (r > 0) REQUIRE(answer.scores[r - 1] >= answer.scores[r]);
            const double error = std::abs(static_cast<double>(answer.scores[r]) -
                                          exact[static_cast<std::size_t>(row)]);
            REQUIRE(error <= report.score_error_bound + 1e-6);
            if (r < report.certified_k) REQUIRE(row == ranking[r]);
        }
        REQUIRE(report.certified_k <= seen.size());
    }
};

}  // namespace

TEST_CASE("a stop condition") {
    CHECK_FALSE(StopCondition{}.is_set());
    CHECK_FALSE(StopCondition{}.reached());
    CHECK_FALSE(StopCondition{}.earlier_by(1e6).reached());
    CHECK_FALSE(StopCondition::after(1h).reached());
    CHECK(StopCondition::after(1h).earlier_by(3601.0).reached());
    CHECK(StopCondition::after(0ns).reached());
    CHECK(StopCondition::after(-1s).reached());
    CHECK_FALSE(StopCondition::after(std::chrono::nanoseconds::max()).reached());
    const auto earliest = StopCondition::Clock::time_point::min();
    CHECK(StopCondition::at(earliest).earlier_by(1.0).deadline == earliest);
    std::atomic<bool> flag{false};
    CHECK(StopCondition::when(flag).is_set());
    CHECK_FALSE(StopCondition::when(flag).earlier_by(1e6).reached());
    flag = true;
    CHECK(StopCondition::when(flag).reached());
}

TEST_CASE("a stoppable executor skips the tasks after the stop") {
    std::atomic<bool> flag{false};
    std::vector<int> ran(10, 0);
    struct Context {
        std::atomic<bool>& flag;
        std::vector<int>& ran;
    } context{flag, ran};
    const auto task = [](void* opaque, std::size_t i) noexcept {
        auto& c = *static_cast<Context*>(opaque);
        c.ran[i] = 1;
        if (i == 3) c.flag = true;
    };
    StoppableExecutor(SerialExecutor{}, StopCondition::when(flag)).run(10, task, &context);
    CHECK(ran == std::vector<int>{1, 1, 1, 1, 0, 0, 0, 0, 0, 0});
    StoppableExecutor(SerialExecutor{}, StopCondition{}).run(10, task, &context);
    CHECK(ran == std::vector<int>(10, 1));
}

TEMPLATE_TEST_CASE("a stop condition that is not reached changes no bit", "", float, double) {
    const Way way =
        GENERATE(Way{Method::full}, Way{Method::working_set}, Way{Method::gram},
                 Way{Method::working_set, SketchType::int8},
                 Way{Method::automatic, SketchType::none, true, Loss::squared_hinge, 0.5, 1e-3},
                 sparse_way(1.0), sparse_way(0.1, true), sparse_way(1e-3));
    Random random(11);
    Case<TestType> one(1500, 24, 2, way, random);
    const std::atomic<bool> never{false};
    const auto plain = one.search(SerialExecutor{}, {});
    for (const StopCondition& stop : {StopCondition::after(24h), StopCondition::when(never)}) {
        const auto stoppable = one.search(SerialExecutor{}, stop);
        CHECK(stoppable.scores == plain.scores);
        CHECK(stoppable.rows == plain.rows);
        CHECK(stoppable.report.status == SearchStatus::converged);
        CHECK(stoppable.report.certified_k == plain.report.certified_k);
        CHECK(stoppable.report.score_error_bound == plain.report.score_error_bound);
    }
}

TEMPLATE_TEST_CASE("a search can be stopped before any task of its loops over rows", "", float,
                   double) {
    const Way way =
        GENERATE(Way{Method::full}, Way{Method::working_set}, Way{Method::gram},
                 Way{Method::working_set, SketchType::int8},
                 Way{Method::working_set, SketchType::none, true},
                 Way{Method::working_set, SketchType::none, true, Loss::hinge, 1.5},
                 Way{Method::full, SketchType::none, true, Loss::hinge, 1.5},
                 Way{Method::automatic, SketchType::none, true, Loss::squared_hinge, 0.5, 1e-3},
                 sparse_way(1.0), sparse_way(0.1, true), sparse_way(1e-3));
    const std::size_t p = GENERATE(as<std::size_t>{}, 1, 3);
    Random random(12);
    Case<TestType> one(3000, 100, p, way, random);
    std::size_t deadlines = 0, complete = 0;
    for (std::size_t n_tasks = 0;; ++n_tasks) {
        std::atomic<bool> flag{false};
        const RaisingExecutor executor(flag, n_tasks);
        const auto answer = one.search(executor, StopCondition::when(flag));
        CAPTURE(static_cast<int>(way.method), n_tasks);
        one.check(answer);
        if (answer.report.status == SearchStatus::deadline) {
            ++deadlines;
            complete += answer.rows[k - 1] != -1 ? 1 : 0;
        }
        if (!flag) break;
    }
    CHECK(deadlines > 0);
    CHECK(complete > 0);
}

TEMPLATE_TEST_CASE("a search can be stopped at any time", "", float, double) {
    const Way way =
        GENERATE(Way{Method::full}, Way{Method::working_set}, Way{Method::gram},
                 Way{Method::working_set, SketchType::int8, true},
                 Way{Method::automatic, SketchType::none, true, Loss::squared_hinge, 0.5, 1e-3},
                 sparse_way(1.0), sparse_way(0.1, true), sparse_way(1e-3));
    const std::size_t p = GENERATE(as<std::size_t>{}, 1, 40);  // more than are eliminated
    Random random(13);
    Case<TestType> one(4000, 64, p, way, random);
    using Clock = std::chrono::steady_clock;
    const auto began = Clock::now();
    one.check(one.search(SerialExecutor{}, {}));
    const auto whole = Clock::now() - began;
    for (int part = 0; part <= 60; ++part) {
        const auto budget = whole * part / 40;
        one.check(one.search(SerialExecutor{}, StopCondition::after(budget)));
    }
}

TEMPLATE_TEST_CASE("an early stop does not see what an earlier search left in the workspace", "",
                   float, double) {
    using T = TestType;
    Random random(15);
    Case<T> one(3000, 100, 1, Way{Method::working_set}, random);
    const std::vector<T> rows = one.data.rows;
    for (std::size_t n_tasks = 0;; ++n_tasks) {
        // As if another program had written to a mapped file.
        std::ranges::fill(one.data.rows, std::numeric_limits<T>::quiet_NaN());
        CHECK(one.search(SerialExecutor{}, {}).report.status == SearchStatus::invalid_input);
        std::ranges::copy(rows, one.data.rows.begin());
        std::atomic<bool> flag{false};
        const RaisingExecutor executor(flag, n_tasks);
        CAPTURE(n_tasks);
        const auto answer = one.search(executor, StopCondition::when(flag));
        one.check(answer);
        if (!flag) break;
    }
}

TEMPLATE_TEST_CASE("a search ends when a shared scan was cut short for another search", "", float,
                   double) {
    using T = TestType;
    struct LastTaskDropped {
        void run(std::size_t n_tasks, Task task, void* context) const noexcept {
            SerialExecutor{}.run(n_tasks - 1, task, context);
        }
    };
    Random random(16);
    const ClusteredData<T> data(3000, 100, 1, random);
    const IndexSettings settings = Case<T>::settings_of({Method::working_set});
    const RowStatistics<T> statistics(data.view(), settings, SerialExecutor{});
    Problem<T> problem;
    problem.rows = data.view();
    problem.examples = reference::view(data.positives, data.d);
    problem.squared_norms = statistics.squared_norms.data();
    problem.max_squared_norm = statistics.max_squared_norm;
    problem.cost = 0.1;
    problem.example_cost = 100.0;
    Workspace<T> workspace(data.n, data.d, k);
    std::vector<T> scores(data.n);
    const Candidates candidates{nullptr, data.n};
    SearchScratch<T>& scratch = workspace.scratch();
    WorkingSetSearch<T> search(problem, candidates, settings.search.solver, statistics,
                               SerialExecutor{}, StopCondition::after(24h), scratch.working_set,
                               scratch.descent, scratch.profile, scores.data(), nullptr);
    REQUIRE(search.prepare());
    WorkingSetSearch<T>* const alone[] = {&search};
    scan_together(alone, 1, LastTaskDropped{});
    CHECK_FALSE(search.has_seen_all_rows());
    SolveReport report;
    CHECK(search.finish({settings.search.solver.tol, 1.0, 1000}, report) == Outcome::stopped);
    CHECK(report.status == SolveStatus::deadline);
}

TEMPLATE_TEST_CASE("the searches of a batch share their deadline", "", float, double) {
    using T = TestType;
    using Clock = std::chrono::steady_clock;
    const Way way = GENERATE(Way{Method::full}, Way{Method::working_set}, Way{Method::gram},
                             Way{Method::working_set, SketchType::int8});
    Random random(14);
    Case<T> one(2000, 32, 12, way, random);
    const auto queries = reference::view(one.data.positives, one.data.d);
    Workspace<T> second(one.index, k);
    Workspace<T>* const workspaces[] = {&one.workspace, &second};
    std::vector<T> scores(12 * k);
    std::vector<RowNumber> rows(12 * k);
    std::vector<SearchReport> reports(12);
    const auto search = [&](const StopCondition& stop) {
        one.index.search_batch(queries, k, one.index.settings().search, workspaces, 2,
                               scores.data(), rows.data(), reports.data(), SerialExecutor{}, stop);
    };
    search(StopCondition::after(0ns));
    for (const SearchReport& report : reports) CHECK(report.status == SearchStatus::deadline);
    const auto began = Clock::now();
    search(StopCondition::after(24h));
    const auto whole = Clock::now() - began;
    for (const SearchReport& report : reports) CHECK(report.status == SearchStatus::converged);

    // A search that reports convergence has converged, whatever the others lacked time for. Its
    // bits may differ, because it may have skipped steps on the way for lack of time.
    const auto exact_scores = scores;
    const auto exact_rows = rows;
    const auto exact_reports = reports;
    for (int part = 0; part <= 20; ++part) {
        search(StopCondition::after(whole * part / 20));
        for (std::size_t q = 0; q < 12; ++q) {
            CAPTURE(static_cast<int>(way.method), part, q);
            const std::span found(rows.data() + q * k, k);
            const std::set<RowNumber> different(found.begin(), found.end());
            const auto missing = static_cast<std::size_t>(std::ranges::count(found, -1));
            CHECK(different.size() + missing == k + (missing > 0 ? 1 : 0));
            if (reports[q].status == SearchStatus::deadline) continue;
            REQUIRE(reports[q].status == SearchStatus::converged);
            const double bound = reports[q].score_error_bound + exact_reports[q].score_error_bound;
            const std::size_t certified =
                std::min(reports[q].certified_k, exact_reports[q].certified_k);
            for (std::size_t r = q * k; r < (q + 1) * k; ++r) {
                CHECK(std::abs(static_cast<double>(scores[r] - exact_scores[r])) <= bound);
                if (r - q * k < certified) CHECK(rows[r] == exact_rows[r]);
            }
        }
    }
}
