#include "exemplar_svm/certificate.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "catch.hpp"
#include "exemplar_svm/index.hpp"
#include "reference.hpp"

using namespace exemplar_svm;
using reference::Random;

namespace {

/// Rows on a line, so that distances are differences: row i is {x[i]}.
struct Line {
    std::vector<double> x, squared_norms;
    double largest = 0.0;

    explicit Line(std::vector<double> values) : x(std::move(values)) {
        for (const double v : x) {
            squared_norms.push_back(v * v);
            largest = std::max(largest, v * v);
        }
    }

    std::size_t certified(const std::vector<Ranked<double>>& ranking, std::size_t n_returned,
                          const ScoreError& error) const {
        return certified_ranks(ranking.data(), ranking.size(), n_returned, x.size(),
                               reference::view(x, 1), squared_norms.data(), largest, error);
    }
};

const ScoreError small_error{0.01, 0.001, 1.0};  // of a difference: 0.01 apart + 0.002

}  // namespace

TEST_CASE("the error of the weights is the root of the gap") {
    CHECK(weights_error_from_gap(0.25) == 0.5);
    CHECK(weights_error_from_gap(0.0) == 0.0);
    CHECK(weights_error_from_gap(-1e-20) == 0.0);
}

TEST_CASE("the error of a score grows with the norm of its row") {
    CHECK(small_error.bound(0.0) == Approx(0.011));
    CHECK(small_error.bound(3.0) == Approx(0.021));
}

TEST_CASE("clear leads are certified") {
    const Line line({1.0, 2.0, 3.0, 4.0});
    const std::vector<Ranked<double>> ranking{{9.0, 3}, {6.0, 2}, {3.0, 1}, {0.0, 0}};
    CHECK(line.certified(ranking, 4, small_error) == 4);
    CHECK(line.certified(ranking, 3, small_error) == 3);
    CHECK(line.certified(ranking, 0, small_error) == 0);
    CHECK(line.certified({{9.0, 3}, {6.0, 2}}, 1, small_error) == 1);
    CHECK(line.certified({{9.0, 3}, {6.0, 2}, {3.0, 1}}, 2, small_error) == 2);
}

TEST_CASE("a near tie of different rows ends the certified ranks") {
    const Line line({1.0, 2.0, 3.0, 4.0});
    // Rows 1 and 2 are 1 apart: the lead must exceed 0.012.
    CHECK(line.certified({{9.0, 3}, {6.0, 2}, {5.9881, 1}, {0.0, 0}}, 4, small_error) == 1);
    CHECK(line.certified({{9.0, 3}, {6.0, 2}, {5.9879, 1}, {0.0, 0}}, 4, small_error) == 4);
    CHECK(line.certified({{9.0, 3}, {8.999, 2}, {5.0, 1}, {0.0, 0}}, 4, small_error) == 0);
    CHECK(line.certified({{9.0, 3}, {6.0, 2}, {3.0, 1}, {2.999, 0}}, 4, small_error) == 2);
}

TEST_CASE("a near tie beyond the next place counts too") {
    // Rows 0 and 1 are equal, row 2 is far from them and scores nearly the same.
    const Line line({1.0, 1.0, 50.0, -60.0});
    CHECK(line.certified({{5.0, 0}, {5.0, 1}, {4.9, 2}, {0.0, 3}}, 4, small_error) == 0);
    CHECK(line.certified({{5.0, 0}, {5.0, 1}, {4.0, 2}, {0.0, 3}}, 4, small_error) == 4);
}

TEST_CASE("equal rows need no proof") {
    const Line line({2.0, 2.0, 2.0, 1.0});
    const std::vector<Ranked<double>> ranking{{5.0, 0}, {5.0, 1}, {5.0, 2}, {1.0, 3}};
    CHECK(line.certified(ranking, 4, small_error) == 4);
    CHECK(line.certified(ranking, 2, small_error) == 2);
}

TEST_CASE("rows outside the ranking may score as much as its last place") {
    // The ranking holds three of six rows. The others score at most as much as the third, and have
    // norms of at most 10; nothing else is known of them.
    const Line line({1.0, 2.0, 3.0, 4.0, 10.0, 0.0});
    const double own = small_error.bound(4.0 * 4.0), others = small_error.bound(100.0);
    const double enough = own + others;
    CHECK(line.certified({{5.0, 3}, {5.0 - 0.9 * enough, 2}, {5.0 - 0.95 * enough, 1}}, 2,
                         small_error) == 0);
    CHECK(line.certified({{5.0, 3}, {5.0 - 0.9 * enough, 2}, {5.0 - 1.05 * enough, 1}}, 2,
                         small_error) == 1);
    // Equal rows throughout: nothing rules out a better row elsewhere.
    const Line equal({1.0, 1.0, 1.0, 10.0});
    CHECK(equal.certified({{5.0, 0}, {5.0, 1}, {5.0, 2}}, 2, small_error) == 0);
}

TEST_CASE("without any error only ties are uncertain") {
    const Line line({1.0, 2.0, 3.0});
    const ScoreError none{};
    CHECK(line.certified({{3.0, 2}, {std::nextafter(3.0, 0.0), 1}, {1.0, 0}}, 3, none) == 3);
    CHECK(line.certified({{3.0, 1}, {3.0, 2}, {1.0, 0}}, 3, none) == 0);
}

TEST_CASE("an unbounded error certifies only ranks that hold whatever the scores") {
    const Line line({1.0, 2.0});
    const ScoreError unknown{reference::infinity, 0.0, 1.0};
    CHECK(line.certified({{9.0, 1}, {1.0, 0}}, 2, unknown) == 0);
    const ScoreError nan{std::nan(""), 0.0, 1.0};
    CHECK(line.certified({{9.0, 1}, {1.0, 0}}, 2, nan) == 0);
    const Line alone({1.0});
    CHECK(alone.certified({{9.0, 0}}, 1, unknown) == 1);
}

TEMPLATE_TEST_CASE("the score error bound holds for loosely solved problems", "", float, double) {
    using T = TestType;
    const Loss loss = GENERATE(Loss::squared_hinge, Loss::hinge);
    const bool center = GENERATE(false, true);
    const double tol = GENERATE(0.1, 1e-2, 1e-4);
    Random random(1);
    for (int repetition = 0; repetition < 8; ++repetition) {
        reference::TestData<T> data(60, 7, 1 + random.below(3), random);
        IndexSettings settings;
        settings.loss = loss;
        settings.center = center;
        settings.search.C = repetition % 2 == 0 ? 0.1 : 3.0;
        settings.search.prior = repetition % 4 == 0 ? 0.5 : 0.0;
        settings.search.solver.tol = tol;
        const Index<T> index(reference::view(data.rows, data.d), settings);
        Workspace<T> workspace(index, data.n, data.p);
        std::vector<T> scores(data.n);
        const auto report = index.fit(reference::view(data.positives, data.d), settings.search,
                                      workspace, scores.data());

        if (center) data.center();
        Problem<T> problem = data.problem();
        problem.loss = loss;
        problem.prior = settings.search.prior;
        const auto n = static_cast<double>(data.n), p = static_cast<double>(data.p);
        problem.cost = settings.search.C * (n + p) / (2.0 * n);
        problem.example_cost = settings.search.C * (n + p) / (2.0 * p);
        const auto samples = reference::samples_of(problem);
        const auto weights =
            reference::weights_of(samples, reference::solve_slowly(samples, 1e-13));
        double worst = 0.0;
        for (std::size_t i = 0; i < data.n; ++i) {
            worst = std::max(worst, std::abs(static_cast<double>(scores[i]) -
                                             reference::dot(weights, samples.x[i])));
        }
        CAPTURE(static_cast<int>(loss), center, tol, repetition);
        CHECK(worst <= report.score_error_bound + 1e-12);  // the reference's own error
    }
}
