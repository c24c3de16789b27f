// Workspaces: how they are made, and that growing ones are remade seldom.

#include "exemplar_svm/workspace.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <numeric>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "exemplar_svm/index.hpp"
#include "exemplar_svm/scan.hpp"
#include "exemplar_svm/session.hpp"
#include "exemplar_svm/solver.hpp"
#include "reference.hpp"
#include "room.hpp"
#include "search/scratch.hpp"
#include "sparse_data.hpp"

using namespace exemplar_svm;
using reference::Random;

static_assert(std::is_same_v<decltype(Workspace(std::declval<const Index<double>&>(), 10)),
                             Workspace<double>>);
static_assert(!std::is_convertible_v<const Index<float>&, Workspace<float>>);

TEMPLATE_TEST_CASE("the size of a workspace may be of any integer type", "", float, double) {
    using T = TestType;
    const auto is_expected = [](const Workspace<T>& workspace, std::size_t max_examples) {
        return workspace.n_rows() == 9000 && workspace.n_features() == 12 &&
               workspace.max_ranks() == 20 && workspace.max_examples() == max_examples &&
               workspace.max_example_entries() == 0;
    };
    CHECK(is_expected(Workspace<T>(9000, 12, 20), 1));
    CHECK(is_expected(Workspace<T>(9000, 12, 20, 3), 3));
    CHECK(is_expected(Workspace<T>{9000, 12, 20, 3}, 3));
    CHECK(is_expected(Workspace<T>(9000u, std::size_t{12}, 20L), 1));
    CHECK(is_expected(*std::make_unique<Workspace<T>>(std::int64_t{9000}, 12u, 20, 3), 3));
}

TEMPLATE_TEST_CASE("sizes beyond all memory do not wrap around", "", float, double) {
    constexpr std::size_t most = static_cast<std::size_t>(-1);
    using W = Workspace<TestType>;
    for (const std::size_t size : {most, most / 2 + 2, most / 8 + 2, most / 48 + 2}) {
        CHECK_THROWS_AS(W(size, 3, 5), std::bad_alloc);
        CHECK_THROWS_AS(W(3, size, 5), std::bad_alloc);
        CHECK_THROWS_AS(W(3, 3, 5, size), std::bad_alloc);
    }
    CHECK(W(3, 3, most).max_ranks() == 3);  // there are no more rows to rank
}

TEMPLATE_TEST_CASE("searches with ever more examples make few workspaces", "", float, double) {
    using T = TestType;
    constexpr std::size_t n = 300, d = 40, most = 100;
    Random random(1);
    const auto dense = random.normals<T>(n * d);
    const reference::SparseData<T> sparse(n, d, 0.2, random);
    for (const Index<T>& index : {Index<T>(reference::view(dense, d)), Index<T>(sparse.view())}) {
        python::WorkspacePool<T> pool;
        std::size_t n_made = 0, examples = 0, ranks = 0;
        std::vector<RowNumber> rows;
        for (std::size_t size = 1; size <= most; ++size) {
            rows.push_back(static_cast<RowNumber>(size));
            Query<T> query;
            query.positive_rows = rows;
            auto workspace = pool.take(index, python::room_for(query, index, size));
            REQUIRE(workspace->max_examples() >= size);
            REQUIRE(workspace->max_ranks() >= size);
            if (!index.rows().is_dense()) {
                REQUIRE(workspace->max_example_entries() >= count_entries(query, index.rows()));
            }
            // A new workspace has more room than the last.
            if (workspace->max_examples() != examples || workspace->max_ranks() != ranks) ++n_made;
            examples = workspace->max_examples();
            ranks = workspace->max_ranks();
            REQUIRE(examples < 2 * size);
            pool.give_back(std::move(workspace));
        }
        CHECK(n_made == 8);  // for 1, 2, 4, ..., 128
    }
}

TEMPLATE_TEST_CASE("a growing session makes room seldom", "", float, double) {
    using T = TestType;
    constexpr std::size_t n = 600, d = 8;
    Random random(2);
    const auto rows = random.normals<T>(n * d);
    const Index<T> index(reference::view(rows, d));
    Session<T> session(index, 1, 1);
    std::size_t n_made = 0;
    for (std::size_t size = 1; size <= 500; ++size) {
        const std::size_t examples = session.max_examples(), ranks = session.max_ranks();
        python::make_room(session, size, 1);
        REQUIRE(session.like(static_cast<RowNumber>(size)));
        REQUIRE(session.max_ranks() >= size);
        n_made += session.max_examples() != examples || session.max_ranks() != ranks;
    }
    CHECK(n_made == 9);  // for 2, 4, ..., 512
}

namespace {

/// Rows of which every second one is empty; the others are long and alike.
template <Real T, ColumnNumber I>
struct HalfEmptyRows {
    std::size_t n, d;
    std::vector<T> values;
    std::vector<I> columns, starts{0};
    std::vector<T> squared_norms;
    std::vector<RowIndex> filled;

    HalfEmptyRows(std::size_t n_rows, std::size_t n_features) : n(n_rows), d(n_features) {
        const T value = T(1) / std::sqrt(static_cast<T>(d));
        for (std::size_t i = 0; i < n; ++i) {
            if (i % 2 == 1) {
                filled.push_back(static_cast<RowIndex>(i));
                values.insert(values.end(), d, value);
                columns.resize(values.size());
                std::iota(columns.end() - static_cast<std::ptrdiff_t>(d), columns.end(), I{0});
            }
            starts.push_back(static_cast<I>(values.size()));
            squared_norms.push_back(i % 2 == 1 ? T(1) : T(0));
        }
    }

    CsrView<T, I> view() const {
        return {values.data(), columns.data(), starts.data(), n, d, values.size()};
    }
};

/// The number of blocks of all rows, and of a panel of the long ones, for which the workspace has
/// room.
template <Real T, ColumnNumber I>
std::pair<std::size_t, std::size_t> solve_for_long_rows(std::size_t n, std::size_t d) {
    const HalfEmptyRows<T, I> data(n, d);
    Workspace<T> workspace(data.view(), 1);

    Problem<T> problem;
    problem.rows = data.view();
    problem.squared_norms = data.squared_norms.data();
    problem.max_squared_norm = 1.0;
    SearchScratch<T>& scratch = workspace.scratch();
    SparseExamples<T>& examples = scratch.query.sparse_examples;
    examples.add(problem.rows, data.filled.front());
    problem.examples = examples.view();
    Panel<T>& panel = scratch.working_set.panel;
    panel.clear(problem.rows);
    REQUIRE(panel.capacity() >= data.filled.size());
    panel.add(problem, data.filled.data(), data.filled.size(), SerialExecutor{});
    const Problem<T> part = panel.restrict(problem);
    const std::size_t n_blocks = row_blocks(part.rows).count();
    CHECK(scratch.descent.summaries.size() >= n_blocks);

    SolverSettings settings;
    settings.max_epochs = 2;
    const SolveReport report =
        solve(part, settings, SerialExecutor{}, workspace, panel.scores.data());
    CHECK(report.n_support > 0);
    return {row_blocks(problem.rows).count(), n_blocks};
}

}  // namespace

TEMPLATE_TEST_CASE("a panel of the longest rows may have more blocks than all rows", "",
                   std::int32_t, std::int64_t) {
    using I = TestType;
    // A block takes 33 rows of the average length, but only 16 of twice that.
    const auto [all, some] = solve_for_long_rows<float, I>(1120, 1960 * 8 / (4 + sizeof(I)));
    if constexpr (sizeof(I) == 4) CHECK(all < some);
    solve_for_long_rows<double, I>(1120, 1960 * 8 / (8 + sizeof(I)));
    solve_for_long_rows<float, I>(1000, 3);
    solve_for_long_rows<double, I>(50, 200);
}

TEST_CASE("a workspace has room for panels of rows of any lengths") {
    constexpr std::size_t most_bytes = 3'000'000;
    for (std::size_t n = 1; n < 20'000; n = n * 3 / 2 + 1) {
        for (std::size_t bytes = 1; bytes * n < most_bytes; bytes = bytes * 5 / 4 + 1) {
            const std::size_t most = RowBlocks::most(n, n * bytes);
            for (std::size_t part = n; part > 0; part = part * 2 / 3) {
                REQUIRE(RowBlocks(part, n * bytes / part).count() <= most);
            }
        }
    }
}
