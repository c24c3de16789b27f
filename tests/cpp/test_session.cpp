// Sessions: a step equals a fresh search, whatever came before.

#include "exemplar_svm/session.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "clustered_data.hpp"
#include "reference.hpp"
#include "threads_executor.hpp"

using namespace exemplar_svm;
using reference::ClusteredData;
using reference::Random;

namespace {

struct Way {
    Method method;
    SketchType of_index, of_session;
};

const auto every_way = {Way{Method::full, SketchType::none, SketchType::int8},
                        Way{Method::working_set, SketchType::none, SketchType::none},
                        Way{Method::working_set, SketchType::none, SketchType::int8},
                        Way{Method::working_set, SketchType::int8, SketchType::int8},
                        Way{Method::gram, SketchType::none, SketchType::none}};

template <Real T>
struct Answer {
    std::vector<T> scores;
    std::vector<RowNumber> rows;
    SearchReport report;

    explicit Answer(std::size_t k) : scores(k), rows(k) {}
};

template <Real T>
void require_equal(const Answer<T>& step, const Answer<T>& fresh) {
    REQUIRE(step.report.status == fresh.report.status);
    const double bound = step.report.score_error_bound + fresh.report.score_error_bound;
    const std::size_t certified = std::min(step.report.certified_k, fresh.report.certified_k);
    for (std::size_t r = 0; r < step.rows.size(); ++r) {
        CAPTURE(r, step.rows[r], fresh.rows[r], step.scores[r], fresh.scores[r]);
        if (r < certified) REQUIRE(step.rows[r] == fresh.rows[r]);
        REQUIRE((step.rows[r] == -1) == (fresh.rows[r] == -1));
        if (step.rows[r] == -1) continue;
        REQUIRE(std::abs(static_cast<double>(step.scores[r]) -
                         static_cast<double>(fresh.scores[r])) <= bound);
    }
}

}  // namespace

TEMPLATE_TEST_CASE("a step of a session equals a fresh search", "", float, double) {
    using T = TestType;
    constexpr std::size_t k = 25;
    const Loss loss = GENERATE(Loss::squared_hinge, Loss::hinge);
    const bool center = GENERATE(false, true);
    const std::size_t n = GENERATE(as<std::size_t>{}, 60, 2000);
    Random random(51);
    const ClusteredData<T> data(n, 20, 4, random);
    for (const Way& way : every_way) {
        IndexSettings settings;
        settings.method = way.method;
        settings.sketch = way.of_index;
        settings.loss = loss;
        settings.center = center;
        const Index<T> index(data.view(), settings);
        CAPTURE(static_cast<int>(way.method), static_cast<int>(way.of_index),
                static_cast<int>(way.of_session), static_cast<int>(loss), center, n);
        Session<T> session(index, k, 40, way.of_session);
        Workspace<T> workspace(index, k, 40);
        std::vector<T> positives, negatives;
        std::vector<RowNumber> positive_rows, negative_rows;
        for (std::size_t step = 0; step < 10; ++step) {
            const auto row = static_cast<RowNumber>(random.below(n));
            std::erase(positive_rows, row);
            std::erase(negative_rows, row);
            const std::size_t j = random.below(4);
            const std::span<const T> vector(data.positives.data() + j * data.d, data.d);
            if (step == 0 || random.chance(0.3)) {
                REQUIRE(session.like(vector));
                positives.insert(positives.end(), vector.begin(), vector.end());
                session.forget(row);
            } else if (random.chance(0.5)) {
                REQUIRE(session.like(row));
                positive_rows.push_back(row);
            } else {
                REQUIRE(session.dislike(row));
                negative_rows.push_back(row);
            }
            Query<T> query;
            query.positives = reference::view(positives, data.d);
            query.positive_rows = positive_rows;
            query.negative_rows = negative_rows;
            Answer<T> found(k), fresh(k);
            found.report = session.search(k, found.scores.data(), found.rows.data());
            fresh.report = index.search(query, k, settings.search, workspace, fresh.scores.data(),
                                        fresh.rows.data());
            CAPTURE(step);
            require_equal(found, fresh);
        }
    }
}

TEST_CASE("a step starts from the last solution") {
    Random random(52);
    const ClusteredData<float> data(6000, 32, 1, random);
    for (const Method method : {Method::full, Method::working_set}) {
        IndexSettings settings;
        settings.method = method;
        const Index<float> index(data.view(), settings);
        Session<float> session(index, 10, 4);
        Answer<float> first(10), again(10);
        REQUIRE(session.like(std::span(data.positives)));
        first.report = session.search(10, first.scores.data(), first.rows.data());
        again.report = session.search(10, again.scores.data(), again.rows.data());
        CHECK(again.report.epochs < first.report.epochs);
        require_equal(again, first);
        if (method == Method::working_set) {
            CHECK(again.report.profile.gather < first.report.profile.gather);
        }
    }
}

TEST_CASE("a stopped step has a valid bound, and the next step converges") {
    constexpr std::size_t k = 10;
    Random random(53);
    const ClusteredData<double> data(4000, 32, 1, random);
    IndexSettings settings;
    settings.method = GENERATE(Method::full, Method::working_set, Method::gram);
    const Index<double> index(data.view(), settings);
    Session<double> session(index, k, 40);
    Workspace<double> workspace(index, k, 40);
    std::vector<RowNumber> liked;
    std::vector<double> exact(data.n);
    for (std::size_t step = 0; step < 25; ++step) {
        liked.push_back(static_cast<RowNumber>(7 * step));
        REQUIRE(session.like(liked.back()));
        Query<double> query;
        query.positive_rows = liked;
        Answer<double> found(k), fresh(k);
        const auto stop = StopCondition::after(std::chrono::microseconds(step * step * 5));
        found.report = session.search({}, k, settings.search, found.scores.data(),
                                      found.rows.data(), SerialExecutor{}, stop);
        const auto fitted = index.fit(query, settings.search, workspace, exact.data());
        const double bound = found.report.score_error_bound + fitted.score_error_bound;
        for (std::size_t r = 0; r < k && found.rows[r] >= 0; ++r) {
            const auto row = static_cast<std::size_t>(found.rows[r]);
            REQUIRE(std::abs(found.scores[r] - exact[row]) <= bound);
        }
        found.report = session.search(k, found.scores.data(), found.rows.data());
        fresh.report = index.search(query, k, settings.search, workspace, fresh.scores.data(),
                                    fresh.rows.data());
        require_equal(found, fresh);
    }
}

TEST_CASE("after a refresh a session knows nothing of the rows before") {
    constexpr std::size_t k = 10;
    Random random(54);
    ClusteredData<float> data(3000, 24, 1, random);
    IndexSettings settings;
    settings.method = Method::working_set;
    Index<float> index(data.view(), settings);
    Session<float> session(index, k, 2);
    REQUIRE(session.like(std::span(data.positives)));
    Answer<float> found(k), fresh(k);
    session.search(k, found.scores.data(), found.rows.data());
    CHECK_FALSE(session.is_outdated());

    const ClusteredData<float> other(3000, 24, 1, random);
    data.rows = std::vector<float>(other.rows);
    index = Index<float>(data.view(), settings);
    CHECK(session.is_outdated());
    const bool renews = GENERATE(false, true);
    if (renews) session.renew();
    Workspace<float> workspace(index, k, 2);
    fresh.report =
        index.search(data.positives.data(), k, workspace, fresh.scores.data(), fresh.rows.data());
    for (int step = 0; step < 2; ++step) {
        found.report = session.search(k, found.scores.data(), found.rows.data());
        require_equal(found, fresh);
    }

    const ClusteredData<float> more(4000, 24, 1, random);
    index = Index<float>(more.view(), settings);
    found.report = session.search(k, found.scores.data(), found.rows.data());
    CHECK(found.report.status == SearchStatus::invalid_input);
    session.renew();
    found.report = session.search(k, found.scores.data(), found.rows.data());
    CHECK(found.report.status == SearchStatus::converged);
}

TEST_CASE("making room keeps the last solution") {
    Random random(55);
    const ClusteredData<float> data(3000, 24, 1, random);
    const Index<float> index(data.view());
    Session<float> session(index, 5, 1), usual(index, 50, 8);
    Answer<float> found(50), expected(50);
    for (Session<float>* each : {&session, &usual}) {
        REQUIRE(each->like(std::span(data.positives)));
        each->search(5, found.scores.data(), found.rows.data());
    }
    CHECK_FALSE(session.like(RowNumber{3}));
    session.reserve(50, 8);
    CHECK(session.max_examples() == 8);
    for (Session<float>* each : {&session, &usual}) REQUIRE(each->like(RowNumber{3}));
    found.report = session.search(50, found.scores.data(), found.rows.data());
    expected.report = usual.search(50, expected.scores.data(), expected.rows.data());
    CHECK(found.scores == expected.scores);
    CHECK(found.rows == expected.rows);
    CHECK(found.report.epochs == expected.report.epochs);
}

TEST_CASE("an example that is refused leaves the session as it was") {
    Random random(56);
    const ClusteredData<float> data(100, 4, 1, random);
    const Index<float> index(data.view());
    Session<float> session(index, 3, 2);
    const float nan[] = {0.0f, std::numeric_limits<float>::quiet_NaN(), 0.0f, 0.0f};
    const float large[] = {3e38f, 3e38f, 0.0f, 0.0f};
    const float vector[] = {1.0f, 0.0f, 0.0f, 0.0f};
    Answer<float> found(3);
    CHECK(session.search(3, found.scores.data(), found.rows.data()).status ==
          SearchStatus::invalid_input);
    CHECK_FALSE(session.like(std::span<const float>(nan)));
    CHECK_FALSE(session.dislike(std::span<const float>(large)));
    CHECK_FALSE(session.like(std::span<const float>(vector, 3)));
    CHECK_FALSE(session.like(RowNumber{100}));
    CHECK_FALSE(session.like(RowNumber{-1}));
    CHECK_FALSE(session.like(RowNumber{1}, 0.0));
    CHECK_FALSE(session.forget(RowNumber{1}));
    CHECK_FALSE(session.forget(std::span<const float>(vector)));
    CHECK(session.n_positives() + session.n_negatives() == 0);

    CHECK(session.like(RowNumber{1}));
    CHECK(session.like(std::span<const float>(vector)));
    CHECK_FALSE(session.dislike(RowNumber{2}));  // full,
    CHECK(session.dislike(RowNumber{1}));        // but this row is already an example
    CHECK(session.n_positives() == 1);
    CHECK(session.n_negatives() == 1);
    CHECK(session.search(3, found.scores.data(), found.rows.data()).status ==
          SearchStatus::converged);
    CHECK(session.forget(std::span<const float>(vector)));
    CHECK(session.search(3, found.scores.data(), found.rows.data()).status ==
          SearchStatus::invalid_input);
}

TEST_CASE("sessions that begin at the same time share one sketch") {
    Random random(57);
    const ClusteredData<float> data(2000, 16, 1, random);
    const Index<float> index(data.view());
    std::vector<std::size_t> bytes(4);
    const reference::ThreadsExecutor threads{4};
    for_each_block(threads, RowBlocks::one_by_one(4),
                   [&](std::size_t, std::size_t, std::size_t q) noexcept {
                       const Session<float> session(index, 1, 1);
                       bytes[q] = index.memory_usage().sketch;
                   });
    CHECK(bytes[0] > data.rows.size());
    CHECK(std::ranges::count(bytes, bytes[0]) == 4);
}
