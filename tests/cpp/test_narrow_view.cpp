// Narrow rows give the bits of the same rows as floats: kernels, RowsView, and searches.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "clustered_data.hpp"
#include "exemplar_svm/index.hpp"
#include "exemplar_svm/isa.hpp"
#include "exemplar_svm/scan.hpp"
#include "kernels/dispatch.hpp"
#include "narrow_data.hpp"
#include "threads_executor.hpp"

using namespace exemplar_svm;
using reference::NarrowData;
using reference::Random;
using reference::Scaled;

static_assert(std::is_same_v<decltype(Index(NarrowView<float16>{})), Index<float>>);
static_assert(std::is_same_v<decltype(Index(ScaledView{})), Index<float>>);

namespace {

template <class U>
constexpr std::size_t place = std::is_same_v<U, float16>       ? 0
                              : std::is_same_v<U, bfloat16>    ? 1
                              : std::is_same_v<U, std::int8_t> ? 2
                                                               : 3;

/// Calls body(kernels for rows of T, kernels for rows of U) for every supported instruction set.
template <Real T, class U, class Body>
void for_all(Body body) {
    for (const Isa isa : all_isas) {
        if (!isa_supported(isa)) continue;
        INFO(isa_name(isa));
        const kernels::Kernels& kernels = *kernels::find(isa);
        if constexpr (std::is_same_v<T, float>) {
            body(kernels.f32, kernels.narrow_f32.of[place<U>]);
        } else {
            body(kernels.f64, kernels.narrow_f64.of[place<U>]);
        }
    }
}

std::vector<std::size_t> lengths() {
    std::vector<std::size_t> all;
    for (std::size_t n = 0; n <= 67; ++n) all.push_back(n);
    all.insert(all.end(), {384, 385, 1551});
    return all;
}

/// n values in a buffer of exactly their size.
template <class T>
struct Fenced {
    std::unique_ptr<T[]> values;

    explicit Fenced(const std::vector<T>& from) : values(new T[from.size()]) {
        std::copy(from.begin(), from.end(), values.get());
    }
    T* get() const { return values.get(); }
};

template <class U>
const float* scales_of(const NarrowData<U>& data) {
    if constexpr (NarrowData<U>::is_scaled) {
        return data.view().scales;
    } else {
        return nullptr;
    }
}

template <class T>
bool same_bits(T a, T b) {
    using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    return std::bit_cast<Bits>(a) == std::bit_cast<Bits>(b);
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
    return a.size() == b.size() &&
           std::equal(a.begin(), a.end(), b.begin(), [](T x, T y) { return same_bits(x, y); });
}

}  // namespace

TEMPLATE_TEST_CASE("every number of sixteen bits is widened exactly", "",
                   (std::pair<float, float16>), (std::pair<double, float16>),
                   (std::pair<float, bfloat16>), (std::pair<double, bfloat16>)) {
    using T = typename TestType::first_type;
    using U = typename TestType::second_type;
    std::vector<U> all;
    for (int bits = 0; bits <= 0xffff; ++bits) all.push_back(U{static_cast<std::uint16_t>(bits)});
    for_all<T, U>([&](const auto&, const auto& narrow) {
        std::vector<T> values(all.size());
        narrow.widen(all.data(), nullptr, all.size(), values.data());
        bool right = true;
        for (std::size_t i = 0; i < all.size(); ++i) {
            const double exact = reference::exact(all[i]);
            right = right && (std::isnan(exact) ? std::isnan(values[i])
                                                : same_bits(values[i], static_cast<T>(exact)));
        }
        CHECK(right);
    });
}

TEMPLATE_TEST_CASE("integers are widened exactly, and rounded once if they are scaled", "", float,
                   double) {
    using T = TestType;
    std::vector<std::int8_t> all;
    for (int value = -128; value < 128; ++value) all.push_back(static_cast<std::int8_t>(value));
    for (const float scale : {1.0f, 0.1f, -7.3e-5f, 0.0f, 1e-39f, 3e36f}) {
        const auto check = [&](const auto& narrow, const float* scales) {
            std::vector<T> values(all.size());
            narrow.widen(all.data(), scales, all.size(), values.data());
            bool right = true;
            for (std::size_t i = 0; i < all.size(); ++i) {
                const float exact = scales == nullptr ? all[i] : scale * all[i];
                right = right && same_bits(values[i], static_cast<T>(exact));
            }
            CHECK(right);
        };
        for_all<T, Scaled>([&](const auto&, const auto& narrow) { check(narrow, &scale); });
        for_all<T, std::int8_t>([&](const auto&, const auto& narrow) { check(narrow, nullptr); });
    }
}

TEMPLATE_TEST_CASE("kernels for narrow rows have the bits of those for the rows as floats", "",
                   (std::pair<float, float16>), (std::pair<double, float16>),
                   (std::pair<float, bfloat16>), (std::pair<double, bfloat16>),
                   (std::pair<float, std::int8_t>), (std::pair<double, std::int8_t>),
                   (std::pair<float, Scaled>), (std::pair<double, Scaled>)) {
    using T = typename TestType::first_type;
    using U = typename TestType::second_type;
    Random random(1);
    for (const std::size_t n : lengths()) {
        const Fenced<T> w0(random.normals<T>(n)), w1(random.normals<T>(n));
        for (const std::size_t padding : {0u, 1u, 5u}) {
            for (const std::size_t n_rows : {1u, 2u, 3u, 4u, 7u, 9u}) {
                const NarrowData<U> data(random.normals<double>(n_rows * n), n, padding, random);
                const std::vector<T> wide = data.template widened<T>();
                const auto view = data.view();
                const float* const scales = scales_of(data);
                const std::size_t rows = n == 0 ? 0 : n_rows;
                const auto step = static_cast<std::ptrdiff_t>(n);
                for_all<T, U>([&](const auto& plain, const auto& narrow) {
                    std::vector<T> expected(rows);
                    const Fenced<T> out(expected), out_two(expected);
                    const auto is_expected = [&](const Fenced<T>& values) {
                        return std::equal(expected.begin(), expected.end(), values.get(),
                                          [](T x, T y) { return same_bits(x, y); });
                    };
                    plain.dot_rows(wide.data(), step, rows, w0.get(), n, expected.data());
                    narrow.dot_rows(view.data, view.stride, scales, rows, w0.get(), n, out.get());
                    CAPTURE(n, padding, rows);
                    CHECK(is_expected(out));
                    narrow.dot_rows_two(view.data, view.stride, scales, rows, w1.get(), w0.get(), n,
                                        out_two.get(), out.get());
                    CHECK(is_expected(out));
                    plain.dot_rows(wide.data(), step, rows, w1.get(), n, expected.data());
                    CHECK(is_expected(out_two));

                    bool same = true;
                    for (std::size_t i = 0; i < rows; ++i) {
                        const auto* const row =
                            view.data + static_cast<std::ptrdiff_t>(i) * view.stride;
                        const float* const scale = scales == nullptr ? nullptr : scales + i;
                        const T* const x = wide.data() + i * n;
                        const Fenced<T> values(std::vector<T>(n, T(-1)));
                        narrow.widen(row, scale, n, values.get());
                        same = same && std::equal(x, x + n, values.get());
                        same = same && same_bits(narrow.dot(row, scale, w0.get(), n),
                                                 plain.dot(w0.get(), x, n));
                        same = same &&
                               same_bits(narrow.squared_norm(row, scale, n), plain.dot(x, x, n));
                    }
                    CHECK(same);
                });
            }
        }
    }
}

TEMPLATE_TEST_CASE("NaN and infinity stay what they are", "", float16, bfloat16) {
    for (const std::size_t n : {1u, 17u, 64u, 100u}) {
        for (std::size_t at = 0; at < n; ++at) {
            std::vector<TestType> row(n, reference::narrow<TestType>(0.5));
            const std::vector<float> ones(n, 1.0f);
            for_all<float, TestType>([&](const auto&, const auto& narrow) {
                row[at].bits = std::is_same_v<TestType, float16> ? 0xfc00 : 0xff80;
                CHECK(narrow.dot(row.data(), nullptr, ones.data(), n) ==
                      -std::numeric_limits<float>::infinity());
                row[at].bits = std::is_same_v<TestType, float16> ? 0x7e01 : 0x7fc1;
                CHECK(std::isnan(narrow.dot(row.data(), nullptr, ones.data(), n)));
                CHECK(std::isnan(narrow.squared_norm(row.data(), nullptr, n)));
            });
        }
    }
}

TEMPLATE_TEST_CASE("a view of narrow rows reads like one of the rows as floats", "",
                   (std::pair<float, float16>), (std::pair<double, float16>),
                   (std::pair<float, bfloat16>), (std::pair<double, bfloat16>),
                   (std::pair<float, std::int8_t>), (std::pair<double, std::int8_t>),
                   (std::pair<float, Scaled>), (std::pair<double, Scaled>)) {
    using T = typename TestType::first_type;
    using U = typename TestType::second_type;
    Random random(2);
    for (const std::size_t d : {1u, 20u, 256u, 600u, 777u}) {
        constexpr std::size_t n = 9;
        const NarrowData<U> data(random.normals<double>(n * d), d, 3, random);
        // dot_wide reads float rows for T = float, and double ones for T = double.
        const std::vector<T> wide = data.template widened<T>();
        const RowsView<T> narrow = data.view();
        const RowsView<T> dense = reference::view(wide, d);
        REQUIRE(narrow.rows == n);
        REQUIRE(narrow.cols == d);
        CHECK(narrow.is_dense());
        CHECK(!narrow.is_read_in_place());
        CHECK(dense.is_read_in_place());
        CHECK(narrow.bytes_per_row() == dense.bytes_per_row());

        const auto w = random.normals<T>(d);
        const auto wide_w = random.normals<double>(d);
        const auto first_y = random.normals<T>(d);
        const auto first_wide_y = random.normals<double>(d);
        CAPTURE(d);
        for (std::size_t i = 0; i < n; ++i) {
            std::vector<T> scratch(d), copied(d);
            const T* const read = narrow.read(i, scratch.data());
            narrow.copy(i, copied.data());
            CHECK(std::equal(read, read + d, dense.row(i)));
            CHECK(std::equal(copied.begin(), copied.end(), dense.row(i)));
            std::vector<double> widened(d);
            narrow.widen(i, widened.data());
            CHECK(std::equal(widened.begin(), widened.end(), dense.row(i)));
            narrow.prefetch(i);
            CHECK(same_bits(narrow.dot(i, w.data()), dense.dot(i, w.data())));
            CHECK(same_bits(narrow.dot_wide(i, wide_w.data()), dense.dot_wide(i, wide_w.data())));
            CHECK(same_bits(narrow.squared_norm(i), dense.squared_norm(i)));
            std::array<std::vector<T>, 2> y = {first_y, first_y};
            narrow.axpy(T(0.3), i, y[0].data());
            dense.axpy(T(0.3), i, y[1].data());
            CHECK(same_bits(y[0], y[1]));
            std::array<std::vector<double>, 2> wide_y = {first_wide_y, first_wide_y};
            narrow.axpy_wide(0.3, i, wide_y[0].data());
            dense.axpy_wide(0.3, i, wide_y[1].data());
            CHECK(same_bits(wide_y[0], wide_y[1]));
            for (std::size_t j = 0; j < n; ++j) {
                CHECK(same_bits(narrow.distance(i, j), dense.distance(i, j)));
            }
            CHECK(narrow.equals(i, dense.row(i)));
            for (const std::size_t c : {std::size_t{0}, d / 2, d - 1}) {
                copied.assign(dense.row(i), dense.row(i) + d);
                copied[c] += T(1);
                CHECK(!narrow.equals(i, copied.data()));
            }
        }
        std::vector<T> out(n), expected(n), out_two(n), expected_two(n);
        narrow.dot_rows(0, n, w.data(), out.data());
        dense.dot_rows(0, n, w.data(), expected.data());
        CHECK(same_bits(out, expected));
        narrow.dot_rows_two(2, n, w.data(), first_y.data(), out.data(), out_two.data());
        dense.dot_rows_two(2, n, w.data(), first_y.data(), expected.data(), expected_two.data());
        CHECK(same_bits(out, expected));
        CHECK(same_bits(out_two, expected_two));

        const RowsView<T> rest = narrow.from(4);
        CHECK(rest.rows == n - 4);
        CHECK(same_bits(rest.dot(1, w.data()), dense.dot(5, w.data())));
        const RowsView<T> part = rest.columns(d / 3, d - d / 3);
        CHECK(part.cols == d - d / 3);
        CHECK(part.equals(2, dense.row(6) + d / 3));

        std::vector<double> products(n), expected_products(n);
        multiply_rows(narrow, w.data(), SerialExecutor{}, products.data());
        multiply_rows(dense, w.data(), SerialExecutor{}, expected_products.data());
        CHECK(same_bits(products, expected_products));
    }
}

TEMPLATE_TEST_CASE("rows of T may follow narrow rows", "", float16, Scaled) {
    Random random(7);
    const std::size_t d = 300;  // more than are widened at a time
    const NarrowData<TestType> data(random.normals<double>(6 * d), d, 1, random);
    const std::vector<float> wide = data.widened(), more = random.normals<float>(5 * d);
    const RowsView<float> narrow =
        RowsView<float>(data.view()).followed_by(reference::view(more, d));
    const RowsView<float> dense =
        RowsView<float>(reference::view(wide, d)).followed_by(reference::view(more, d));
    const auto w = random.normals<float>(d);
    const auto wide_w = random.normals<double>(d);
    REQUIRE(narrow.rows == 11);
    CHECK(narrow.first_part().rows == 6);
    CHECK(!narrow.is_read_in_place());
    CHECK(narrow.from(6).is_read_in_place());
    std::vector<float> out(11), expected(11), out_two(11), expected_two(11), row(d);
    for (const std::size_t first : {0u, 3u, 6u, 8u}) {
        const RowsView<float> some = narrow.from(first), others = dense.from(first);
        some.dot_rows(0, some.rows, w.data(), out.data());
        others.dot_rows(0, some.rows, w.data(), expected.data());
        CHECK(same_bits(out, expected));
        some.dot_rows_two(1, some.rows, wide.data(), w.data(), out_two.data(), out.data());
        others.dot_rows_two(1, some.rows, wide.data(), w.data(), expected_two.data(),
                            expected.data());
        CHECK(same_bits(out, expected));
        CHECK(same_bits(out_two, expected_two));
        for (std::size_t i = 0; i < some.rows; ++i) {
            const float* const read = some.read(i, row.data());
            CHECK(std::equal(read, read + d, others.row(i)));
            CHECK(same_bits(some.dot(i, w.data()), others.dot(i, w.data())));
            CHECK(same_bits(some.dot_wide(i, wide_w.data()), others.dot_wide(i, wide_w.data())));
            CHECK(same_bits(some.squared_norm(i), others.squared_norm(i)));
            CHECK(some.equals(i, others.row(i)));
            CHECK(some.columns(7, 280).equals(i, others.row(i) + 7));
            for (std::size_t j = 0; j < some.rows; ++j) {
                CHECK(same_bits(some.distance(i, j), others.distance(i, j)));
            }
        }
    }
}

TEST_CASE("narrow rows may be in reverse order, or one row repeated") {
    Random random(3);
    const NarrowData<float16> data(random.normals<double>(5 * 30), 30, 0, random);
    const auto view = data.view();
    const auto w = random.normals<float>(30);
    std::vector<float> out(5), reversed(5), repeated(5);
    const RowsView<float> forwards = view;
    const RowsView<float> backwards = NarrowView<float16>{view.data + 4 * 30, 5, 30, -30};
    const RowsView<float> one = NarrowView<float16>{view.data, 5, 30, 0};
    forwards.dot_rows(0, 5, w.data(), out.data());
    backwards.dot_rows(0, 5, w.data(), reversed.data());
    one.dot_rows(0, 5, w.data(), repeated.data());
    CHECK(std::equal(out.rbegin(), out.rend(), reversed.begin()));
    CHECK(repeated == std::vector<float>(5, out[0]));
}

namespace {

bool same_report(const SearchReport& a, const SearchReport& b) {
    return a.status == b.status && a.epochs == b.epochs && a.n_support == b.n_support &&
           a.duality_gap == b.duality_gap && a.score_error_bound == b.score_error_bound &&
           a.certified_k == b.certified_k;
}

/// Sends queries of every kind, by every call, to both indices, and requires the same bits.
template <Real T>
void require_same_searches(const Index<T>& narrow, const Index<T>& dense,
                           const std::vector<T>& vectors, ExecutorRef executor) {
    constexpr std::size_t k = 25;
    const std::size_t n = dense.n_rows(), d = dense.n_features();
    const DenseView<T> queries = reference::view(vectors, d);
    std::vector<std::uint8_t> mask(n), background(n);
    for (std::size_t i = 0; i < n; ++i) {
        mask[i] = i % 3 != 0;
        background[i] = i % 7 != 0;
    }
    const RowNumber positive_rows[] = {17}, negative_rows[] = {3, 40};
    Query<T> query;
    query.positives = {vectors.data(), 1, d, static_cast<std::ptrdiff_t>(d)};
    query.positive_rows = positive_rows;
    query.negatives = {vectors.data() + d, 1, d, static_cast<std::ptrdiff_t>(d)};
    query.negative_rows = negative_rows;
    query.candidates = mask.data();
    query.background = background.data();
    query.duplicates = Duplicates::ignore;
    const SearchSettings& settings = dense.settings().search;

    struct Found {
        std::vector<T> scores;
        std::vector<RowNumber> rows;
        SearchReport report;
    };
    const auto search = [&](const Index<T>& index, const Query<T>& asked) {
        Workspace<T> workspace(index, k, 5);
        Found found{std::vector<T>(k), std::vector<RowNumber>(k), {}};
        found.report = index.search(asked, k, settings, workspace, found.scores.data(),
                                    found.rows.data(), executor);
        return found;
    };
    Query<T> plain;
    plain.positives = {vectors.data(), 1, d, static_cast<std::ptrdiff_t>(d)};
    for (const Query<T>& asked : {plain, query}) {
        const Found found = search(narrow, asked), expected = search(dense, asked);
        REQUIRE(expected.report.status != SearchStatus::invalid_input);
        REQUIRE(found.rows == expected.rows);
        REQUIRE(same_bits(found.scores, expected.scores));
        REQUIRE(same_report(found.report, expected.report));

        Workspace<T> of_narrow(narrow, 1, 5), of_dense(dense, 1, 5);
        std::vector<T> scores(n), expected_scores(n);
        narrow.fit(asked, settings, of_narrow, scores.data(), executor);
        dense.fit(asked, settings, of_dense, expected_scores.data(), executor);
        REQUIRE(same_bits(scores, expected_scores));
        REQUIRE(same_bits(of_narrow.weights().coef, of_dense.weights().coef));
        REQUIRE(std::ranges::equal(of_narrow.dual(), of_dense.dual()));
        REQUIRE(std::ranges::equal(of_narrow.example_dual(), of_dense.example_dual()));
    }
    const auto batch = [&](const Index<T>& index) {
        Workspace<T> one(index, k), two(index, k), three(index, k);
        Workspace<T>* const workspaces[] = {&one, &two, &three};
        std::vector<T> scores(queries.rows * k);
        std::vector<RowNumber> rows(queries.rows * k);
        std::vector<SearchReport> reports(queries.rows);
        index.search_batch(queries, k, settings, workspaces, 3, scores.data(), rows.data(),
                           reports.data(), executor);
        return std::pair(scores, rows);
    };
    const auto found = batch(narrow), expected = batch(dense);
    REQUIRE(found.second == expected.second);
    REQUIRE(same_bits(found.first, expected.first));
}

struct Way {
    Method method;
    SketchType sketch = SketchType::none;
};

}  // namespace

TEMPLATE_TEST_CASE("an index of narrow rows has the bits of an index of the rows as floats", "",
                   (std::pair<float, float16>), (std::pair<float, bfloat16>),
                   (std::pair<float, std::int8_t>), (std::pair<float, Scaled>),
                   (std::pair<double, float16>), (std::pair<double, Scaled>)) {
    using T = typename TestType::first_type;
    using U = typename TestType::second_type;
    const Way way = GENERATE(Way{Method::full}, Way{Method::working_set},
                             Way{Method::working_set, SketchType::int8}, Way{Method::gram});
    const bool center = GENERATE(false, true);
    const Loss loss = GENERATE(Loss::squared_hinge, Loss::hinge);
    Random random(4);
    const reference::ClusteredData<double> clustered(1500, 37, 5, random);
    const NarrowData<U> data(clustered.rows, 37, 2, random);
    const std::vector<T> wide = data.template widened<T>();
    // Some queries are rows, so that there are duplicates to ignore.
    std::vector<T> queries(wide.begin() + 37 * 11, wide.begin() + 37 * 13);
    for (const double v : clustered.positives) {
        queries.push_back(static_cast<T>(NarrowData<U>::is_scaled ? 2.0 * v : v));
    }

    IndexSettings settings;
    settings.method = way.method;
    settings.sketch = way.sketch;
    settings.center = center;
    settings.loss = loss;
    settings.search.prior = center ? 0.5 : 0.0;
    settings.search.C = std::is_same_v<U, std::int8_t> ? 1e-4 : 0.5;
    const Index<T> narrow(data.view(), settings);
    const Index<T> dense(reference::view(wide, 37), settings);
    CAPTURE(static_cast<int>(way.method), static_cast<int>(way.sketch), center,
            static_cast<int>(loss));
    require_same_searches(narrow, dense, queries, SerialExecutor{});
    const reference::ThreadsExecutor threads{3};
    require_same_searches(narrow, dense, queries, threads);
    CHECK(narrow.memory_usage().norms == dense.memory_usage().norms);

    // Added rows are of type T, behind the narrow ones.
    const DenseView<T> added = reference::view(queries, 37);
    const std::vector<RowNumber> removed = {5, 1499, 1501};
    const auto change = [&](const Index<T>& index) {
        return index.with_rows(added).without_rows(removed).with_rows(added);
    };
    require_same_searches(change(narrow), change(dense), queries, SerialExecutor{});
}

TEMPLATE_TEST_CASE("narrow rows that are not finite are refused", "", float16, bfloat16) {
    Random random(5);
    std::vector<TestType> rows;
    for (int j = 0; j < 60; ++j) rows.push_back(reference::narrow<TestType>(random.normal()));
    const NarrowView<TestType> view{rows.data(), 6, 10, 10};
    CHECK_NOTHROW(Index(view));
    rows[34].bits = std::is_same_v<TestType, float16> ? 0x7e00 : 0x7fc0;
    CHECK_THROWS_WITH(Index(view), "embeddings holds nan at row 3, column 4");
    rows[34].bits = std::is_same_v<TestType, float16> ? 0x7c00 : 0x7f80;
    CHECK_THROWS_WITH(Index(view), "embeddings holds inf at row 3, column 4");
    IndexSettings unchecked;
    unchecked.check_finite = false;
    CHECK_NOTHROW(Index(view, unchecked));
}
