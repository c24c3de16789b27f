// The solver for problems where many rows are support vectors, PrimalDescent, and its parts.

#include "solve/primal_descent.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include "catch.hpp"
#include "clustered_data.hpp"
#include "exemplar_svm/solver.hpp"
#include "exemplar_svm/workspace.hpp"
#include "model/row_statistics.hpp"
#include "reference.hpp"
#include "search/scratch.hpp"
#include "solve/anderson.hpp"
#include "solve/curvature.hpp"
#include "solve/panel.hpp"
#include "threads_executor.hpp"

using namespace exemplar_svm;
using reference::ClusteredData;
using reference::Random;

namespace {

/// A problem that owns everything it would borrow.
template <Real T>
struct Case {
    ClusteredData<T> data;
    IndexSettings settings;
    RowStatistics<T> statistics;
    std::vector<std::int8_t> example_labels;
    std::vector<double> example_costs;
    std::vector<std::uint8_t> background;
    Problem<T> problem;

    Case(std::size_t n, std::size_t d, std::size_t p, double C, bool center, Random& random)
        : data(n, d, p, random),
          settings(settings_of(center)),
          statistics(data.view(), settings, SerialExecutor{}) {
        problem.rows = data.view();
        problem.squared_norms = statistics.squared_norms.data();
        problem.max_squared_norm = statistics.max_squared_norm;
        problem.examples = reference::view(data.positives, d);
        problem.cost = 0.5 * C;
        problem.example_cost = 0.5 * C * static_cast<double>(n);
        if (center) {
            problem.mean = statistics.mean.data();
            problem.mean_products = statistics.mean_products.data();
        }
    }

    /// The last example is a negative, the others have their own costs, and a few rows are left
    /// out.
    void vary() {
        const std::size_t p = problem.examples.rows;
        for (std::size_t j = 0; j < p; ++j) {
            example_labels.push_back(j + 1 == p && p > 1 ? -1 : 1);
            example_costs.push_back(problem.example_cost / static_cast<double>(1 + j));
        }
        for (std::size_t i = 0; i < data.n; ++i) background.push_back(i % 7 == 3 ? 0 : 1);
        problem.example_labels = example_labels.data();
        problem.example_costs = example_costs.data();
        problem.background = background.data();
    }

    static IndexSettings settings_of(bool center) {
        IndexSettings settings;
        settings.method = Method::working_set;
        settings.center = center;
        return settings;
    }
};

template <Real T>
struct Solved {
    Outcome outcome = Outcome::cannot;
    SolveReport report;
    std::vector<T> scores;
    std::vector<Ranked<T>> ranking;
    Workspace<T> workspace;

    bool is_done() const { return outcome != Outcome::hand_over; }

    explicit Solved(const Case<T>& one)
        : scores(one.data.n), workspace(one.data.n, one.data.d, 10, one.problem.examples.rows) {}
};

template <Real T>
Solved<T> solve_in_primal(const Case<T>& one, const SolverSettings& settings,
                          bool duals_agree = false, ExecutorRef executor = SerialExecutor{},
                          std::size_t k = 0, const StopCondition& stop = {}) {
    Solved<T> solved(one);
    auto& scratch = solved.workspace.scratch();
    PrimalDescent<T> solver(one.problem, one.statistics.gaussian, executor, stop, scratch.solution,
                            scratch.descent.examples, scratch.primal, solved.scores.data());
    solved.outcome = solver.solve(Goal::of(settings, one.problem), duals_agree, solved.report);
    if (!solved.is_done()) return solved;
    if (k == 0) {
        solver.score_all();
        return solved;
    }
    solved.ranking.resize(k);
    TopK<T> best(solved.ranking.data(), k);
    solver.rank(Candidates{nullptr, one.data.n}, best);
    solved.ranking.resize(best.finish());
    return solved;
}

template <Real T>
SolverSettings tight() {
    SolverSettings settings;
    settings.tol = std::is_same_v<T, float> ? 1e-4 : 1e-7;
    settings.score_tol = 0.02 * settings.tol;
    return settings;
}

/// The same by dual coordinate descent.
template <Real T>
Solved<T> solve_in_dual(const Case<T>& one) {
    Solved<T> solved(one);
    SolverSettings settings;
    settings.tol = std::is_same_v<T, float> ? 1e-6 : 1e-10;
    settings.max_epochs = 20000;
    solved.report =
        solve(one.problem, settings, SerialExecutor{}, solved.workspace, solved.scores.data());
    return solved;
}

/// x' M y for a matrix given by its columns.
std::vector<double> multiply(const std::vector<std::vector<double>>& columns,
                             const std::vector<double>& x) {
    std::vector<double> product(x.size());
    for (std::size_t j = 0; j < x.size(); ++j) {
        for (std::size_t i = 0; i < x.size(); ++i) product[i] += columns[j][i] * x[j];
    }
    return product;
}

}  // namespace

TEST_CASE("a curvature is inverted") {
    const auto n = GENERATE(as<std::size_t>{}, 1, 2, 9, 40);
    const auto count = GENERATE(as<std::size_t>{}, 0, 1, 3, 12);
    constexpr std::size_t capacity = 12;
    Random random(1);
    std::vector<double> scratch(Curvature::scratch_size(n, capacity));
    Curvature curvature(n, capacity, scratch.data());
    std::vector<std::vector<double>> matrix(n, std::vector<double>(n));
    for (std::size_t i = 0; i < n; ++i) matrix[i][i] = i + 1 == n ? 0.5 : 2.0;
    curvature.reset(2.0, 0.5);
    for (std::size_t k = 0; k < count; ++k) {
        const double weight = std::pow(10.0, static_cast<double>(k % 4));
        const auto u = random.normals<double>(n);
        std::copy(u.begin(), u.end(), curvature.add(weight));
        for (std::size_t i = 0; i < n; ++i) {
            for (std::size_t j = 0; j < n; ++j) matrix[j][i] += weight * u[i] * u[j];
        }
    }
    curvature.factorise();
    const auto x = random.normals<double>(n);
    auto image = multiply(matrix, x);
    curvature.solve(image.data());
    CAPTURE(n, count);
    for (std::size_t i = 0; i < n; ++i) CHECK(image[i] == Approx(x[i]).margin(1e-8));
}

TEST_CASE(
    "accelerated descent finds the zero of a linear gradient in as many steps as dimensions") {
    constexpr std::size_t n = 6;
    Random random(2);
    // M = I + sum u u', of which the model knows only the identity.
    std::vector<std::vector<double>> matrix(n, std::vector<double>(n));
    for (std::size_t i = 0; i < n; ++i) matrix[i][i] = 1.0;
    for (std::size_t k = 0; k < n; ++k) {
        const auto u = random.normals<double>(n);
        for (std::size_t i = 0; i < n; ++i) {
            for (std::size_t j = 0; j < n; ++j) matrix[j][i] += 0.5 * u[i] * u[j];
        }
    }
    const auto optimum = random.normals<double>(n);
    std::vector<double> scratch(Curvature::scratch_size(n, 1) + Anderson::scratch_size(n));
    Curvature curvature(n, 1, scratch.data());
    curvature.reset(1.0, 1.0);
    curvature.factorise();
    Anderson anderson(n, scratch.data() + Curvature::scratch_size(n, 1));
    anderson.reset();
    std::vector<double> point(n);
    const auto gradient_at = [&](const std::vector<double>& w) {
        std::vector<double> way(n);
        for (std::size_t i = 0; i < n; ++i) way[i] = w[i] - optimum[i];
        return multiply(matrix, way);
    };
    for (std::size_t pass = 0; pass <= n; ++pass) {
        auto gradient = gradient_at(point);
        anderson.add(point.data(), gradient.data());
        anderson.combine(curvature, point.data(), gradient.data());
        for (std::size_t i = 0; i < n; ++i) point[i] -= gradient[i];
    }
    for (std::size_t i = 0; i < n; ++i) CHECK(point[i] == Approx(optimum[i]).margin(1e-6));
    auto restored = point, gradient = point;
    anderson.restore(restored.data(), gradient.data());
    CHECK(gradient_at(restored)[0] == Approx(gradient[0]).margin(1e-9));
}

TEMPLATE_TEST_CASE("the primal solver finds the optimum, and proves it", "", float, double) {
    using T = TestType;
    const double C = GENERATE(1e-4, 1e-3, 0.01, 0.1, 10.0);
    const bool center = GENERATE(false, true);
    const auto p = GENERATE(as<std::size_t>{}, 1, 4, 32);
    Random random(3);
    Case<T> one(3000, 24, p, C, center, random);
    if (p == 4) one.vary();
    one.problem.prior = p == 4 ? 0.5 : 0.0;
    one.problem.intercept_scaling = p == 4 ? 0.0 : 1.0;
    CAPTURE(C, center, p);
    const auto exact = solve_in_dual(one);
    const auto found = solve_in_primal(one, tight<T>());
    if (!found.is_done()) {  // other solvers handle a large C
        CHECK(C > 1.0);
        CHECK(found.report.epochs > 0);
        return;
    }
    CHECK(found.report.status == SolveStatus::converged);
    CHECK(found.report.violation <= 2.0 * tight<T>().tol);  // with bounds on rounding
    const double norm = std::sqrt(one.problem.max_squared_norm + 1.0);
    const double bound =
        norm * (found.report.weights_error_bound + exact.report.weights_error_bound) +
        found.report.score_rounding_bound + exact.report.score_rounding_bound;
    CHECK(found.report.weights_error_bound * norm < 2.0 * tight<T>().score_tol + 1e-6 * norm);
    double worst = 0.0;
    for (std::size_t i = 0; i < one.data.n; ++i) {
        worst = std::max(worst, std::abs(static_cast<double>(found.scores[i]) -
                                         static_cast<double>(exact.scores[i])));
    }
    CHECK(worst <= bound);
    CHECK(found.report.primal ==
          Approx(exact.report.primal).epsilon(std::is_same_v<T, float> ? 1e-6 : 1e-9));
}

TEMPLATE_TEST_CASE("the weights of a fit are those of its dual coefficients", "", float, double) {
    using T = TestType;
    const bool center = GENERATE(false, true);
    Random random(4);
    Case<T> one(2000, 16, 3, 0.003, center, random);
    one.vary();
    one.problem.prior = 0.5;
    const auto found = solve_in_primal(one, tight<T>(), true);
    REQUIRE(found.is_done());
    std::vector<double> coef(one.data.d);
    for (std::size_t j = 0; j < 3; ++j) {
        const double share =
            one.example_labels[j] > 0
                ? 0.5 * one.example_costs[j] / (one.example_costs[0] + one.example_costs[1])
                : 0.0;
        for (std::size_t c = 0; c < one.data.d; ++c) {
            const double mean = center ? one.statistics.mean[c] : 0.0;
            const auto x = static_cast<double>(one.data.positives[j * one.data.d + c]);
            coef[c] +=
                share * x + one.example_labels[j] * found.workspace.example_dual()[j] * (x - mean);
        }
    }
    std::size_t n_support = 0;
    for (std::size_t i = 0; i < one.data.n; ++i) {
        const double dual = found.workspace.dual()[i];
        n_support += dual > 0.0 ? 1 : 0;
        if (one.background[i] == 0) CHECK(dual == 0.0);
        for (std::size_t c = 0; c < one.data.d; ++c) {
            const double mean = center ? one.statistics.mean[c] : 0.0;
            coef[c] -= dual * (static_cast<double>(one.data.rows[i * one.data.d + c]) - mean);
        }
    }
    CHECK(n_support == found.report.n_support);
    CHECK(n_support > one.data.n / 4);
    for (std::size_t c = 0; c < one.data.d; ++c) {
        CHECK(static_cast<double>(found.workspace.weights().coef[c]) ==
              Approx(coef[c]).margin(std::is_same_v<T, float> ? 2e-6 : 1e-10));
    }
}

TEMPLATE_TEST_CASE("the primal solver ranks all rows, down to the last", "", float, double) {
    using T = TestType;
    Random random(5);
    Case<T> one(2500, 16, 2, 0.02, false, random);
    one.vary();
    const auto all = solve_in_primal(one, tight<T>());
    REQUIRE(all.is_done());
    std::vector<RowNumber> order(one.data.n);
    for (std::size_t i = 0; i < one.data.n; ++i) order[i] = static_cast<RowNumber>(i);
    std::sort(order.begin(), order.end(), [&](RowNumber a, RowNumber b) {
        const T score_a = all.scores[static_cast<std::size_t>(a)];
        const T score_b = all.scores[static_cast<std::size_t>(b)];
        return score_a > score_b || (score_a == score_b && a < b);
    });
    for (const std::size_t k : {std::size_t{1}, std::size_t{50}, one.data.n}) {
        const auto found = solve_in_primal(one, tight<T>(), false, SerialExecutor{}, k);
        REQUIRE(found.ranking.size() == k);
        std::size_t n_wrong = 0;
        for (std::size_t rank = 0; rank < k; ++rank) {
            n_wrong += found.ranking[rank].row != order[rank] ? 1 : 0;
        }
        CHECK(n_wrong == 0);
    }
}

TEMPLATE_TEST_CASE("steps on copies of a few of many support vectors end at the same optimum", "",
                   float, double) {
    using T = TestType;
    const bool center = GENERATE(false, true);
    Random random(9);
    Case<T> one(20000, 12, 2, 3e-4, center, random);
    one.vary();
    const auto exact = solve_in_dual(one);
    auto found = solve_in_primal(one, tight<T>());
    REQUIRE(found.is_done());
    CHECK(found.report.status == SolveStatus::converged);
    CHECK(found.report.n_support > 12 * 1024);
    CHECK(found.workspace.scratch().primal.copies.size() == 1024);
    const double norm = std::sqrt(one.problem.max_squared_norm + 1.0);
    const double bound =
        norm * (found.report.weights_error_bound + exact.report.weights_error_bound) +
        found.report.score_rounding_bound + exact.report.score_rounding_bound;
    double worst = 0.0;
    for (std::size_t i = 0; i < one.data.n; ++i) {
        worst = std::max(worst, std::abs(static_cast<double>(found.scores[i]) -
                                         static_cast<double>(exact.scores[i])));
    }
    CHECK(worst <= bound);
    CHECK(bound < (std::is_same_v<T, float> ? 1e-3 : 1e-6));
}

TEMPLATE_TEST_CASE("threads change no bit of a primal solution", "", float, double) {
    using T = TestType;
    Random random(6);
    const Case<T> one(5000, 40, 1, 0.001, true, random);
    const auto serial = solve_in_primal(one, tight<T>());
    const auto parallel = solve_in_primal(one, tight<T>(), false, reference::ThreadsExecutor{3});
    CHECK(serial.scores == parallel.scores);
    CHECK(serial.report.gap == parallel.report.gap);
    CHECK(serial.workspace.weights().coef == parallel.workspace.weights().coef);
}

TEMPLATE_TEST_CASE("a few passes over all rows end in a valid bound", "", float, double) {
    using T = TestType;
    Random random(7);
    const Case<T> one(3000, 24, 1, 0.003, false, random);
    const auto exact = solve_in_dual(one);
    const double norm = std::sqrt(one.problem.max_squared_norm + 1.0);
    for (std::uint32_t passes = 1; passes <= 3; ++passes) {
        SolverSettings settings = tight<double>();
        settings.max_epochs = passes;
        const auto found = solve_in_primal(one, settings);
        REQUIRE(found.is_done());
        CHECK(found.report.status == SolveStatus::epoch_limit);
        CHECK(found.report.epochs == passes);
        double worst = 0.0;
        for (std::size_t i = 0; i < one.data.n; ++i) {
            worst = std::max(worst, std::abs(static_cast<double>(found.scores[i]) -
                                             static_cast<double>(exact.scores[i])));
        }
        CHECK(worst <= norm * found.report.weights_error_bound + 1e-5);
    }
}
