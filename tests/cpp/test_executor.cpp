#include "exemplar_svm/executor.hpp"

#include <algorithm>
#include <atomic>
#include <vector>

#include "catch.hpp"
#include "exemplar_svm/scan.hpp"
#include "reference.hpp"
#include "threads_executor.hpp"

using namespace exemplar_svm;
using reference::Random;
using reference::ThreadsExecutor;

namespace {

template <class Check>
void for_every_executor(Check check) {
    check(SerialExecutor{});
    for (const int n_threads : {0, 1, 2, 5}) {
        CAPTURE(n_threads);
        check(OpenMpExecutor{n_threads});
    }
    check(ThreadsExecutor{3});
    const OpenMpExecutor borrowed{2};
    check(ExecutorRef{borrowed});
}

}  // namespace

TEST_CASE("every task is called exactly once") {
    for_every_executor([](ExecutorRef executor) {
        for (const std::size_t n_tasks : {0u, 1u, 2u, 7u, 1000u}) {
            std::vector<std::atomic<int>> calls(n_tasks);
            executor.run(
                n_tasks,
                [](void* context, std::size_t i) noexcept {
                    ++(*static_cast<std::vector<std::atomic<int>>*>(context))[i];
                },
                &calls);
            CHECK(std::all_of(calls.begin(), calls.end(), [](const auto& n) { return n == 1; }));
        }
    });
}

TEST_CASE("blocks cover all rows once and in order, whatever the shape") {
    Random random(1);
    for (int repetition = 0; repetition < 2000; ++repetition) {
        const std::size_t n_rows = random.below(repetition % 2 == 0 ? 50 : 100000);
        const std::size_t row_bytes = random.below(repetition % 3 == 0 ? 10 : 1000000);
        const RowBlocks blocks(n_rows, row_bytes);
        bool consecutive = true;
        std::size_t end = 0;
        for (std::size_t block = 0; block < blocks.count(); ++block) {
            consecutive = consecutive && blocks.begin(block) == end && blocks.end(block) > end;
            end = blocks.end(block);
        }
        CAPTURE(n_rows, row_bytes);
        CHECK(consecutive);
        CHECK(end == n_rows);
    }
    CHECK(RowBlocks(0, 0).count() == 0);
}

TEST_CASE("for_each_block visits every row exactly once on every executor") {
    for_every_executor([](ExecutorRef executor) {
        for (const std::size_t n_rows : {0u, 1u, 15u, 16u, 17u, 3000u}) {
            const RowBlocks blocks(n_rows, 64 * 1024);
            std::vector<std::atomic<int>> visits(n_rows);
            for_each_block(executor, blocks,
                           [&](std::size_t begin, std::size_t end, std::size_t block) noexcept {
                               const bool agrees =
                                   begin == blocks.begin(block) && end == blocks.end(block);
                               for (std::size_t i = begin; agrees && i < end; ++i) ++visits[i];
                           });
            CHECK(std::all_of(visits.begin(), visits.end(), [](const auto& n) { return n == 1; }));
        }
    });
}

TEMPLATE_TEST_CASE("scores and squares have the same bits on every executor", "", float, double) {
    using T = TestType;
    constexpr std::size_t n = 333, d = 1030;  // several blocks, the last of them short
    Random random(2);
    const auto values = random.normals<T>(n * d);
    const auto coef = random.normals<T>(d);
    const auto rows = reference::view(values, d);
    REQUIRE(row_blocks(RowsView<T>(rows)).count() > 3);

    std::vector<T> expected_scores(n), expected_squares(n);
    const WeightsView<T> weights{coef.data(), 0.3};
    score_rows(rows, weights, SerialExecutor{}, expected_scores.data());
    square_rows(rows, SerialExecutor{}, expected_squares.data());
    for_every_executor([&](ExecutorRef executor) {
        std::vector<T> scores(n), squares(n);
        score_rows(rows, weights, executor, scores.data());
        square_rows(rows, executor, squares.data());
        CHECK(scores == expected_scores);
        CHECK(squares == expected_squares);
    });
}

TEMPLATE_TEST_CASE("a row's score does not depend on the rows scored with it", "", float, double) {
    using T = TestType;
    constexpr std::size_t n = 40, d = 37;
    Random random(3);
    const auto values = random.normals<T>(n * d);
    const auto coef = random.normals<T>(d);
    const auto rows = reference::view(values, d);
    const WeightsView<T> weights{coef.data(), -1.5};
    std::vector<T> all(n);
    score_rows(rows, weights, SerialExecutor{}, all.data());
    for (std::size_t begin = 0; begin < n; ++begin) {
        for (std::size_t end = begin + 1; end <= n; ++end) {
            std::vector<T> some(end - begin);
            score_block(rows, begin, end, weights, some.data());
            if (!std::equal(some.begin(), some.end(), all.begin() + static_cast<long>(begin))) {
                FAIL_CHECK("rows " << begin << " to " << end);
            }
        }
    }
}

TEST_CASE("one thread stays on the calling thread") {
    const auto caller = std::this_thread::get_id();
    const auto stays = [&](ExecutorRef executor) {
        struct Context {
            std::thread::id caller;
            std::atomic<bool> stayed{true};
        } context{caller};
        executor.run(
            20,
            [](void* opaque, std::size_t) noexcept {
                auto& c = *static_cast<Context*>(opaque);
                if (std::this_thread::get_id() != c.caller) c.stayed = false;
            },
            &context);
        return context.stayed.load();
    };
    CHECK(stays(SerialExecutor{}));
    CHECK(stays(OpenMpExecutor{1}));
}
