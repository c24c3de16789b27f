// Workspaces: how they are made, and that those that grow with what is asked for are made seldom.

#include "exemplar_svm/workspace.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "exemplar_svm/index.hpp"
#include "exemplar_svm/session.hpp"
#include "reference.hpp"
#include "room.hpp"
#include "sparse_data.hpp"

using namespace exemplar_svm;
using reference::Random;

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

TEMPLATE_TEST_CASE("searches with one more example each make few workspaces", "", float, double) {
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
            auto workspace = pool.take_for(query, index, size);
            REQUIRE(workspace->max_examples() >= size);
            REQUIRE(workspace->max_ranks() >= size);
            if (!index.rows().is_dense()) {
                REQUIRE(workspace->max_example_entries() >= count_entries(query, index.rows()));
            }
            // A new one has more room than the last.
            if (workspace->max_examples() != examples || workspace->max_ranks() != ranks) ++n_made;
            examples = workspace->max_examples();
            ranks = workspace->max_ranks();
            REQUIRE(examples < 2 * size);
            pool.give_back(std::move(workspace));
        }
        CHECK(n_made == 8);  // for 1, 2, 4, ..., 128
    }
}

TEMPLATE_TEST_CASE("a session of many examples makes room seldom", "", float, double) {
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
