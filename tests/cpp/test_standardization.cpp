#include "problem/standardization.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <set>
#include <vector>

#include "catch.hpp"
#include "clustered_data.hpp"
#include "exemplar_svm/index.hpp"
#include "reference.hpp"

using namespace exemplar_svm;
using reference::ClusteredData;
using reference::Random;

namespace {

std::vector<RowIndex> sample(std::size_t n, const std::vector<std::uint8_t>& background) {
    Problem<float> problem;
    problem.rows = {nullptr, n, 1, 1};
    problem.background = background.empty() ? nullptr : background.data();
    std::vector<RowIndex> rows(std::min(n, max_standardizing));
    rows.resize(sample_background(problem, rows.data()));
    return rows;
}

}  // namespace

TEST_CASE("all negatives standardize, or as many as the sample holds") {
    const std::size_t n = GENERATE(as<std::size_t>{}, 0, 1, 2, 100, 2047, 2048, 2049, 5000, 70'000);
    const double part = GENERATE(-1.0, 0.0, 0.01, 0.5, 1.0);
    Random random(n);
    std::vector<std::uint8_t> background;
    for (std::size_t i = 0; part >= 0.0 && i < n; ++i) {
        background.push_back(random.chance(part) ? std::uint8_t{7} : std::uint8_t{0});
    }
    std::vector<RowIndex> negatives;
    for (std::size_t i = 0; i < n; ++i) {
        if (background.empty() || background[i] != 0) {
            negatives.push_back(static_cast<RowIndex>(i));
        }
    }

    const auto rows = sample(n, background);

    CAPTURE(n, part);
    CHECK(rows.size() == std::min(negatives.size(), max_standardizing));
    CHECK(std::ranges::adjacent_find(rows, std::greater_equal<>()) == rows.end());
    CHECK(std::ranges::includes(negatives, rows));
    CHECK(rows == sample(n, background));
    // One of each run of negatives, so no two runs in a row are without one.
    const std::size_t longest = negatives.size() / max_standardizing + 1;
    for (std::size_t s = 0; s + 1 < rows.size(); ++s) {
        const auto here = std::ranges::lower_bound(negatives, rows[s]);
        const auto next = std::ranges::lower_bound(negatives, rows[s + 1]);
        CHECK(static_cast<std::size_t>(next - here) < 2 * longest);
    }
}

TEMPLATE_TEST_CASE("the scale is the mean and the deviation of the scores", "", float, double) {
    using T = TestType;
    Random random(3);
    for (const std::size_t n : {std::size_t{2}, std::size_t{3}, std::size_t{2048}}) {
        std::vector<T> scores;
        for (std::size_t i = 0; i < n; ++i) {
            scores.push_back(static_cast<T>(-1e4 + 0.5 * random.normal()));
        }
        double sum = 0.0, squares = 0.0;
        for (const T score : scores) sum += static_cast<double>(score);
        const double mean = sum / static_cast<double>(n);
        for (const T score : scores) {
            squares += std::pow(static_cast<double>(score) - mean, 2);
        }
        const double deviation = std::sqrt(squares / static_cast<double>(n));
        const ScoreScale scale = score_scale(scores.data(), n);
        CHECK(scale.mean == Approx(mean).epsilon(1e-12));
        CHECK(scale.deviation == Approx(deviation).epsilon(1e-8));
        CHECK(scale(mean + 3.0 * deviation) == Approx(3.0).epsilon(1e-6));
    }
}

TEMPLATE_TEST_CASE("scores without spread keep their unit", "", float, double) {
    using T = TestType;
    const auto scale_of = [](const std::vector<T>& scores) {
        return score_scale(scores.data(), scores.size());
    };
    CHECK(scale_of({}).mean == 0.0);
    CHECK(scale_of({}).deviation == 1.0);
    CHECK(scale_of({T(3)})(3.0) == 0.0);
    CHECK(scale_of({T(3)}).deviation == 1.0);
    const T value = T(-0.1);  // a sum of this value rounds
    CHECK(scale_of(std::vector<T>(1000, value))(static_cast<double>(value)) == 0.0);
    CHECK(scale_of(std::vector<T>(1000, value)).deviation == 1.0);
    CHECK(scale_of({T(1), std::nextafter(T(1), T(2))}).deviation == 1.0);
    CHECK(scale_of({T(1), T(1.001)}).deviation == Approx(0.0005).epsilon(1e-3));
}

namespace {

/// Raises a flag before it runs the task with a given number.
struct RaisingExecutor {
    std::atomic<bool>& flag;
    std::size_t n_tasks;
    mutable std::size_t n_started = 0;

    void run(std::size_t n, Task task, void* context) const noexcept {
        for (std::size_t i = 0; i < n; ++i) {
            if (n_started++ == n_tasks) flag = true;
            task(context, i);
        }
    }
};

}  // namespace

TEMPLATE_TEST_CASE("a stopped search standardizes what it has", "", float, double) {
    using T = TestType;
    constexpr std::size_t k = 20;
    const Method method = GENERATE(Method::full, Method::working_set, Method::gram);
    const SketchType sketch = GENERATE(SketchType::none, SketchType::int8);
    if (sketch == SketchType::int8 && method != Method::working_set) return;
    Random random(8);
    const ClusteredData<T> data(2500, 24, 1, random);
    IndexSettings settings;
    settings.method = method;
    settings.sketch = sketch;
    const Index<T> index(data.view(), settings);
    Workspace<T> workspace(index, k);
    Query<T> query;
    query.positives = reference::view(data.positives, data.d);

    struct Answer {
        SearchReport report;
        std::vector<T> scores = std::vector<T>(k);
        std::vector<RowNumber> rows = std::vector<RowNumber>(k);
        std::size_t n_tasks = 0;
    };
    const auto search = [&](bool standardize, std::size_t n_tasks) {
        SearchSettings asked = settings.search;
        asked.standardize = standardize;
        std::atomic<bool> flag{false};
        const RaisingExecutor executor{flag, n_tasks};
        Answer answer;
        answer.report = index.search(query, k, asked, workspace, answer.scores.data(),
                                     answer.rows.data(), executor, StopCondition::when(flag));
        answer.n_tasks = executor.n_started;
        return answer;
    };

    const std::size_t n_tasks = search(false, std::numeric_limits<std::size_t>::max()).n_tasks;
    std::size_t n_stopped = 0;
    for (std::size_t task = 0; task <= n_tasks; ++task) {
        const Answer plain = search(false, task), standardized = search(true, task);
        CAPTURE(static_cast<int>(method), task, n_tasks);
        REQUIRE(standardized.report.status == plain.report.status);
        REQUIRE(standardized.report.certified_k == plain.report.certified_k);
        REQUIRE(standardized.report.score_error_bound == plain.report.score_error_bound);
        REQUIRE(standardized.rows == plain.rows);
        n_stopped += plain.report.status == SearchStatus::deadline ? 1 : 0;
        // The line through the first and the last score passes through all others, and rises.
        const std::size_t n =
            k - static_cast<std::size_t>(std::ranges::count(plain.rows, RowNumber{-1}));
        if (n == 0) continue;
        const auto at = [](const Answer& answer, std::size_t r) {
            return static_cast<double>(answer.scores[r]);
        };
        const double rise = at(standardized, 0) - at(standardized, n - 1);
        const double run = at(plain, 0) - at(plain, n - 1);
        REQUIRE(rise > 0.0);
        for (std::size_t r = 0; r < k; ++r) {
            if (r >= n) {
                REQUIRE(standardized.scores[r] == -std::numeric_limits<T>::infinity());
                continue;
            }
            const double expected =
                at(standardized, n - 1) + (at(plain, r) - at(plain, n - 1)) * rise / run;
            REQUIRE(at(standardized, r) == Approx(expected).margin(2e-4 * rise));
        }
    }
    CHECK(n_stopped > 0);
}
