#include "solve/panel.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "catch.hpp"
#include "reference.hpp"
#include "sparse_data.hpp"
#include "threads_executor.hpp"

using namespace exemplar_svm;
using reference::Random;
using reference::SparseData;
using reference::TestData;

namespace {

/// Checks that the panel holds these rows of the problem, in this order, with all their values.
template <Real T>
bool holds(const Panel<T>& panel, const Problem<T>& problem, const std::vector<RowIndex>& rows) {
    const Problem<T> part = panel.restrict(problem);
    bool same = panel.size() == rows.size() && part.rows.rows == rows.size() &&
                part.rows.cols == problem.rows.cols &&
                (part.mean_products == nullptr) == (problem.mean_products == nullptr);
    for (std::size_t s = 0; same && s < rows.size(); ++s) {
        const std::size_t i = rows[s];
        same =
            panel.row(s) == rows[s] &&
            std::equal(part.rows.row(s), part.rows.row(s) + part.rows.cols, problem.rows.row(i)) &&
            part.squared_norms[s] == problem.squared_norms[i] &&
            (problem.mean_products == nullptr || part.mean_products[s] == problem.mean_products[i]);
    }
    return same;
}

/// For dense rows.
template <Real T>
Panel<T> panel_for(std::size_t n_rows, std::size_t n_features) {
    return Panel<T>(RowsView<T>(nullptr, n_rows, n_features, 0));
}

}  // namespace

TEST_CASE("a panel holds half of the rows, and of dense rows up to a limit") {
    const auto capacity = [](std::size_t n) { return panel_for<float>(n, 5).capacity(); };
    CHECK(capacity(0) == 0);
    CHECK(capacity(1) == 0);
    CHECK(capacity(2) == 1);
    CHECK(capacity(3001) == 1500);
    CHECK(capacity(1'000'000) == 16384);
    CHECK(panel_for<float>(7, 5).size() == 0);
    CHECK(panel_for<float>(7, 5).view().rows == 0);

    Random random(4);
    const SparseData<float> sparse(101, 20, 0.2, random);
    CHECK(Panel<float>(sparse.view()).capacity() == 50);
    // Column numbers of four bytes.
    CsrView<float, std::int64_t> wide;
    wide.rows = 0;
    wide.cols = std::size_t{1} << 31;
    CHECK(Panel<float>(RowsView<float>(wide)).capacity() == 0);
}

TEST_CASE("a panel says whether it has room for the working sets of other rows") {
    Random random(5);
    const SparseData<float> few(40, 20, 0.1, random), many(40, 20, 0.9, random);
    const Panel<float> panel{RowsView<float>(few.view())};
    CHECK(panel.has_room_for(few.view()));
    CHECK(panel.has_room_for(RowsView<float>(few.view()).from(20)));
    CHECK(!panel.has_room_for(many.view()));
    CHECK(!panel.has_room_for(few.dense_view()));
    CHECK(panel_for<float>(40, 20).has_room_for(few.dense_view()));
    CHECK(!panel_for<float>(30, 20).has_room_for(few.dense_view()));
}

TEMPLATE_TEST_CASE("a panel restricts a problem to the rows that were added, in their order", "",
                   float, double) {
    using T = TestType;
    const bool center = GENERATE(false, true);
    Random random(1);
    TestData<T> data(60, 700, 2, random);  // several blocks
    if (center) data.center();
    const Problem<T> problem = data.problem();
    Panel<T> panel = panel_for<T>(120, data.d);
    std::vector<RowIndex> rows{59, 0, 7, 7};
    panel.add(problem, rows.data(), rows.size(), SerialExecutor{});
    CHECK(holds(panel, problem, rows));

    std::vector<RowIndex> more;
    for (RowIndex i = 1; i <= 56; ++i) more.push_back(i);
    panel.add(problem, more.data(), 0, SerialExecutor{});
    CHECK(holds(panel, problem, rows));
    panel.add(problem, more.data(), more.size(), reference::ThreadsExecutor{3});  // as many as fit
    rows.insert(rows.end(), more.begin(), more.end());
    CHECK(panel.size() == panel.capacity());
    CHECK(holds(panel, problem, rows));

    CHECK(reinterpret_cast<std::uintptr_t>(panel.view().row(0)) % 64 == 0);
    CHECK(panel.view().row(1) == panel.view().row(0) + data.d);
    const Problem<T> part = panel.restrict(problem);
    CHECK(part.examples.row(0) == problem.examples.row(0));
    CHECK(part.max_squared_norm == problem.max_squared_norm);
    CHECK(part.mean == problem.mean);

    panel.clear(RowsView<T>(nullptr, 120, data.d, 0));
    CHECK(panel.size() == 0);
    panel.add(problem, more.data() + 3, 2, SerialExecutor{});
    CHECK(holds(panel, problem, {4, 5}));

    // The rows set the capacity, not the workspace, so a larger workspace changes no result.
    panel.clear(RowsView<T>(nullptr, 20, data.d, 0));
    CHECK(panel.capacity() == 10);
}

TEMPLATE_TEST_CASE("a panel copies rows at any stride", "", float, double) {
    using T = TestType;
    Random random(2);
    TestData<T> data(9, 6, 1, random);
    Problem<T> problem = data.problem();
    problem.rows = {data.rows.data() + 8 * 6, 9, 5, -6};
    Panel<T> panel = panel_for<T>(9, 5);
    const std::vector<RowIndex> rows{8, 1, 0};
    panel.add(problem, rows.data(), rows.size(), SerialExecutor{});
    CHECK(holds(panel, problem, rows));
}

TEMPLATE_TEST_CASE("a panel keeps the selected rows in their order", "", float, double) {
    using T = TestType;
    const bool is_sparse = GENERATE(false, true);
    Random random(6);
    const SparseData<T> data(40, 30, 0.3, random);
    const std::vector<T> squares(data.n, T(2));
    Problem<T> problem;
    problem.rows = is_sparse ? RowsView<T>(data.view()) : RowsView<T>(data.dense_view());
    problem.squared_norms = squares.data();
    Panel<T> panel(problem.rows);
    // Rows of all lengths, empty ones among them.
    const std::vector<RowIndex> rows{31, 5, 0, 22, 7, 39, 8, 12, 30};
    panel.add(problem, rows.data(), rows.size(), reference::ThreadsExecutor{2});
    std::vector<double> values;
    for (const RowIndex row : rows) values.push_back(row);
    std::copy(rows.begin(), rows.end(), panel.scores.begin());

    panel.retain(values.data(), [&](std::size_t s) { return rows[s] % 2 == 0; });
    const std::vector<RowIndex> more{1, 2};
    panel.add(problem, more.data(), 2, SerialExecutor{});
    const std::vector<RowIndex> kept{0, 22, 8, 12, 30, 1, 2};
    REQUIRE(panel.size() == kept.size());
    const RowsView<T> view = panel.restrict(problem).rows;
    std::vector<T> found(data.d);
    for (std::size_t s = 0; s < kept.size(); ++s) {
        CHECK(panel.row(s) == kept[s]);
        view.copy(s, found.data());
        CHECK(std::equal(found.begin(), found.end(), data.dense_view().row(kept[s])));
        if (s >= 5) continue;
        CHECK(values[s] == kept[s]);
        CHECK(panel.scores[s] == static_cast<T>(kept[s]));
    }
    panel.retain(values.data(), [](std::size_t) { return false; });
    CHECK(panel.size() == 0);
}

TEMPLATE_TEST_CASE("scattering puts values at their rows and zeros elsewhere", "", float, double) {
    using T = TestType;
    Random random(3);
    TestData<T> data(6, 3, 1, random);
    const Problem<T> problem = data.problem();
    Panel<T> panel = panel_for<T>(6, 3);
    const std::vector<double> values{1, 2, 3, 4, 5, 6};
    std::vector<double> scattered(6, 7.0);
    panel.scatter(values.data(), scattered.data(), 6);
    CHECK(scattered == std::vector<double>(6));

    const std::vector<RowIndex> rows{2, 5, 0};
    panel.add(problem, rows.data(), rows.size(), SerialExecutor{});
    panel.scatter(values.data(), scattered.data(), 6);
    CHECK(scattered == std::vector<double>{3, 0, 1, 0, 0, 2});
}
