// Workspaces, as they are made.

#include "exemplar_svm/workspace.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include "catch.hpp"
#include "exemplar_svm/index.hpp"

using namespace exemplar_svm;

static_assert(std::is_same_v<decltype(Workspace(std::declval<const Index<double>&>(), 10)),
                             Workspace<double>>);
static_assert(!std::is_convertible_v<const Index<float>&, Workspace<float>>);

TEMPLATE_TEST_CASE("numbers of any integer type say how large a workspace is", "", float, double) {
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
