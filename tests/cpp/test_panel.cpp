#include "panel.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "catch.hpp"
#include "reference.hpp"
#include "threads_executor.hpp"

using namespace exemplar_svm;
using reference::Random;
using reference::TestData;

namespace {

/// That the panel holds these rows of the problem, in this order, with all that belongs to them.
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

}  // namespace

TEST_CASE("a panel holds half of the rows, up to a limit") {
    CHECK(Panel<float>::capacity_for(0) == 0);
    CHECK(Panel<float>::capacity_for(1) == 0);
    CHECK(Panel<float>::capacity_for(2) == 1);
    CHECK(Panel<float>::capacity_for(3001) == 1500);
    CHECK(Panel<double>::capacity_for(1000000) == 16384);
    const Panel<float> none(0, 5), some(7, 5);
    CHECK(none.capacity() == 0);
    CHECK(none.size() == 0);
    CHECK(some.capacity() == 7);
    CHECK(some.view().rows == 0);
}

TEMPLATE_TEST_CASE("a panel restricts a problem to the rows that were added, in their order", "",
                   float, double) {
    using T = TestType;
    const bool center = GENERATE(false, true);
    Random random(1);
    TestData<T> data(60, 700, 2, random);  // several blocks
    if (center) data.center();
    const Problem<T> problem = data.problem();
    Panel<T> panel(60, data.d);
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

    CHECK(reinterpret_cast<std::uintptr_t>(panel.view().data) % 64 == 0);
    CHECK(panel.view().stride == static_cast<std::ptrdiff_t>(data.d));
    const Problem<T> part = panel.restrict(problem);
    CHECK(part.examples.row(0) == problem.examples.row(0));
    CHECK(part.max_squared_norm == problem.max_squared_norm);
    CHECK(part.mean == problem.mean);

    panel.clear(data.n);
    CHECK(panel.size() == 0);
    panel.add(problem, more.data() + 3, 2, SerialExecutor{});
    CHECK(holds(panel, problem, {4, 5}));

    // In a workspace that is larger than needed a search goes the way that it goes in its own.
    panel.clear(20);
    CHECK(panel.capacity() == Panel<T>::capacity_for(20));
    panel.clear(1'000'000);
    CHECK(panel.capacity() == rows.size());
}

TEMPLATE_TEST_CASE("rows at any stride come into a panel", "", float, double) {
    using T = TestType;
    Random random(2);
    TestData<T> data(9, 6, 1, random);
    Problem<T> problem = data.problem();
    problem.rows = {data.rows.data() + 8 * 6, 9, 5, -6};
    Panel<T> panel(4, 5);
    const std::vector<RowIndex> rows{8, 1, 0};
    panel.add(problem, rows.data(), rows.size(), SerialExecutor{});
    CHECK(holds(panel, problem, rows));
}

TEMPLATE_TEST_CASE("scattering takes values to their rows and leaves zero elsewhere", "", float,
                   double) {
    using T = TestType;
    Random random(3);
    TestData<T> data(6, 3, 1, random);
    const Problem<T> problem = data.problem();
    Panel<T> panel(3, 3);
    std::vector<double> none{1, 2, 3, 4, 5, 6};
    panel.scatter(none);
    CHECK(none == std::vector<double>(6));

    const std::vector<RowIndex> rows{2, 5, 0};
    panel.add(problem, rows.data(), rows.size(), SerialExecutor{});
    std::vector<double> values{1, 2, 3, 4, 5, 6};
    panel.scatter(values);
    CHECK(values == std::vector<double>{3, 0, 1, 0, 0, 2});
}
