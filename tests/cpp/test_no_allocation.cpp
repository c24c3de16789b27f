// A search allocates nothing. This executable replaces operator new and glibc's malloc by counting
// ones.

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <limits>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "exemplar_svm/index.hpp"
#include "exemplar_svm/session.hpp"
#include "narrow_data.hpp"
#include "reference.hpp"
#include "sparse_data.hpp"

namespace {

std::atomic<std::size_t> n_allocations{0};

void* counted(std::size_t size, std::size_t alignment) {
    ++n_allocations;
    size = size == 0 ? 1 : size;
    void* memory =
        alignment <= alignof(std::max_align_t)
            ? std::malloc(size)
            : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}

}  // namespace

void* operator new(std::size_t size) { return counted(size, 1); }
void* operator new[](std::size_t size) { return counted(size, 1); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return counted(size, 1); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return counted(size, 1); }
void* operator new(std::size_t size, std::align_val_t alignment) {
    return counted(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

#define EXEMPLAR_SVM_COUNTS_MALLOC

extern "C" {

void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t n, std::size_t size);
void* __libc_realloc(void* memory, std::size_t size);

void* malloc(std::size_t size) {
    ++n_allocations;
    return __libc_malloc(size);
}
void* calloc(std::size_t n, std::size_t size) {
    ++n_allocations;
    return __libc_calloc(n, size);
}
void* realloc(void* memory, std::size_t size) {
    ++n_allocations;
    return __libc_realloc(memory, size);
}

}  // extern "C"

#endif

using namespace exemplar_svm;
using reference::Random;

TEST_CASE("the counter counts") {
    const std::size_t before = n_allocations;
    { const std::vector<int> something(100); }
    CHECK(n_allocations > before);
#ifdef EXEMPLAR_SVM_COUNTS_MALLOC
    const std::size_t before_malloc = n_allocations;
    void* volatile memory = std::malloc(100);
    std::free(memory);
    CHECK(n_allocations > before_malloc);
#endif
}

static_assert(noexcept(std::declval<const Index<float>&>().search(nullptr, 1,
                                                                  std::declval<Workspace<float>&>(),
                                                                  nullptr, nullptr)));
static_assert(noexcept(std::declval<const Index<float>&>().search_shared(
    {}, 1, std::declval<Workspace<float>&>(), nullptr, nullptr)));
static_assert(noexcept(std::declval<const Index<float>&>().search_batch(
    DenseView<float>{}, 1, SearchSettings{}, nullptr, 0, nullptr, nullptr, nullptr)));
static_assert(noexcept(std::declval<const Index<float>&>().fit(Query<float>{}, {},
                                                               std::declval<Workspace<float>&>(),
                                                               nullptr)));
static_assert(noexcept(std::declval<Session<float>&>().search(1, nullptr, nullptr)));
static_assert(noexcept(std::declval<Session<float>&>().like(RowNumber{0})));
static_assert(std::is_nothrow_move_constructible_v<Index<float>>);
static_assert(std::is_nothrow_move_constructible_v<Workspace<float>>);

TEMPLATE_TEST_CASE("a search allocates nothing", "", float, double) {
    using T = TestType;
    constexpr std::size_t k = 150;  // more than the number of support vectors
    const Method method = GENERATE(Method::full, Method::working_set, Method::gram);
    const Loss loss = GENERATE(Loss::squared_hinge, Loss::hinge);
    const std::size_t p = GENERATE(as<std::size_t>{}, 1, 3, 40);
    const bool center = GENERATE(false, true);
    Random random(1);
    const reference::TestData<T> data(400, 20, p, random);
    IndexSettings settings;
    settings.loss = loss;
    settings.center = center;
    settings.method = method;
    settings.search.C = 10.0;  // hard enough for every stage of the solver
    settings.search.solver.tol = 1e-6;
    const Index<T> index(reference::view(data.rows, data.d), settings);
    const auto positives = reference::view(data.positives, data.d);
    Workspace<T> workspace(index, k, p);
    std::vector<T> scores(k), all_scores(data.n);
    std::vector<RowNumber> rows(k);

    const std::size_t before = n_allocations;
    const auto single = index.search(positives.data, k, workspace, scores.data(), rows.data());
    const auto shared = index.search_shared(positives, k, workspace, scores.data(), rows.data());
    const auto fitted = index.fit(positives, settings.search, workspace, all_scores.data());
    for (const auto budget : {std::chrono::microseconds(0), std::chrono::microseconds(200)}) {
        index.search_shared(positives, k, workspace, scores.data(), rows.data(), SerialExecutor{},
                            StopCondition::after(budget));
    }
    SearchSettings standardized = settings.search;
    standardized.standardize = true;
    index.search_shared(positives, k, standardized, workspace, scores.data(), rows.data());
    const std::size_t after = n_allocations;

    CAPTURE(static_cast<int>(method), static_cast<int>(loss), p, center);
    CHECK(after == before);
    CHECK(single.status != SearchStatus::invalid_input);
    CHECK(shared.status != SearchStatus::invalid_input);
    CHECK(fitted.status == shared.status);
}

TEMPLATE_TEST_CASE("a batch of searches allocates nothing", "", float, double) {
    using T = TestType;
    constexpr std::size_t k = 150, n_queries = 5;
    IndexSettings settings;
    settings.method = GENERATE(Method::full, Method::working_set, Method::gram);
    Random random(3);
    const reference::TestData<T> data(400, 20, n_queries, random);
    const Index<T> index(reference::view(data.rows, data.d), settings);
    Workspace<T> first(index, k), second(index, k);
    Workspace<T>* const workspaces[] = {&first, &second};
    std::vector<T> scores(n_queries * k), all_scores(n_queries * data.n);
    std::vector<RowNumber> rows(n_queries * k);
    std::vector<SearchReport> reports(n_queries);
    const auto queries = reference::view(data.positives, data.d);

    const std::size_t before = n_allocations;
    index.search_batch(queries, k, settings.search, workspaces, 2, scores.data(), rows.data(),
                       reports.data());
    index.score_batch(queries, {}, settings.search, workspaces, 2, all_scores.data(),
                      reports.data());
    const std::size_t after = n_allocations;
    CHECK(after == before);
    CHECK(reports[4].status == SearchStatus::converged);
}

TEMPLATE_TEST_CASE("a search of narrow rows allocates nothing", "", float16, std::int8_t,
                   reference::Scaled) {
    constexpr std::size_t k = 150, p = 3;
    IndexSettings settings;
    settings.method = GENERATE(Method::full, Method::working_set, Method::gram);
    settings.center = GENERATE(false, true);
    settings.search.C = 1.0;
    settings.search.solver.tol = 1e-6;
    Random random(4);
    const reference::TestData<double> wide(400, 20, p, random);
    const reference::NarrowData<TestType> data(wide.rows, 20, 1, random);
    const std::vector<float> examples(wide.positives.begin(), wide.positives.end());
    const auto positives = reference::view(examples, 20);
    const Index<float> index(data.view(), settings);
    Workspace<float> workspace(index, k, p);
    std::vector<float> scores(k), all_scores(400);
    std::vector<RowNumber> rows(k);

    const std::size_t before = n_allocations;
    const auto shared = index.search_shared(positives, k, workspace, scores.data(), rows.data());
    const auto fitted = index.fit(positives, settings.search, workspace, all_scores.data());
    const std::size_t after = n_allocations;
    CHECK(after == before);
    CHECK(shared.status != SearchStatus::invalid_input);
    CHECK(fitted.status != SearchStatus::invalid_input);
}

TEMPLATE_TEST_CASE("a search among sparse rows allocates nothing", "", float, double) {
    using T = TestType;
    constexpr std::size_t k = 20, d = 30;
    const std::size_t n = GENERATE(as<std::size_t>{}, 400, 3000);  // with a working set or without
    const std::size_t p = GENERATE(as<std::size_t>{}, 1, 3, 40);
    IndexSettings settings;
    settings.center = GENERATE(false, true);
    settings.search.C = GENERATE(1e-3, 10.0);
    Random random(4);
    const reference::SparseData<T> data(n, d, 0.1, random);
    const Index<T> index(RowsView<T>(data.view()), settings);
    Workspace<T> workspace(index, k, p + 1);
    std::vector<T> scores(k), all_scores(n);
    std::vector<RowNumber> rows(k), numbers(p);
    for (std::size_t j = 0; j < p; ++j) numbers[j] = static_cast<RowNumber>(3 * j);
    Query<T> query;
    query.positive_rows = numbers;
    query.negatives = {data.dense.data() + 299 * d, 1, d, static_cast<std::ptrdiff_t>(d)};
    query.duplicates = Duplicates::ignore;

    const std::size_t before = n_allocations;
    const auto found =
        index.search(query, k, settings.search, workspace, scores.data(), rows.data());
    const auto fitted = index.fit(query, settings.search, workspace, all_scores.data());
    index.search(query, k, settings.search, workspace, scores.data(), rows.data(), SerialExecutor{},
                 StopCondition::after(std::chrono::microseconds(50)));
    const std::size_t after = n_allocations;
    CHECK(after == before);
    CHECK(found.status != SearchStatus::invalid_input);
    CHECK(fitted.status == found.status);
}

TEMPLATE_TEST_CASE("a search among rows that were added and removed allocates nothing", "", float,
                   double) {
    using T = TestType;
    constexpr std::size_t k = 150;
    IndexSettings settings;
    settings.method = GENERATE(Method::full, Method::working_set, Method::gram);
    Random random(4);
    const reference::TestData<T> data(400, 20, 1, random);
    const auto rows = reference::view(data.rows, data.d);
    const std::vector<RowNumber> removed{3, 390, 401};
    const Index<T> index = Index<T>(rows, settings).with_rows(rows).without_rows(removed);
    Workspace<T> workspace(index, k, 2);
    std::vector<T> scores(index.n_rows());
    std::vector<RowNumber> found(k);
    const std::vector<std::uint8_t> mask(index.n_rows(), 1);
    const std::vector<RowNumber> example{7};
    Query<T> query;
    query.positives = reference::view(data.positives, data.d);

    const std::size_t before = n_allocations;
    const auto unmasked =
        index.search(query, k, settings.search, workspace, scores.data(), found.data());
    query.background = query.candidates = mask.data();
    query.negative_rows = example;
    const auto masked =
        index.search(query, k, settings.search, workspace, scores.data(), found.data());
    index.fit(query, settings.search, workspace, scores.data());
    const std::size_t after = n_allocations;
    CHECK(after == before);
    CHECK(unmasked.status == SearchStatus::converged);
    CHECK(masked.status == SearchStatus::converged);
}

TEMPLATE_TEST_CASE("a search among sparse rows that were added and removed allocates nothing", "",
                   float, double) {
    using T = TestType;
    constexpr std::size_t k = 20, n = 400, d = 30;
    IndexSettings settings;
    settings.center = GENERATE(false, true);
    Random random(4);
    const reference::SparseData<T> data(n, d, 0.1, random), more(n, d, 0.4, random);
    const std::vector<RowNumber> removed{3, 390, 401};
    const Index<T> index = Index<T>(RowsView<T>(data.view()), settings)
                               .with_rows(more.view())
                               .with_rows(data.dense_part(0, 9))
                               .without_rows(removed);
    Workspace<T> workspace(index, k, 3), second(index, k, 3);
    Workspace<T>* const workspaces[] = {&workspace, &second};
    std::vector<T> scores(index.n_rows());
    std::vector<RowNumber> found(k);
    std::vector<SearchReport> reports(2);
    const std::vector<std::uint8_t> mask(index.n_rows(), 1);
    const std::vector<RowNumber> positives{7, 500, 805};
    Query<T> query;
    query.positive_rows = positives;

    const std::size_t before = n_allocations;
    const auto unmasked =
        index.search(query, k, settings.search, workspace, scores.data(), found.data());
    query.background = query.candidates = mask.data();
    const auto masked =
        index.search(query, k, settings.search, workspace, scores.data(), found.data());
    const auto fitted = index.fit(query, settings.search, workspace, scores.data());
    index.search_batch(more.dense_part(0, 2), k / 2, settings.search, workspaces, 2, scores.data(),
                       found.data(), reports.data());
    const std::size_t after = n_allocations;
    CHECK(after == before);
    CHECK(unmasked.status == SearchStatus::converged);
    CHECK(masked.status == SearchStatus::converged);
    CHECK(fitted.status == SearchStatus::converged);
    CHECK(reports[1].status == SearchStatus::converged);
}

TEMPLATE_TEST_CASE("the steps of a session allocate nothing", "", float, double) {
    using T = TestType;
    constexpr std::size_t k = 50;
    IndexSettings settings;
    settings.method = GENERATE(Method::full, Method::working_set, Method::gram);
    Random random(4);
    const reference::TestData<T> data(400, 20, 3, random);
    const Index<T> index(reference::view(data.rows, data.d), settings);
    Session<T> session(index, k, 8);
    std::vector<T> scores(k);
    std::vector<RowNumber> rows(k);
    const auto vector = [&](std::size_t j) {
        return std::span<const T>(data.positives.data() + j * data.d, data.d);
    };

    const std::size_t before = n_allocations;
    bool taken = session.like(vector(0)) && session.like(RowNumber{7}, 2.0);
    session.search(k, scores.data(), rows.data());
    taken = taken && session.like(vector(1)) && session.dislike(vector(2)) &&
            session.dislike(RowNumber{7}) && session.like(RowNumber{9});
    session.search(k, scores.data(), rows.data());
    taken = taken && session.forget(vector(0)) && session.forget(RowNumber{7});
    const auto last = session.search(k, scores.data(), rows.data());
    const std::size_t after = n_allocations;

    CHECK(after == before);
    CHECK(taken);
    CHECK(last.status == SearchStatus::converged);
}

TEMPLATE_TEST_CASE("a refused search allocates nothing either", "", float, double) {
    using T = TestType;
    Random random(2);
    const reference::TestData<T> data(20, 5, 1, random);
    const Index<T> index(reference::view(data.rows, data.d));
    Workspace<T> workspace(index, 3);
    const std::vector<T> query(data.d, std::numeric_limits<T>::quiet_NaN());
    std::vector<T> scores(9);
    std::vector<RowNumber> rows(9);
    const std::size_t before = n_allocations;
    const auto nan = index.search(query.data(), 3, workspace, scores.data(), rows.data());
    const auto long_ranking =
        index.search(data.positives.data(), 9, workspace, scores.data(), rows.data());
    const std::size_t after = n_allocations;
    CHECK(after == before);
    CHECK(nan.status == SearchStatus::invalid_input);
    CHECK(long_ranking.status == SearchStatus::invalid_input);
}
