// Bounds on present scores from a scan under other weights: no row that matters may be missed.

#include "search/scanned_scores.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "exemplar_svm/scan.hpp"
#include "problem/optimality.hpp"
#include "reference.hpp"

using namespace exemplar_svm;
using reference::Random;
using reference::TestData;

namespace {

constexpr std::size_t n = 700, d = 24;

template <Real T>
Weights<T> random_weights(Random& random, double scale) {
    Weights<T> weights{random.normals<T>(d), random.normal()};
    for (T& w : weights.coef) w *= static_cast<T>(scale);
    return weights;
}

template <Real T>
void move(Weights<T>& weights, double step, Random& random) {
    for (T& w : weights.coef) w += static_cast<T>(step * random.normal());
    weights.intercept += step * random.normal();
}

template <Real T>
double score(const TestData<T>& data, std::size_t i, const Weights<T>& weights) {
    double sum = weights.intercept;
    for (std::size_t c = 0; c < d; ++c) {
        sum += static_cast<double>(data.rows[i * d + c]) * static_cast<double>(weights.coef[c]);
    }
    return sum;
}

/// Drops the last of several tasks, as a stop does.
struct LastTaskDropped {
    void run(std::size_t n_tasks, Task task, void* context) const noexcept {
        SerialExecutor{}.run(n_tasks - 1, task, context);
    }
};

}  // namespace

TEMPLATE_TEST_CASE("no row that reaches a threshold under moved weights is missed", "", float,
                   double) {
    using T = TestType;
    const bool center = GENERATE(false, true), sketches = GENERATE(false, true);
    const double step = GENERATE(0.0, 0.01, 0.3);
    const Loss loss = GENERATE(Loss::squared_hinge, Loss::hinge);
    CAPTURE(center, sketches, step, static_cast<int>(loss));
    Random random(5);
    TestData<T> data(n, d, 1, random);
    if (center) data.center();
    Problem<T> problem = data.problem();
    problem.loss = loss;
    problem.cost = 0.3;
    const Sketch<T> sketch = sketches ? Sketch<T>(problem.rows, SerialExecutor{}) : Sketch<T>{};
    double max_error = 0.0;
    for (std::size_t i = 0; sketches && i < n; ++i) {
        max_error = std::max(max_error, static_cast<double>(sketch.error(i)));
    }
    Weights<T> weights = random_weights<T>(random, 0.2);
    ScanScratch<T> scratch(problem.rows);
    std::vector<T> scores(n);
    ScannedScores<T> scanned(problem, sketch, max_error, weights, scratch, scores.data());
    CHECK_FALSE(scanned.have_all_rows());
    CHECK(scanned.collect(-100.0, nullptr).empty());  // nothing has been scanned
    ScannedScores<T>* const alone[] = {&scanned};
    scan_rows(alone, 1, SerialExecutor{}, StopCondition{});
    REQUIRE(scanned.have_all_rows());

    std::vector<std::uint8_t> mask(n);
    for (auto& byte : mask) byte = random.chance(0.7) ? std::uint8_t{1} : std::uint8_t{0};
    const RowIndex left_out = 17;
    scanned.leave_out(left_out);
    move(weights, step, random);
    std::size_t n_collected = 0, n_reaching = 0;
    for (const double threshold : {-1.0, 0.0, 1.0}) {
        const auto rows = scanned.collect_reaching(threshold, mask.data());
        n_collected += rows.size();
        CHECK(std::ranges::is_sorted(rows));
        for (const RowIndex row : rows) REQUIRE((mask[row] != 0 && row != left_out));
        for (std::size_t i = 0; i < n; ++i) {
            if (mask[i] == 0 || i == left_out || score(data, i, weights) <= threshold) continue;
            ++n_reaching;
            REQUIRE(std::ranges::binary_search(rows, static_cast<RowIndex>(i)));
        }
    }
    CHECK(n_reaching > 100);
    if (step == 0.0) CHECK(n_collected <= n_reaching + (sketches ? 60 : 0));

    double expected = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
        if (mask[i] == 0 || i == left_out) continue;
        expected += loss_term(loss, problem.cost, 1.0 + score(data, i, weights));
    }
    const double bound = scanned.loss_at_most(mask.data());
    CHECK(bound >= expected);
    if (step == 0.0) CHECK(bound <= 1.1 * expected);

    std::vector<RowIndex> some{3, 500, 8};
    std::vector<T> found(some.size());
    scanned.score(some, SerialExecutor{}, found.data());
    for (std::size_t s = 0; s < some.size(); ++s) {
        CHECK(static_cast<double>(found[s]) == Approx(score(data, some[s], weights)).margin(1e-4));
    }
}

TEMPLATE_TEST_CASE("rows of blocks that were not scanned count as losses, and are not collected",
                   "", float, double) {
    using T = TestType;
    Random random(6);
    constexpr std::size_t many = 20'000;  // in several blocks
    TestData<T> data(many, d, 1, random);
    Problem<T> problem = data.problem();
    problem.cost = 0.3;
    REQUIRE(row_blocks(problem.rows).count() > 2);
    const Sketch<T> no_sketch;
    const Weights<T> weights = random_weights<T>(random, 0.2);
    ScanScratch<T> scratch(problem.rows);
    std::vector<T> scores(many);
    ScannedScores<T> scanned(problem, no_sketch, 0.0, weights, scratch, scores.data());
    ScannedScores<T>* const alone[] = {&scanned};
    scan_rows(alone, 1, LastTaskDropped{}, StopCondition{});
    CHECK_FALSE(scanned.have_all_rows());
    const RowBlocks blocks = row_blocks(problem.rows);
    for (const RowIndex row : scanned.collect(-100.0, nullptr)) {
        REQUIRE(row < blocks.begin(blocks.count() - 1));
    }
    double expected = 0.0;
    for (std::size_t i = 0; i < many; ++i) {
        expected += loss_term(problem.loss, problem.cost, 1.0 + score(data, i, weights));
    }
    CHECK(scanned.loss_at_most(nullptr) >= expected);
}
