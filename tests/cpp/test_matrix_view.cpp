#include "exemplar_svm/matrix_view.hpp"

#include <algorithm>
#include <vector>

#include "catch.hpp"
#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/scan.hpp"

using namespace exemplar_svm;

namespace {

/// 1000 i + j at row i, column j of 5 rows of 7.
template <Real T>
std::vector<T> numbered() {
    std::vector<T> values;
    for (int i = 0; i < 5; ++i) {
        for (int j = 0; j < 7; ++j) values.push_back(static_cast<T>(1000 * i + j));
    }
    return values;
}

/// The score of every row under weights that pick its first and, times 1/2, its last element.
template <Real T>
std::vector<T> picked(const DenseView<T>& view) {
    std::vector<T> coef(view.cols, T(0)), scores(view.rows);
    coef.front() = T(1);
    coef.back() += T(0.5);
    score_rows(view, WeightsView<T>{coef.data(), 0.25}, SerialExecutor{}, scores.data());
    return scores;
}

}  // namespace

TEMPLATE_TEST_CASE("a view of padded rows sees only its own columns", "", float, double) {
    const auto values = numbered<TestType>();
    const DenseView<TestType> view{values.data() + 1, 5, 3, 7};
    for (std::size_t i = 0; i < view.rows; ++i) CHECK(view.row(i) == values.data() + 7 * i + 1);
    CHECK(picked(view) == std::vector<TestType>{TestType(2.75), TestType(1502.75),
                                                TestType(3002.75), TestType(4502.75),
                                                TestType(6002.75)});
}

TEMPLATE_TEST_CASE("a view with zero stride repeats one row", "", float, double) {
    const auto values = numbered<TestType>();
    const DenseView<TestType> view{values.data() + 7, 9, 7, 0};
    for (std::size_t i = 0; i < view.rows; ++i) CHECK(view.row(i) == values.data() + 7);
    CHECK(picked(view) == std::vector<TestType>(9, TestType(1503.25)));
}

TEMPLATE_TEST_CASE("a view with negative stride goes backwards", "", float, double) {
    const auto values = numbered<TestType>();
    const DenseView<TestType> forwards{values.data(), 5, 7, 7};
    const DenseView<TestType> backwards{values.data() + 4 * 7, 5, 7, -7};
    for (std::size_t i = 0; i < 5; ++i) CHECK(backwards.row(i) == forwards.row(4 - i));
    auto scores = picked(backwards);
    std::reverse(scores.begin(), scores.end());
    CHECK(scores == picked(forwards));
}
