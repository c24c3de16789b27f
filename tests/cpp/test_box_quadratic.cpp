#include "solve/box_quadratic.hpp"

#include <vector>

#include "catch.hpp"
#include "reference.hpp"

using namespace exemplar_svm;
using reference::Random;

namespace {

struct Case {
    std::vector<std::vector<double>> q;
    std::vector<double> gradient, lowest, highest;

    std::size_t size() const { return gradient.size(); }

    double value(const std::vector<double>& step) const {
        double sum = 0.0;
        for (std::size_t i = 0; i < size(); ++i) {
            sum += step[i] * (gradient[i] + 0.5 * reference::dot(q[i], step));
        }
        return sum;
    }
    bool feasible(const std::vector<double>& step) const {
        for (std::size_t i = 0; i < size(); ++i) {
            if (!(step[i] >= lowest[i] && step[i] <= highest[i])) return false;
        }
        return true;
    }
    double violation(const std::vector<double>& step) const {
        double largest = 0.0;
        for (std::size_t i = 0; i < size(); ++i) {
            largest =
                std::max(largest, reference::violation(gradient[i] + reference::dot(q[i], step),
                                                       step[i], lowest[i], highest[i]));
        }
        return largest;
    }
};

/// q = sum of `rank` outer products, plus `ridge` on the diagonal. Some bounds are infinite, and
/// some are at the start of the step.
Case random_case(std::size_t m, std::size_t rank, double ridge, Random& random) {
    Case c;
    c.q.assign(m, std::vector<double>(m));
    for (std::size_t r = 0; r < rank; ++r) {
        const auto x = random.normals<double>(m);
        for (std::size_t i = 0; i < m; ++i) {
            for (std::size_t j = 0; j < m; ++j) c.q[i][j] += x[i] * x[j];
        }
    }
    c.gradient = random.normals<double>(m);
    for (std::size_t i = 0; i < m; ++i) {
        c.q[i][i] += ridge;
        c.lowest.push_back(random.chance(0.3) ? 0.0 : -random.uniform());
        c.highest.push_back(random.chance(0.3) ? reference::infinity : random.uniform());
    }
    return c;
}

struct Outcome {
    bool exact;
    std::vector<double> step;
};

Outcome minimised(const Case& c) {
    const std::size_t m = c.size();
    std::vector<double> matrix, diagonal, scratch(3 * m), step(m, 7.0);
    for (std::size_t i = 0; i < m; ++i) {
        matrix.insert(matrix.end(), c.q[i].begin(), c.q[i].end());
        diagonal.push_back(c.q[i][i]);
    }
    // The lower triangle is scratch: its contents must not matter.
    for (std::size_t i = 0; i < m; ++i) {
        for (std::size_t j = 0; j < i; ++j) matrix[i * m + j] = 1e300;
    }
    std::vector<std::size_t> order(m);
    const BoxQuadratic quadratic{m,
                                 matrix.data(),
                                 diagonal.data(),
                                 c.gradient.data(),
                                 c.lowest.data(),
                                 c.highest.data(),
                                 scratch.data(),
                                 order.data()};
    const bool exact = minimise(quadratic, step.data());
    return {exact, step};
}

}  // namespace

TEST_CASE("a step is feasible, never worse than none, and exact where it claims to be") {
    Random random(1);
    int n_cases = 0, n_exact = 0;
    for (std::size_t m = 1; m <= 40; ++m) {
        for (int repetition = 0; repetition < 5; ++repetition) {
            const Case c = random_case(m, m, repetition < 3 ? 1.0 : 0.05, random);
            const auto [exact, step] = minimised(c);
            CAPTURE(m, repetition, exact);
            CHECK(c.feasible(step));
            CHECK(c.value(step) <= 0.0);
            ++n_cases;
            if (!exact) continue;
            ++n_exact;
            const auto slow =
                reference::minimise_slowly(c.q, c.gradient, c.lowest, c.highest, 1e-11);
            CHECK(c.violation(step) < 1e-8);
            CHECK(std::abs(c.value(step) - c.value(slow)) < 1e-9);
            CHECK(reference::distance(step, slow) < 1e-7);
        }
    }
    CAPTURE(n_cases);
    CHECK(n_exact > n_cases / 2);
}

TEST_CASE("without bounds the step is the Newton step") {
    Random random(2);
    for (const std::size_t m : {1u, 2u, 17u, 40u}) {
        Case c = random_case(m, m, 0.5, random);
        c.lowest.assign(m, -reference::infinity);
        c.highest.assign(m, reference::infinity);
        const auto [exact, step] = minimised(c);
        CHECK(exact);
        CHECK(c.violation(step) < 1e-9);
    }
}

TEST_CASE("a start at the optimum stays there") {
    Random random(3);
    Case c = random_case(6, 6, 1.0, random);
    for (std::size_t i = 0; i < 6; ++i) {
        c.lowest[i] = 0.0;
        c.gradient[i] = std::abs(c.gradient[i]);
    }
    const auto [exact, step] = minimised(c);
    CHECK(exact);
    CHECK(step == std::vector<double>(6, 0.0));
}

TEST_CASE("a singular matrix is reported, and its step is feasible and not worse than none") {
    Random random(4);
    for (std::size_t m = 2; m <= 20; ++m) {
        Case c = random_case(m, 0, 0.0, random);
        for (std::size_t i = 0; i < m; ++i) {  // all samples equal
            c.q[i].assign(m, 4.0);
            c.lowest[i] = -1.0;
            c.highest[i] = 1.0;
        }
        const auto [exact, step] = minimised(c);
        CAPTURE(m);
        CHECK_FALSE(exact);
        CHECK(c.feasible(step));
        CHECK(c.value(step) <= 0.0);
    }
    for (std::size_t m = 2; m <= 30; ++m) {  // of half rank
        const Case c = random_case(m, m / 2, 0.0, random);
        const auto [exact, step] = minimised(c);
        CAPTURE(m, exact);
        CHECK(c.feasible(step));
        CHECK(c.value(step) <= 0.0);
        if (exact) CHECK(c.violation(step) < 1e-6);
    }
}
