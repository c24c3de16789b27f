// The primal by Newton's method: the gradient vanishes at the end, whatever the samples.

#include "solve/primal_newton.hpp"

#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "reference.hpp"
#include "sparse_data.hpp"
#include "threads_executor.hpp"

using namespace exemplar_svm;
using reference::Random;

namespace {

/// The gradient of the primal at the weights, computed naively. Its norm bounds the distance from
/// the optimal weights.
double distance_from_optimum(const reference::Samples& samples,
                             const std::vector<double>& weights) {
    std::vector<double> gradient(weights);
    for (std::size_t c = 0; c < gradient.size(); ++c) gradient[c] -= samples.prior[c];
    for (std::size_t i = 0; i < samples.size(); ++i) {
        const double slack = 1.0 - samples.y[i] * reference::dot(samples.x[i], weights);
        if (slack <= 0.0) continue;
        for (std::size_t c = 0; c < gradient.size(); ++c) {
            gradient[c] -= 2.0 * samples.cost[i] * samples.y[i] * slack * samples.x[i][c];
        }
    }
    return std::sqrt(reference::dot(gradient, gradient));
}

/// What a minimum is found with, and the minimum.
struct Minimum {
    NewtonScratch scratch;
    std::vector<double> weights, dual;

    template <Real T>
    explicit Minimum(const Problem<T>& problem)
        : scratch(problem.rows.rows, problem.rows.cols, problem.examples.rows) {}
};

template <Real T>
SolveReport minimise(const Problem<T>& problem, const SolverSettings& settings,
                     ExecutorRef executor, Minimum& minimum, const StopCondition& stop = {}) {
    PrimalNewton<T> newton(problem, executor, stop, minimum.scratch);
    const SolveReport report = newton.minimise(settings);
    minimum.weights.assign(newton.weights(), newton.weights() + problem.rows.cols + 1);
    minimum.dual.assign(newton.duals(), newton.duals() + problem.rows.rows + problem.examples.rows);
    return report;
}

SolverSettings exact() {
    SolverSettings settings;
    settings.tol = 1e-10;
    return settings;
}

/// A problem that uses every field.
template <Real T>
struct Case {
    std::vector<T> rows, examples;
    std::vector<std::int8_t> labels, example_labels;
    std::vector<double> costs, example_costs, mean;
    std::vector<std::uint8_t> background;
    Problem<T> problem;

    Case(std::size_t n, std::size_t d, std::size_t p, Random& random)
        : rows(random.normals<T>(n * d)), examples(random.normals<T>(p * d)), mean(d, 0.25) {
        for (std::size_t i = 0; i < n; ++i) {
            labels.push_back(random.chance(0.3) ? 1 : -1);
            costs.push_back(i % 11 == 4 ? 0.0 : random.uniform(0.1, 3.0));
            background.push_back(i % 7 == 3 ? 0 : 1);
        }
        for (std::size_t j = 0; j < p; ++j) {
            example_labels.push_back(j % 3 == 2 ? -1 : 1);
            example_costs.push_back(random.uniform(1.0, 5.0));
        }
        problem.rows = reference::view(rows, d);
        problem.examples = reference::view(examples, d);
        problem.cost = 0.2;
        problem.example_cost = 4.0;
    }

    void vary() {
        problem.labels = labels.data();
        problem.costs = costs.data();
        problem.background = background.data();
        problem.example_labels = example_labels.data();
        problem.example_costs = example_costs.data();
        problem.mean = mean.data();
        problem.prior = 0.5;
        problem.intercept_scaling = 2.0;
    }
};

}  // namespace

TEMPLATE_TEST_CASE("the gradient vanishes for every kind of problem", "", float, double) {
    Random random(1);
    for (const std::size_t d : {1u, 5u, 33u, 90u, 200u}) {
        for (const bool varied : {false, true}) {
            Case<TestType> c(150, d, 4, random);
            if (varied) c.vary();
            Minimum scratch(c.problem);
            const SolveReport report = minimise(c.problem, exact(), SerialExecutor{}, scratch);
            CHECK(report.status == SolveStatus::converged);
            const auto samples = reference::samples_of(c.problem);
            const double distance = distance_from_optimum(samples, scratch.weights);
            CHECK(distance < 1e-8);
            CHECK(report.weights_error_bound == Approx(distance).margin(1e-10));
            CHECK(report.gap == Approx(0.5 * distance * distance).margin(1e-12));
            CHECK(report.violation < 1e-6);
            for (std::size_t i = 0; i < samples.size(); ++i) {
                const double slack =
                    1.0 - samples.y[i] * reference::dot(samples.x[i], scratch.weights);
                CHECK(scratch.dual[i] ==
                      Approx(2.0 * samples.cost[i] * std::max(slack, 0.0)).margin(1e-9));
            }
        }
    }
}

TEST_CASE("Newton's method finds the minimum for any scale of features, offset and C") {
    Random random(2);
    for (const double C : {1e-8, 1e-3, 1.0, 1e3, 1e6}) {
        for (const double offset : {0.0, 1e3, 1e6}) {
            for (const std::size_t d : {4u, 100u}) {
                Case<double> c(60, d, 2, random);
                for (std::size_t i = 0; i < c.rows.size(); ++i) {
                    c.rows[i] = (c.rows[i] + offset) * (i % d % 3 == 0 && offset < 1e6 ? 1e3 : 1.0);
                }
                c.problem.labels = c.labels.data();
                c.problem.cost = c.problem.example_cost = C;
                Minimum scratch(c.problem);
                SolverSettings settings = exact();
                settings.max_epochs = 200;
                const SolveReport report = minimise(c.problem, settings, SerialExecutor{}, scratch);
                CAPTURE(C, offset, d, report.epochs);
                CHECK(report.status != SolveStatus::epoch_limit);
                // The gradient is a sum of terms of this size.
                const double size = 1.0 + C * 62.0 * 1e6;
                const auto samples = reference::samples_of(c.problem);
                CHECK(distance_from_optimum(samples, scratch.weights) < 1e-8 * size);
            }
        }
    }
}

TEST_CASE("sparse samples have the minimum of the same samples as dense ones") {
    Random random(3);
    for (const std::size_t d : {20u, 150u}) {
        const reference::SparseData<double> data(400, d, 0.1, random);
        std::vector<std::int8_t> labels;
        for (std::size_t i = 0; i < data.n; ++i) labels.push_back(random.chance(0.5) ? 1 : -1);
        Problem<double> problem;
        problem.labels = labels.data();
        problem.rows = reference::view(data.dense, d);
        Minimum dense(problem);
        minimise(problem, exact(), SerialExecutor{}, dense);
        problem.rows = data.view();
        Minimum sparse(problem);
        minimise(problem, exact(), SerialExecutor{}, sparse);
        for (std::size_t c = 0; c <= d; ++c) {
            CHECK(sparse.weights[c] == Approx(dense.weights[c]).margin(1e-9));
        }
    }
}

TEST_CASE("the number of threads changes no bit") {
    Random random(4);
    for (const std::size_t d : {40u, 120u}) {
        Case<double> c(3000, d, 2, random);
        c.vary();
        Minimum one(c.problem), three(c.problem);
        minimise(c.problem, exact(), SerialExecutor{}, one);
        minimise(c.problem, exact(), reference::ThreadsExecutor{3}, three);
        CHECK(one.weights == three.weights);
    }
}

TEST_CASE("the same scratch serves one problem after the other") {
    Random random(5);
    Case<double> first(80, 30, 2, random), second(50, 30, 1, random);
    first.vary();
    Minimum used(first.problem), fresh(second.problem);
    minimise(first.problem, exact(), SerialExecutor{}, used);
    minimise(second.problem, exact(), SerialExecutor{}, used);
    minimise(second.problem, exact(), SerialExecutor{}, fresh);
    for (std::size_t c = 0; c < fresh.weights.size(); ++c) {
        CHECK(used.weights[c] == Approx(fresh.weights[c]).margin(1e-12));
    }
}

TEST_CASE("a limit or a stop keeps the last weights, and reports it") {
    Random random(6);
    Case<double> c(200, 10, 2, random);
    Minimum scratch(c.problem);
    SolverSettings settings = exact();
    settings.max_epochs = 0;
    SolveReport report = minimise(c.problem, settings, SerialExecutor{}, scratch);
    CHECK(report.status == SolveStatus::epoch_limit);
    CHECK(report.epochs == 0);
    CHECK(scratch.weights == std::vector<double>(11, 0.0));
    const std::atomic<bool> raised{true};
    report = minimise(c.problem, exact(), SerialExecutor{}, scratch, StopCondition::when(raised));
    CHECK(report.status == SolveStatus::deadline);
    CHECK(std::isfinite(report.gap));
}

TEST_CASE("without samples the weights are the prior's") {
    const std::vector<double> none;
    Problem<double> problem;
    problem.rows = DenseView<double>{none.data(), 0, 3, 3};
    Minimum scratch(problem);
    const SolveReport report = minimise(problem, exact(), SerialExecutor{}, scratch);
    CHECK(report.status == SolveStatus::converged);
    CHECK(scratch.weights == std::vector<double>(4, 0.0));
}
