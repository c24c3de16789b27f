#include "solve/conjugate_gradients.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "catch.hpp"
#include "model/row_statistics.hpp"
#include "problem/sparse_examples.hpp"
#include "reference.hpp"
#include "solve/dual_coordinate_descent.hpp"
#include "solve/solution.hpp"
#include "sparse_data.hpp"
#include "threads_executor.hpp"

using namespace exemplar_svm;
using reference::Random;
using reference::SparseData;

namespace {

/// The whole dual of a problem among sparse rows, as dense matrices in double precision.
template <Real T>
struct Case {
    SparseData<T> data, queries;
    RowStatistics<T> statistics;
    Problem<T> problem;
    SparseExamples<T> examples;
    Solution<T> solution;
    DescentScratch<T> scratch;
    double diagonal;
    std::size_t n, p;
    std::vector<std::int8_t> labels{1, -1, 1};

    Case(std::size_t n_rows, std::size_t n_examples, double cost, bool center, Random& random)
        : data(n_rows, 40, 0.1, random),
          queries(n_examples, 40, 0.3, random),
          statistics(data.view(), settings_of(center), SerialExecutor{}),
          examples(n_examples, n_examples * 40, 40),
          solution(n_rows, 40, n_examples),
          scratch(data.view(), 1, n_examples, n_examples * 40),
          diagonal(0.5 / cost),
          n(n_rows),
          p(n_examples) {
        problem.rows = data.view();
        problem.squared_norms = statistics.squared_norms.data();
        problem.max_squared_norm = statistics.max_squared_norm;
        problem.cost = cost;
        problem.example_cost = cost * static_cast<double>(n);
        if (center) {
            problem.mean = statistics.mean.data();
            problem.mean_products = statistics.mean_products.data();
        }
        for (std::size_t j = 0; j < p; ++j) {
            examples.add(queries.dense_view().row(j));
        }
        problem.examples = examples.view();
        problem.example_labels = labels.data();
        scratch.examples.prepare(problem, solution.example_dual.data());
        // All examples at their optimum given rows of weight zero.
        std::vector<double> gradients(p, -1.0);
        scratch.examples.block().optimise(gradients.data());
    }

    static IndexSettings settings_of(bool center) {
        IndexSettings settings;
        settings.center = center;
        return settings;
    }

    /// A row, or example j as sample n + j, times its label, less the mean, with the constant
    /// feature.
    std::vector<double> sample(std::size_t s) const {
        const T* const x = s < n ? data.dense_view().row(s) : queries.dense_view().row(s - n);
        const double y = s < n ? -1.0 : labels[s - n];
        std::vector<double> wide;
        for (std::size_t c = 0; c < data.d; ++c) {
            const double mean = problem.mean == nullptr ? 0.0 : problem.mean[c];
            wide.push_back(y * (static_cast<double>(x[c]) - mean));
        }
        wide.push_back(y);
        return wide;
    }

    double penalty(std::size_t s) const { return s < n ? diagonal : 0.5 / problem.example_cost; }

    /// The gradient of the dual at dual coefficients of all samples.
    std::vector<double> gradient(const std::vector<double>& dual) const {
        std::vector<double> weights(data.d + 1);
        for (std::size_t s = 0; s < n + p; ++s) {
            const auto x = sample(s);
            for (std::size_t c = 0; c <= data.d; ++c) weights[c] += dual[s] * x[c];
        }
        std::vector<double> gradient;
        for (std::size_t s = 0; s < n + p; ++s) {
            const auto x = sample(s);
            double score = 0.0;
            for (std::size_t c = 0; c <= data.d; ++c) score += weights[c] * x[c];
            gradient.push_back(score - 1.0 + penalty(s) * dual[s]);
        }
        return gradient;
    }
};

}  // namespace

TEMPLATE_TEST_CASE("conjugate gradients minimise over the rows while the examples stay optimal", "",
                   float, double) {
    using T = TestType;
    const bool center = GENERATE(false, true);
    const auto p = GENERATE(std::size_t{1}, std::size_t{3});
    const auto cost = GENERATE(0.001, 0.1, 5.0);
    Random random(7);
    Case<T> c(300, p, cost, center, random);
    std::vector<double> dual(c.n + p);
    for (std::size_t j = 0; j < p; ++j) dual[c.n + j] = c.scratch.examples.block().dual(j);
    const auto before = c.gradient(dual);

    ConjugateGradients<T> solver(c.problem, c.scratch.examples.block(), SerialExecutor{},
                                 StopCondition{}, c.scratch.sorted.data(), c.scratch.joint.get());
    // At a small cost all rows; at a large cost a few rows, chosen so that the minimum has none
    // below zero.
    const std::size_t step = cost > 1.0 ? 31 : 1;
    for (std::size_t i = 0; i < c.n; i += step) {
        solver.add(static_cast<RowIndex>(i), 0.0, c.diagonal, before[i]);
    }
    const auto outcome = solver.solve({1e-9, 1e-16, 100});
    REQUIRE(outcome != Outcome::stopped);
    if (cost < 0.01) REQUIRE(outcome == Outcome::reached);
    if (outcome != Outcome::reached) return;

    CAPTURE(center, p, cost);
    // The examples, made optimal for the returned coefficients.
    for (std::size_t s = 0; s < solver.size(); ++s) {
        dual[solver.row(s)] = solver.dual(s);
        CHECK(solver.dual(s) >= 0.0);
    }
    auto gradient = c.gradient(dual);
    c.scratch.examples.block().optimise(gradient.data() + c.n);
    for (std::size_t j = 0; j < p; ++j) dual[c.n + j] = c.scratch.examples.block().dual(j);
    gradient = c.gradient(dual);
    for (std::size_t i = 0; i < c.n; i += step) {
        // Coordinates held at zero want to go below it.
        if (dual[i] > 0.0) CHECK(std::abs(gradient[i]) < 1e-8);
        if (dual[i] == 0.0) CHECK(gradient[i] > -1e-8);
    }
}

TEST_CASE("conjugate gradients give up where many coordinates leave their bounds") {
    Random random(8);
    Case<double> c(300, 1, 5.0, false, random);
    std::vector<double> dual(c.n + 1);
    dual[c.n] = c.scratch.examples.block().dual(0);
    const auto gradient = c.gradient(dual);
    ConjugateGradients<double> solver(c.problem, c.scratch.examples.block(), SerialExecutor{},
                                      StopCondition{}, c.scratch.sorted.data(),
                                      c.scratch.joint.get());
    for (std::size_t i = 0; i < c.n; ++i) {
        solver.add(static_cast<RowIndex>(i), 0.0, c.diagonal, gradient[i]);
    }
    CHECK(solver.solve({1e-6, 1e-12, 100}) == Outcome::hand_over);
}

TEST_CASE("conjugate gradients have the same bits on any number of threads, and can be stopped") {
    Random random(9);
    std::vector<double> found[2];
    for (const std::size_t n_threads : {1u, 3u}) {
        Random same(9);
        Case<float> c(3000, 1, 0.001, false, same);
        std::vector<double> dual(c.n + 1);
        dual[c.n] = c.scratch.examples.block().dual(0);
        const auto gradient = c.gradient(dual);
        const reference::ThreadsExecutor threads{n_threads};
        ConjugateGradients<float> solver(c.problem, c.scratch.examples.block(), threads,
                                         StopCondition{}, c.scratch.sorted.data(),
                                         c.scratch.joint.get());
        for (std::size_t i = 0; i < c.n; ++i) {
            solver.add(static_cast<RowIndex>(i), 0.0, c.diagonal, gradient[i]);
        }
        CHECK(solver.solve({1e-9, 1e-16, 100}) == Outcome::reached);
        for (std::size_t s = 0; s < solver.size(); ++s) {
            found[n_threads == 1 ? 0 : 1].push_back(solver.dual(s));
        }
        const std::atomic<bool> stop{true};
        ConjugateGradients<float> stopped(c.problem, c.scratch.examples.block(), threads,
                                          StopCondition::when(stop), c.scratch.sorted.data(),
                                          c.scratch.joint.get());
        stopped.add(0, 0.0, c.diagonal, gradient[0]);
        CHECK(stopped.solve({1e-9, 1e-16, 100}) == Outcome::stopped);
    }
    CHECK(found[0] == found[1]);
}
