// The state of an index and a session after memory has run out. This executable replaces operator
// new by one that fails on request.

#include <cstddef>
#include <cstdlib>
#include <new>
#include <stdexcept>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "exemplar_svm/index.hpp"
#include "exemplar_svm/session.hpp"
#include "reference.hpp"

namespace {

/// How many more allocations succeed; negative: all.
long n_left = -1;

void* allocate(std::size_t size, std::size_t alignment) {
    if (n_left == 0) throw std::bad_alloc();
    if (n_left > 0) --n_left;
    size = size == 0 ? 1 : size;
    void* const memory =
        alignment <= alignof(std::max_align_t)
            ? std::malloc(size)
            : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}

void* allocate_or_null(std::size_t size) noexcept {
    try {
        return allocate(size, 1);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}

}  // namespace

// All forms, because the sanitizers would supply those left out.
void* operator new(std::size_t size) { return allocate(size, 1); }
void* operator new[](std::size_t size) { return allocate(size, 1); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return allocate_or_null(size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
    return allocate_or_null(size);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
    return allocate(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
    return allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

using namespace exemplar_svm;

namespace {

/// Calls change() with one more allocation allowed each time, until it succeeds, and check() after
/// every failure. Returns the number of failures.
template <class Change, class Check>
int fail_at_every_allocation(Change&& change, Check&& check) {
    for (int n = 0;; ++n) {
        n_left = n;
        try {
            change();
            n_left = -1;
            return n;
        } catch (const std::bad_alloc&) {
            n_left = -1;
            check();
        }
    }
}

struct Rows {
    Rows() : values(reference::Random(3).normals<float>(n * d)) {}

    static constexpr std::size_t n = 1500, d = 12;
    std::vector<float> values;

    DenseView<float> view(std::size_t n_rows = n) const {
        return {values.data(), n_rows, d, static_cast<std::ptrdiff_t>(d)};
    }
};

IndexSettings working_set() {
    IndexSettings settings;
    settings.method = Method::working_set;
    return settings;
}

std::pair<std::vector<float>, std::vector<RowNumber>> answer(const Index<float>& index,
                                                             const float* query) {
    Workspace<float> workspace(index, 5);
    std::vector<float> scores(5);
    std::vector<RowNumber> rows(5);
    const DenseView<float> one{query, 1, index.n_features(),
                               static_cast<std::ptrdiff_t>(index.n_features())};
    Query<float> asked;
    asked.positives = one;
    index.search(asked, 5, SearchSettings{}, workspace, scores.data(), rows.data(),
                 SerialExecutor{});
    return {scores, rows};
}

std::vector<RowNumber> step(Session<float>& session) {
    std::vector<float> scores(5);
    std::vector<RowNumber> rows(5);
    CHECK(session.search(5, scores.data(), rows.data()).status == SearchStatus::converged);
    return rows;
}

}  // namespace

TEST_CASE("an index does not change when memory runs out during a refresh") {
    Rows rows;
    const std::vector<float> query(rows.values.begin(), rows.values.begin() + Rows::d);
    Index<float> index(rows.view(), working_set());
    const auto before = answer(index, query.data());
    const auto revision = index.revision();
    const int n_failed = fail_at_every_allocation([&] { index.refresh(); },
                                                  [&] {
                                                      CHECK(index.revision() == revision);
                                                      CHECK(answer(index, query.data()) == before);
                                                  });
    CHECK(n_failed > 5);
    CHECK(index.revision() != revision);
    CHECK(answer(index, query.data()) == before);
}

TEST_CASE("a session keeps its index when memory runs out as it follows another") {
    const Rows rows;
    const Index<float> index(rows.view(1400), working_set());
    Session<float> session(index, 5, 4);
    CHECK(session.like(RowNumber{17}));
    const auto before = step(session);
    const Index<float> grown =
        index.with_rows(DenseView<float>{rows.view().row(1400), 100, Rows::d, Rows::d});
    const int n_failed = fail_at_every_allocation([&] { session.follow(grown); },
                                                  [&] {
                                                      CHECK(!session.is_outdated());
                                                      CHECK(!session.like(RowNumber{1450}));
                                                      CHECK(step(session) == before);
                                                  });
    CHECK(n_failed > 5);
    CHECK(session.like(RowNumber{1450}));
    Session<float> fresh(grown, 5, 4);
    CHECK((fresh.like(RowNumber{17}) && fresh.like(RowNumber{1450})));
    CHECK(step(session) == step(fresh));
}

TEST_CASE("a session has the room it reports after memory has run out") {
    const Rows rows;
    const Index<float> index(rows.view(), working_set());
    Session<float> session(index, 5, 2);
    CHECK(session.like(RowNumber{17}));
    const auto before = step(session);
    fail_at_every_allocation([&] { session.reserve(50, 64); },
                             [&] {
                                 CHECK(session.max_examples() == 2);
                                 CHECK(step(session) == before);
                             });
    CHECK(session.max_examples() == 64);
    CHECK(step(session) == before);
}

TEST_CASE("a session follows only indices of as many features") {
    const Rows rows;
    const Index<float> index(rows.view(), working_set());
    const Index<float> other(DenseView<float>{rows.values.data(), Rows::n, Rows::d - 1, Rows::d});
    Session<float> session(index, 5, 2);
    CHECK_THROWS_AS(session.follow(other), std::invalid_argument);
    CHECK(session.like(RowNumber{17}));
    step(session);
}
