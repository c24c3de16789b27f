#include "solve/primal_newton.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <vector>

#include "catch.hpp"
#include "exemplar_svm/solver.hpp"
#include "reference.hpp"
#include "threads_executor.hpp"

using namespace exemplar_svm;
using reference::Random;
using reference::TestData;
using reference::ThreadsExecutor;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

template <Real T>
struct Solved {
    Outcome outcome{};
    std::vector<double> weights;  // [w, b / s]
    std::vector<double> dual;
    std::uint32_t steps = 0;
};

template <Real T>
Solved<T> solved(const Problem<T>& problem, double tol, double gap_tol,
                 ExecutorRef executor = SerialExecutor{}, const StopCondition& stop = {},
                 std::uint32_t most_steps = 500) {
    const std::size_t n = problem.rows.rows, d = problem.rows.cols, p = problem.examples.rows;
    NewtonScratch scratch(n, d, p);
    PrimalNewton<T> newton(problem, executor, stop, scratch);
    Solved<T> result;
    result.dual.resize(n + p);
    result.outcome =
        newton.prove(tol, gap_tol, most_steps, result.dual.data(), result.dual.data() + n);
    result.weights.assign(newton.weights(), newton.weights() + d + 1);
    result.steps = newton.steps();
    return result;
}

template <Real T>
void mix(TestData<T>& data, Random& random) {
    for (std::size_t i = 0; i < data.n; ++i) {
        data.labels.push_back(random.chance(0.3) ? std::int8_t{1} : std::int8_t{-1});
        data.costs.push_back(random.uniform(0.1, 2.0));
        data.background.push_back(random.chance(0.8) ? std::uint8_t{1} : std::uint8_t{0});
    }
}

template <Real T>
Problem<T> exemplar_problem(TestData<T>& data, Loss loss) {
    Problem<T> problem = data.problem();
    problem.loss = loss;
    problem.cost = 0.5;
    problem.example_cost = 0.5 * static_cast<double>(data.n) / static_cast<double>(data.p);
    return problem;
}

}  // namespace

TEMPLATE_TEST_CASE("Newton's method finds the optimum that slow coordinate descent finds", "",
                   float, double) {
    using T = TestType;
    const Loss loss = GENERATE(Loss::squared_hinge, Loss::hinge);
    const bool center = GENERATE(false, true), mixed = GENERATE(false, true);
    const std::size_t d = GENERATE(as<std::size_t>{}, 4, 60);  // features, and samples, are fewer
    Random random(5);
    for (const double intercept_scaling : {0.0, 1.0, 3.0}) {
        for (const double prior : {0.0, 0.4}) {
            TestData<T> data(40, d, 2, random);
            if (center) data.center();
            if (mixed) mix(data, random);
            Problem<T> problem = exemplar_problem(data, loss);
            problem.intercept_scaling = intercept_scaling;
            problem.prior = prior;
            const auto samples = reference::samples_of(problem);
            const auto optimum =
                reference::weights_of(samples, reference::solve_slowly(samples, 1e-11));
            const auto s = solved(problem, 1e-9, loss == Loss::hinge ? 1e-8 : 1e-16);
            CAPTURE(static_cast<int>(loss), center, mixed, d, intercept_scaling, prior, s.steps);
            CHECK(s.outcome == Outcome::reached);
            CHECK(reference::distance(s.weights, optimum) < 1e-4);
            CHECK(reference::distance(reference::weights_of(samples, s.dual), s.weights) < 1e-6);
            for (std::size_t i = 0; i < samples.size(); ++i) {
                if (!(s.dual[i] >= 0.0 && s.dual[i] <= samples.upper(i))) FAIL_CHECK(i);
            }
        }
    }
}

TEST_CASE("steps of the squared hinge are few, however long the samples and far the rows") {
    Random random(6);
    const double offset = GENERATE(0.0, 1e2, 1e4, 1e6);
    const double scale = GENERATE(1e-3, 1.0, 1e3);
    const double cost = GENERATE(1e-4, 0.1, 10.0);
    // Double precision hardly tells rows apart that are so far, or has no digits left for their
    // costs.
    if (offset > 1e6 * scale || offset * offset * cost > 1e12) return;
    TestData<double> data(300, 20, 2, random);
    for (double& x : data.rows) x = x * scale + offset;
    for (double& x : data.positives) x = x * scale + offset;
    Problem<double> problem = exemplar_problem(data, Loss::squared_hinge);
    problem.cost = cost;
    problem.example_cost = cost * 150.0;
    const auto s = solved(problem, 1e-9, 0.0);
    CAPTURE(offset, scale, cost, s.steps);
    CHECK(s.steps <= 100);
    const auto samples = reference::samples_of(problem);
    const double primal = reference::primal_value(samples, s.weights);
    double gap = 0.0;  // without the difference of the weights: see optimality.hpp
    for (std::size_t i = 0; i < samples.size(); ++i) {
        const double slack = 1.0 - samples.y[i] * reference::dot(s.weights, samples.x[i]);
        const double residual = std::max(slack, 0.0) - s.dual[i] * samples.diagonal(i);
        gap += samples.cost[i] * residual * residual + s.dual[i] * std::max(-slack, 0.0);
    }
    CHECK(gap <= 1e-9 * primal);
}

TEMPLATE_TEST_CASE("the executor changes no bit of Newton's steps", "", float, double) {
    using T = TestType;
    const Loss loss = GENERATE(Loss::squared_hinge, Loss::hinge);
    Random random(7);
    TestData<T> data(500, 30, 3, random);
    const Problem<T> problem = exemplar_problem(data, loss);
    const auto serial = solved(problem, 1e-8, 1e-10);
    const auto threads = solved(problem, 1e-8, 1e-10, ThreadsExecutor{3});
    CHECK(serial.weights == threads.weights);
    CHECK(serial.dual == threads.dual);
    CHECK(serial.steps == threads.steps);
}

TEST_CASE("Newton's method ends where it is told to, with dual coefficients within their bounds") {
    Random random(8);
    TestData<double> data(200, 10, 2, random);
    const Problem<double> problem = exemplar_problem(data, Loss::hinge);
    const auto check = [&](const Solved<double>& s) {
        const auto samples = reference::samples_of(problem);
        for (std::size_t i = 0; i < samples.size(); ++i) {
            if (!(s.dual[i] >= 0.0 && s.dual[i] <= samples.upper(i))) FAIL_CHECK(i);
        }
        for (const double w : s.weights) CHECK(std::isfinite(w));
    };
    for (const std::uint32_t most_steps : {0u, 1u, 2u, 5u}) {
        const auto s = solved(problem, 1e-12, 0.0, SerialExecutor{}, {}, most_steps);
        CHECK(s.outcome == Outcome::limit);
        CHECK(s.steps == most_steps);
        check(s);
    }
    const std::atomic<bool> raised{true};
    const auto s = solved(problem, 1e-12, 0.0, SerialExecutor{}, StopCondition::when(raised));
    CHECK(s.outcome == Outcome::stopped);
    check(s);
}

TEST_CASE("more samples off their bounds than the largest matrix has rows are refused") {
    Random random(9);
    const std::size_t n = HessianScratch::max_order + 10;
    TestData<float> data(n, n, 1, random);
    const Problem<float> problem = exemplar_problem(data, Loss::squared_hinge);
    CHECK(solved(problem, 1e-9, 0.0).outcome == Outcome::cannot);
}

TEST_CASE("solve() converges on rows of any norm, offset and cost") {
    const Loss loss = GENERATE(Loss::squared_hinge, Loss::hinge);
    const double offset = GENERATE(0.0, 1e3, 1e4);
    const double cost = GENERATE(1e-2, 1.0, 1e2);
    const std::size_t p = GENERATE(as<std::size_t>{}, 1, 3, 40);
    Random random(10);
    TestData<double> data(400, 16, p, random);
    for (double& x : data.rows) x = 10.0 * x + offset;
    for (double& x : data.positives) x = 10.0 * x + offset;
    Problem<double> problem = exemplar_problem(data, loss);
    problem.cost = cost;
    problem.example_cost = cost * 400.0 / static_cast<double>(p);
    Workspace<double> workspace(400, 16, 0, p);
    std::vector<double> scores(400);
    const auto report =
        solve(problem, SolverSettings{}, SerialExecutor{}, workspace, scores.data());
    CAPTURE(static_cast<int>(loss), offset, cost, p, report.epochs, report.gap, report.violation);
    if (loss == Loss::squared_hinge) {
        CHECK(report.status == SolveStatus::converged);
        CHECK(report.gap < 1e-5 * (1.0 + report.primal));
    } else {  // whose gap is as large as the violations, times the costs
        CHECK(report.status != SolveStatus::epoch_limit);
        CHECK(report.gap < 1e-4 * (1.0 + report.primal + 800.0 * cost));
    }
    CHECK(report.weights_error_bound < infinity);
}
