#include "solve/example_block.hpp"

#include <memory>
#include <vector>

#include "catch.hpp"
#include "reference.hpp"

using namespace exemplar_svm;
using reference::Random;

namespace {

constexpr double tolerance = 1e-9;

/// A dual problem with positives in a block and rows outside it. All gradients are computed from
/// scratch, from the dual coefficients.
struct World {
    std::vector<std::vector<double>> positives, rows;
    std::vector<double> y, row_dual;
    double row_diagonal, row_upper;
    std::vector<double> diagonal, upper;
    std::unique_ptr<ExampleBlock> block = std::make_unique<ExampleBlock>();

    World(std::size_t p, std::size_t n, std::size_t d, bool hinge, Random& random)
        : y(n),
          row_dual(n),
          row_diagonal(hinge ? 0.0 : 2.0),
          row_upper(hinge ? 0.7 : reference::infinity) {
        for (std::size_t j = 0; j < p; ++j) positives.push_back(sample(d, random));
        for (std::size_t i = 0; i < n; ++i) {
            rows.push_back(sample(d, random));
            y[i] = random.chance(0.2) ? 1.0 : -1.0;
        }
        for (std::size_t j = 0; j < p; ++j) {
            diagonal.push_back(hinge ? 0.0 : random.uniform(0.05, 2.0));
            upper.push_back(hinge ? random.uniform(0.01, 2.0) : reference::infinity);
        }
    }

    static std::vector<double> sample(std::size_t d, Random& random) {
        std::vector<double> x = random.normals<double>(d);
        for (double& v : x) v += 0.5;
        return x;
    }

    void reset() {
        std::vector<double> gram;
        for (const auto& a : positives) {
            for (const auto& b : positives) gram.push_back(reference::dot(a, b));
        }
        block->reset(positives.size(), gram.data(), diagonal.data(), upper.data());
    }

    std::vector<double> products(std::size_t i) const {
        std::vector<double> k;
        for (const auto& positive : positives) k.push_back(reference::dot(rows[i], positive));
        return k;
    }
    std::vector<double> weights() const {
        std::vector<double> w(positives[0].size());
        for (std::size_t c = 0; c < w.size(); ++c) {
            for (std::size_t j = 0; j < positives.size(); ++j) {
                w[c] += block->dual(j) * positives[j][c];
            }
            for (std::size_t i = 0; i < rows.size(); ++i) w[c] += row_dual[i] * y[i] * rows[i][c];
        }
        return w;
    }
    double positive_gradient(std::size_t j) const {
        return reference::dot(weights(), positives[j]) - 1.0 + diagonal[j] * block->dual(j);
    }
    double row_gradient(std::size_t i) const {
        return y[i] * reference::dot(weights(), rows[i]) - 1.0 + row_diagonal * row_dual[i];
    }
    double positive_violation(std::size_t j) const {
        const bool feasible =
            block->dual(j) >= -tolerance && block->dual(j) <= upper[j] + tolerance;
        return feasible ? reference::violation(positive_gradient(j), block->dual(j), 0.0, upper[j])
                        : reference::infinity;
    }
    double row_violation(std::size_t i) const {
        return reference::violation(row_gradient(i), row_dual[i], 0.0, row_upper);
    }
    double member_violation() const {
        double largest = 0.0;
        for (std::size_t j = 0; j < positives.size(); ++j) {
            if (block->is_member(j)) largest = std::max(largest, positive_violation(j));
        }
        return largest;
    }
    double violation() const {
        double largest = 0.0;
        for (std::size_t j = 0; j < positives.size(); ++j) {
            largest = std::max(largest, positive_violation(j));
        }
        for (std::size_t i = 0; i < rows.size(); ++i) largest = std::max(largest, row_violation(i));
        return largest;
    }

    void optimise() {
        std::vector<double> gradients;
        for (std::size_t j = 0; j < positives.size(); ++j)
            gradients.push_back(positive_gradient(j));
        block->optimise(gradients.data());
    }

    /// Moves a row; the members follow.
    void step_row(std::size_t i) {
        const double square = reference::dot(rows[i], rows[i]);
        Coordinate own{row_gradient(i), square + row_diagonal,  row_diagonal, y[i],
                       -row_dual[i],    row_upper - row_dual[i]};
        const double step = block->minimise(own, products(i).data());
        row_dual[i] = own.lowest_step >= 0.0    ? 0.0
                      : own.highest_step <= 0.0 ? row_upper
                                                : row_dual[i] + step;
        CHECK(std::abs(own.gradient - row_gradient(i)) < tolerance);
    }

    /// The same for a positive that is not a member.
    void step_positive(std::size_t j) {
        const double* k = block->gram_row(j);
        const double dual = block->dual(j);
        Coordinate own{positive_gradient(j), k[j] + diagonal[j], diagonal[j], 1.0, -dual,
                       upper[j] - dual};
        const double step = block->minimise(own, k);
        block->set_outside(j, std::clamp(dual + step, 0.0, upper[j]));
    }

    /// The value of the dual (to be minimised) at given coefficients, the positives' first.
    double value(const std::vector<double>& dual) const {
        const auto [q, g, lowest, highest] = quadratic();
        double sum = 0.0;
        for (std::size_t i = 0; i < dual.size(); ++i) {
            sum += dual[i] * (g[i] + 0.5 * reference::dot(q[i], dual));
        }
        return sum;
    }
    std::vector<double> dual() const {
        std::vector<double> all;
        for (std::size_t j = 0; j < positives.size(); ++j) all.push_back(block->dual(j));
        all.insert(all.end(), row_dual.begin(), row_dual.end());
        return all;
    }
    std::vector<double> slow_minimum() const {
        const auto [q, g, lowest, highest] = quadratic();
        return reference::minimise_slowly(q, g, lowest, highest);
    }

  private:
    struct Quadratic {
        std::vector<std::vector<double>> q;
        std::vector<double> g, lowest, highest;
    };

    Quadratic quadratic() const {
        const std::size_t p = positives.size(), m = p + rows.size();
        const auto x = [&](std::size_t i) { return i < p ? positives[i] : rows[i - p]; };
        const auto sign = [&](std::size_t i) { return i < p ? 1.0 : y[i - p]; };
        Quadratic quadratic{std::vector<std::vector<double>>(m, std::vector<double>(m)),
                            std::vector<double>(m, -1.0), std::vector<double>(m, 0.0), upper};
        quadratic.highest.resize(m, row_upper);
        for (std::size_t i = 0; i < m; ++i) {
            for (std::size_t j = 0; j < m; ++j) {
                quadratic.q[i][j] = sign(i) * sign(j) * reference::dot(x(i), x(j));
            }
            quadratic.q[i][i] += i < p ? diagonal[i] : row_diagonal;
        }
        return quadratic;
    }
};

enum class Kind { squared_hinge, hinge, hinge_with_repeats };

World random_world(std::size_t p, std::size_t n, Kind kind, Random& random) {
    World world(p, n, 4 + random.below(5), kind != Kind::squared_hinge, random);
    if (kind == Kind::hinge_with_repeats && p > 1) {
        world.positives.back() = world.positives.front();
        if (p > 3) {
            for (double& v : world.positives[1]) v = 0.0;
        }
    }
    world.reset();
    return world;
}

}  // namespace

TEST_CASE("optimise makes all positives jointly optimal") {
    const Kind kind = GENERATE(Kind::squared_hinge, Kind::hinge, Kind::hinge_with_repeats);
    Random random(1);
    for (std::size_t p = 1; p <= 6; ++p) {
        for (int repetition = 0; repetition < 30; ++repetition) {
            World world = random_world(p, 0, kind, random);
            CAPTURE(static_cast<int>(kind), p, repetition);
            world.optimise();
            const auto dual = world.dual(), slow = world.slow_minimum();
            CHECK(world.violation() < tolerance);
            CHECK(std::abs(world.value(dual) - world.value(slow)) < tolerance);
            if (kind == Kind::squared_hinge) {
                CHECK(reference::distance(dual, slow) < tolerance);
                for (std::size_t j = 0; j < p; ++j) CHECK(world.block->is_member(j));
            }
            world.optimise();  // from the optimum
            CHECK(world.violation() < tolerance);
            for (std::size_t j = 0; j < p; ++j) {
                world.block->set_outside(j, random.uniform(0.0, std::min(world.upper[j], 5.0)));
            }
            world.optimise();  // from anywhere
            CHECK(world.violation() < tolerance);
        }
    }
}

TEST_CASE("the members stay optimal while other coordinates move to their minimum") {
    const Kind kind = GENERATE(Kind::squared_hinge, Kind::hinge, Kind::hinge_with_repeats);
    Random random(2);
    for (std::size_t p = 1; p <= 6; ++p) {
        for (int repetition = 0; repetition < 8; ++repetition) {
            World world = random_world(p, 10, kind, random);
            CAPTURE(static_cast<int>(kind), p, repetition);
            world.optimise();
            double worst_member = 0.0, worst_row = 0.0;
            for (int step = 0; step < 60; ++step) {
                const std::size_t i = random.below(world.rows.size());
                world.step_row(i);
                worst_member = std::max(worst_member, world.member_violation());
                worst_row = std::max(worst_row, world.row_violation(i));
            }
            CHECK(worst_member < tolerance);
            CHECK(worst_row < tolerance);
        }
    }
}

TEST_CASE("steps on all outside coordinates end at the joint optimum") {
    const Kind kind = GENERATE(Kind::squared_hinge, Kind::hinge, Kind::hinge_with_repeats);
    Random random(3);
    for (std::size_t p = 1; p <= 6; ++p) {
        for (int repetition = 0; repetition < 4; ++repetition) {
            World world = random_world(p, 8, kind, random);
            CAPTURE(static_cast<int>(kind), p, repetition);
            world.optimise();
            for (int epoch = 0; epoch < 3000 && world.violation() > 1e-10; ++epoch) {
                for (std::size_t i = 0; i < world.rows.size(); ++i) world.step_row(i);
                for (std::size_t j = 0; j < p; ++j) {
                    if (!world.block->is_member(j)) world.step_positive(j);
                }
                if (epoch % 20 == 19) world.optimise();
            }
            CHECK(world.violation() < tolerance);
            CHECK(std::abs(world.value(world.dual()) - world.value(world.slow_minimum())) < 1e-7);
        }
    }
}

TEST_CASE("pending changes are those since the last fold") {
    Random random(4);
    World world = random_world(3, 5, Kind::squared_hinge, random);
    world.optimise();
    world.block->fold();
    const auto before = world.dual();
    world.step_row(0);
    const std::vector<double> k = world.products(1);
    double score = 0.0;
    for (std::size_t j = 0; j < 3; ++j) {
        CHECK(world.block->pending(j) == world.block->dual(j) - before[j]);
        score += world.block->pending(j) * k[j];
    }
    CHECK(world.block->pending_score(k.data()) == Approx(score));
    world.block->fold();
    CHECK(world.block->pending_score(k.data()) == 0.0);
}

TEST_CASE("a positive whose coefficient is set from outside leaves the block") {
    Random random(5);
    World world = random_world(3, 0, Kind::hinge, random);
    world.optimise();
    REQUIRE(world.block->is_member(1));
    world.block->set_outside(1, 0.005);
    CHECK_FALSE(world.block->is_member(1));
    CHECK(world.block->dual(1) == 0.005);
    world.optimise();
    CHECK(world.violation() < tolerance);
}
