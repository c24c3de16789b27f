#include "exemplar_svm/solver.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include "catch.hpp"
#include "reference.hpp"
#include "threads_executor.hpp"

using namespace exemplar_svm;
using reference::Random;
using reference::TestData;

namespace {

template <Real T>
constexpr bool is_float = std::is_same_v<T, float>;

template <Real T>
SolverSettings tight() {
    SolverSettings settings;
    settings.tol = is_float<T> ? 1e-4 : 1e-9;
    settings.max_epochs = 20000;
    return settings;
}

template <Real T>
struct Solved {
    SolveReport report;
    Workspace<T> workspace;
    std::vector<T> scores;
};

template <Real T>
Solved<T> solved(const Problem<T>& problem, const SolverSettings& settings,
                 const WarmStart& start = {}, ExecutorRef executor = SerialExecutor{}) {
    const std::size_t n = problem.rows.rows;
    Solved<T> result{{}, {n, problem.rows.cols, 0, problem.examples.rows}, std::vector<T>(n)};
    result.report =
        solve(problem, settings, executor, result.workspace, result.scores.data(), {}, start);
    return result;
}

template <Real T>
bool all_finite(const Solved<T>& s) {
    const auto finite = [](const auto& values) {
        return std::all_of(values.begin(), values.end(), [](auto v) { return std::isfinite(v); });
    };
    return finite(s.scores) && finite(s.workspace.weights().coef) && finite(s.workspace.dual()) &&
           finite(s.workspace.example_dual()) && std::isfinite(s.workspace.weights().intercept) &&
           std::isfinite(s.report.primal) && std::isfinite(s.report.gap) &&
           std::isfinite(s.report.violation) && std::isfinite(s.report.weights_error_bound);
}

/// Checks the report against the weights and dual coefficients.
template <Real T>
void check_report(const Problem<T>& problem, const Solved<T>& s) {
    const auto samples = reference::samples_of(problem);
    const auto dual = reference::dual_of(s.workspace, problem.examples.rows);
    for (std::size_t i = 0; i < dual.size(); ++i) {
        if (!(dual[i] >= 0.0 && dual[i] <= samples.upper(i))) FAIL_CHECK("infeasible dual " << i);
    }
    const auto weights = reference::weights_of(samples, dual);
    const double primal = reference::primal_value(samples, weights);
    const double gap = primal - reference::dual_value(samples, dual);
    const double rounding = (is_float<T> ? 2e-5 : 1e-11) * (1.0 + primal);
    CHECK(s.report.gap >= 0.0);
    CHECK(std::abs(s.report.gap - gap) <= rounding);
    CHECK(std::abs(s.report.primal - primal) <= rounding);
    CHECK(s.report.dual() == s.report.primal - s.report.gap);
    CHECK(s.report.n_support == static_cast<std::size_t>(std::count_if(
                                    s.workspace.dual().begin(), s.workspace.dual().end(),
                                    [](double a) { return a > 0.0; })));
    const double small = is_float<T> ? 1e-4 : 1e-9;
    CHECK(reference::distance(reference::weights_of(problem, s.workspace.weights()), weights) <
          small);
    for (std::size_t i = 0; i < problem.rows.rows; ++i) {
        const double score = reference::dot(weights, samples.x[i]);
        if (std::abs(static_cast<double>(s.scores[i]) - score) > small * (1.0 + std::abs(score))) {
            FAIL_CHECK("score " << i << " is " << s.scores[i] << ", not " << score);
        }
    }
}

template <Real T>
void check_against_reference(const Problem<T>& problem, const WarmStart& start = {}) {
    const auto s = solved(problem, tight<T>(), start);
    CHECK(s.report.status == SolveStatus::converged);
    CHECK(s.report.violation <= tight<T>().tol);
    check_report(problem, s);

    const auto samples = reference::samples_of(problem);
    const auto expected = reference::weights_of(samples, reference::solve_slowly(samples));
    const auto weights = reference::weights_of(problem, s.workspace.weights());
    const double apart = reference::distance(weights, expected);
    CHECK(apart <= s.report.weights_error_bound + (is_float<T> ? 1e-5 : 1e-9));
    CHECK(apart < (is_float<T> ? 5e-3 : 1e-6));
}

/// Costs, some of them zero, labels of either sign, and rows that take no part.
template <Real T>
void mix(TestData<T>& data, Random& random) {
    for (std::size_t i = 0; i < data.n; ++i) {
        data.labels.push_back(random.chance(0.25) ? std::int8_t{1} : std::int8_t{-1});
        data.costs.push_back(random.chance(0.2) ? 0.0 : random.uniform(0.01, 0.3));
        data.background.push_back(random.chance(0.8) ? 1 : 0);
    }
    for (std::size_t j = 0; j < data.p; ++j) {
        data.example_costs.push_back(random.uniform(0.1, 2.0));
        data.example_labels.push_back(j > 0 && random.chance(0.4) ? std::int8_t{-1}
                                                                  : std::int8_t{1});
    }
}

template <Real T>
Problem<T> exemplar_problem(TestData<T>& data, Loss loss) {
    Problem<T> problem = data.problem();
    problem.loss = loss;
    problem.cost = 0.05;
    problem.example_cost = 0.05 * static_cast<double>(data.n) / static_cast<double>(data.p);
    return problem;
}

/// Problems that take many epochs: C ||x||^2 is large and the classes overlap.
template <Real T>
Problem<T> hard_problem(TestData<T>& data, Loss loss) {
    Problem<T> problem = exemplar_problem(data, loss);
    problem.cost = 50.0;
    problem.example_cost = 1000.0;
    return problem;
}

}  // namespace

TEMPLATE_TEST_CASE("solve finds the optimum that slow coordinate descent finds", "", float,
                   double) {
    using T = TestType;
    const Loss loss = GENERATE(Loss::squared_hinge, Loss::hinge);
    const std::size_t p = GENERATE(as<std::size_t>{}, 1, 2, 3, 40);
    const bool center = GENERATE(false, true);
    const bool mixed = GENERATE(false, true);
    Random random(1);
    for (const double intercept_scaling : {0.0, 1.0, 3.0}) {
        for (const double prior : {0.0, 0.4}) {
            TestData<T> data(50, 6, p, random);
            if (center) data.center();
            if (mixed) mix(data, random);
            Problem<T> problem = exemplar_problem(data, loss);
            problem.intercept_scaling = intercept_scaling;
            problem.prior = prior;
            CAPTURE(static_cast<int>(loss), p, center, mixed, intercept_scaling, prior);
            check_against_reference(problem);
        }
    }
}

TEMPLATE_TEST_CASE("solve finds the optimum of ill-conditioned problems", "", float, double) {
    using T = TestType;
    const Loss loss = GENERATE(Loss::squared_hinge, Loss::hinge);
    const std::size_t p = GENERATE(as<std::size_t>{}, 1, 3, 40);
    Random random(2);
    TestData<T> data(40, 4, p, random);
    Problem<T> problem = exemplar_problem(data, loss);
    problem.cost = 2.0;
    problem.example_cost = 20.0;
    CAPTURE(static_cast<int>(loss), p);
    check_against_reference(problem);
}

TEMPLATE_TEST_CASE("shrinking and the seed change the path but not the optimum", "", float,
                   double) {
    using T = TestType;
    const Loss loss = GENERATE(Loss::squared_hinge, Loss::hinge);
    Random random(3);
    TestData<T> data(300, 10, 2, random);
    const Problem<T> problem = exemplar_problem(data, loss);
    SolverSettings settings = tight<T>();
    const auto plain = solved(problem, settings);
    settings.shrinking = false;
    settings.seed = 12345;
    const auto other = solved(problem, settings);
    CHECK(plain.report.status == SolveStatus::converged);
    CHECK(other.report.status == SolveStatus::converged);
    CHECK(reference::distance(reference::weights_of(problem, plain.workspace.weights()),
                              reference::weights_of(problem, other.workspace.weights())) <=
          plain.report.weights_error_bound + other.report.weights_error_bound + 1e-9);
}

TEMPLATE_TEST_CASE("a start from the optimum ends there at once", "", float, double) {
    using T = TestType;
    const Loss loss = GENERATE(Loss::squared_hinge, Loss::hinge);
    const std::size_t p = GENERATE(as<std::size_t>{}, 1, 3, 40);
    Random random(4);
    TestData<T> data(80, 8, p, random);
    if (p == 3) data.center();
    Problem<T> problem = exemplar_problem(data, loss);
    const auto cold = solved(problem, tight<T>());
    const auto warm =
        solved(problem, tight<T>(),
               WarmStart{cold.workspace.dual().data(), cold.workspace.example_dual().data()});
    CAPTURE(static_cast<int>(loss), p, cold.report.epochs, warm.report.epochs);
    CHECK(warm.report.status == SolveStatus::converged);
    CHECK(warm.report.epochs <= 2);
    CHECK(reference::distance(reference::weights_of(problem, cold.workspace.weights()),
                              reference::weights_of(problem, warm.workspace.weights())) <
          (is_float<T> ? 1e-3 : 1e-9));
}

TEMPLATE_TEST_CASE("initial coefficients outside their bounds are clamped", "", float, double) {
    using T = TestType;
    const Loss loss = GENERATE(Loss::squared_hinge, Loss::hinge);
    Random random(5);
    TestData<T> data(30, 5, 2, random);
    Problem<T> problem = exemplar_problem(data, loss);
    const std::vector<double> initial(30, 1e3), initial_positive{-5.0, 1e3};
    check_against_reference(problem, WarmStart{initial.data(), initial_positive.data()});
}

TEMPLATE_TEST_CASE("one epoch is a valid, if loose, solution", "", float, double) {
    using T = TestType;
    const Loss loss = GENERATE(Loss::squared_hinge, Loss::hinge);
    const std::size_t p = GENERATE(as<std::size_t>{}, 1, 3, 40);
    Random random(6);
    TestData<T> data(100, 5, p, random);
    const Problem<T> problem = exemplar_problem(data, loss);
    SolverSettings settings = tight<T>();
    settings.max_epochs = 1;
    const auto s = solved(problem, settings);
    CHECK(s.report.status == SolveStatus::epoch_limit);
    CHECK(s.report.epochs == 1);
    CHECK(s.report.gap > 0.0);
    check_report(problem, s);
    const auto samples = reference::samples_of(problem);
    const auto expected = reference::weights_of(samples, reference::solve_slowly(samples));
    CHECK(reference::distance(reference::weights_of(problem, s.workspace.weights()), expected) <=
          s.report.weights_error_bound + 1e-9);
}

TEMPLATE_TEST_CASE(
    "a tolerance below the precision of the arithmetic ends with the precision limit", "", float,
    double) {
    using T = TestType;
    const Loss loss = GENERATE(Loss::squared_hinge, Loss::hinge);
    const std::size_t p = GENERATE(as<std::size_t>{}, 1, 3, 20, 40);
    const double example_cost = GENERATE(0.25, 10.0);
    Random random(7);
    TestData<T> data(100, 6, p, random);
    Problem<T> problem = exemplar_problem(data, loss);
    problem.example_cost = example_cost;
    SolverSettings settings;
    settings.tol = 1e-30;
    settings.max_epochs = 20000;
    const auto s = solved(problem, settings);
    CAPTURE(static_cast<int>(loss), p, example_cost, s.report.violation, s.report.gap);
    CHECK(s.report.status != SolveStatus::epoch_limit);
    CHECK(s.report.epochs < 2000);
    CHECK(s.report.violation < (is_float<T> ? 1e-4 : 1e-10));
}

TEMPLATE_TEST_CASE("the precision limit is not claimed far from the optimum", "", float, double) {
    using T = TestType;
    const Loss loss = GENERATE(Loss::squared_hinge, Loss::hinge);
    const std::size_t p = GENERATE(as<std::size_t>{}, 1, 3, 33);
    const double tol = GENERATE(1e-6, 1e-30);
    for (const std::uint64_t seed : {4u, 6u, 7u}) {
        Random random(seed);
        TestData<T> data(100, 6, p, random);
        SolverSettings settings;
        settings.tol = tol;
        settings.max_epochs = 8000;
        const auto s = solved(hard_problem(data, loss), settings);
        CAPTURE(static_cast<int>(loss), p, tol, seed, s.report.gap, s.report.epochs);
        if (s.report.status != SolveStatus::epoch_limit) {
            CHECK(s.report.violation < (is_float<T> ? 1e-3 : 1e-6));
        }
    }
}

TEMPLATE_TEST_CASE("score_tol continues until the scores are proven", "", float, double) {
    using T = TestType;
    const Loss loss = GENERATE(Loss::squared_hinge, Loss::hinge);
    Random random(8);
    TestData<T> data(200, 8, 1, random);
    const Problem<T> problem = exemplar_problem(data, loss);
    double largest = 0.0;
    for (const T square : data.squared_norms) {
        largest = std::max(largest, static_cast<double>(square));
    }
    SolverSettings settings;
    settings.tol = 0.1;
    settings.score_tol = is_float<T> ? 0.05 : 1e-6;
    settings.max_epochs = 20000;
    const auto s = solved(problem, settings);
    CHECK(s.report.status == SolveStatus::converged);
    // The reported gap includes a bound on rounding, which the goal does not.
    const double rounding = 1e-13 * (1.0 + s.report.primal);
    CAPTURE(s.report.primal);
    CHECK(s.report.gap <= settings.score_tol * settings.score_tol / (largest + 1.0) + rounding);
}

TEMPLATE_TEST_CASE("any executor gives the same bits", "", float, double) {
    using T = TestType;
    const Loss loss = GENERATE(Loss::squared_hinge, Loss::hinge);
    const std::size_t p = GENERATE(as<std::size_t>{}, 1, 40);
    Random random(9);
    TestData<T> data(200, 1000, p, random);  // several blocks
    data.center();
    const Problem<T> problem = exemplar_problem(data, loss);
    SolverSettings settings;
    settings.tol = 1e-3;
    const auto serial = solved(problem, settings);
    const auto check = [&](ExecutorRef executor) {
        const auto other = solved(problem, settings, {}, executor);
        CHECK(other.scores == serial.scores);
        CHECK(std::ranges::equal(other.workspace.dual(), serial.workspace.dual()));
        CHECK(other.workspace.weights().coef == serial.workspace.weights().coef);
        CHECK(other.workspace.weights().intercept == serial.workspace.weights().intercept);
        CHECK(other.report.gap == serial.report.gap);
        CHECK(other.report.primal == serial.report.primal);
        CHECK(other.report.epochs == serial.report.epochs);
    };
    check(SerialExecutor{});
    check(OpenMpExecutor{2});
    check(OpenMpExecutor{5});
    check(reference::ThreadsExecutor{3});
}

TEMPLATE_TEST_CASE("a workspace may be reused for other problems", "", float, double) {
    using T = TestType;
    Random random(10);
    TestData<T> data(60, 5, 3, random);
    const Problem<T> problem = exemplar_problem(data, Loss::squared_hinge);
    const auto fresh = solved(problem, tight<T>());
    Workspace<T> workspace(60, 5, 0, 40);
    std::vector<T> scores(60);
    TestData<T> other_data(60, 5, 40, random);
    for (const Loss loss : {Loss::hinge, Loss::squared_hinge}) {
        solve(hard_problem(other_data, loss), SolverSettings{}, SerialExecutor{}, workspace,
              scores.data());
        solve(problem, tight<T>(), SerialExecutor{}, workspace, scores.data());
        CHECK(scores == fresh.scores);
        CHECK(std::ranges::equal(workspace.dual(), fresh.workspace.dual()));
    }
}

TEMPLATE_TEST_CASE("degenerate rows are solved too", "", float, double) {
    using T = TestType;
    const Loss loss = GENERATE(Loss::squared_hinge, Loss::hinge);
    const std::size_t p = GENERATE(as<std::size_t>{}, 1, 3, 40);
    const bool center = GENERATE(false, true);
    const double intercept_scaling = GENERATE(0.0, 1.0);
    Random random(11);
    const auto check = [&](const char* what, TestData<T>& data) {
        if (center && data.n > 0) data.center();
        Problem<T> problem = exemplar_problem(data, loss);
        problem.example_cost = 0.5;
        problem.intercept_scaling = intercept_scaling;
        CAPTURE(what, static_cast<int>(loss), p, center, intercept_scaling);
        CHECK(all_finite(solved(problem, tight<T>())));
        check_against_reference(problem);
    };
    {
        TestData<T> data(0, 5, p, random);
        check("no rows", data);
    }
    {
        TestData<T> data(1, 5, p, random);
        check("one row", data);
    }
    {
        TestData<T> data(30, 1, p, random);
        check("one feature", data);
    }
    {
        TestData<T> data(20, 4, p, random);
        std::fill(data.rows.begin(), data.rows.begin() + 5 * 4, T(0));
        check("zero rows", data);
        std::fill(data.rows.begin(), data.rows.end(), T(0));
        check("all rows zero", data);
        std::fill(data.positives.begin(), data.positives.end(), T(0));
        check("everything zero", data);
    }
    {
        TestData<T> data(20, 4, p, random);
        for (std::size_t i = 0; i < 20 * 4; ++i) data.rows[i] = data.rows[i % 12];
        check("repeated rows", data);
        for (std::size_t j = 0; j < p * 4; ++j) data.positives[j] = data.positives[j % 4];
        check("repeated positives", data);
    }
    {
        TestData<T> data(20, 4, p, random);
        std::copy_n(data.positives.begin(), 4, data.rows.begin() + 8);
        check("the query among the rows", data);
        for (std::size_t i = 0; i < 20 * 4; ++i) data.rows[i] = data.positives[i % 4];
        check("every row is the query", data);
    }
    {
        TestData<T> data(20, 4, p, random);
        data.costs.assign(20, 0.0);
        check("every cost zero", data);
    }
}

TEMPLATE_TEST_CASE("a problem may have labels only and no examples", "", float, double) {
    using T = TestType;
    const Loss loss = GENERATE(Loss::squared_hinge, Loss::hinge);
    Random random(12);
    TestData<T> data(60, 5, 0, random);
    mix(data, random);
    check_against_reference(exemplar_problem(data, loss));
}
