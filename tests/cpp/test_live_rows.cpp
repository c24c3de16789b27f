// Rows come and go: an index made of another one answers as one that is made anew.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "clustered_data.hpp"
#include "exemplar_svm/index.hpp"
#include "model/row_statistics.hpp"
#include "reference.hpp"
#include "sparse_data.hpp"
#include "threads_executor.hpp"

using namespace exemplar_svm;
using reference::ClusteredData;
using reference::Random;
using reference::SparseData;

namespace {

template <Real T>
struct Found {
    SearchReport report;
    std::vector<T> scores;
    std::vector<RowNumber> rows;

    bool operator==(const Found& other) const {
        return scores == other.scores && rows == other.rows &&
               report.duality_gap == other.report.duality_gap;
    }
};

template <Real T>
Found<T> search(const Index<T>& index, const Query<T>& query, std::size_t k = 10) {
    Found<T> found{{}, std::vector<T>(k), std::vector<RowNumber>(k)};
    Workspace<T> workspace(index, k, query.n_positives() + query.n_negatives());
    found.report = index.search(query, k, index.settings().search, workspace, found.scores.data(),
                                found.rows.data());
    return found;
}

template <Real T>
Query<T> query_of(const ClusteredData<T>& data) {
    Query<T> query;
    query.positives = {data.positives.data(), 1, data.d, static_cast<std::ptrdiff_t>(data.d)};
    return query;
}

template <Real T>
DenseView<T> part_of(const ClusteredData<T>& data, std::size_t begin, std::size_t end) {
    return {data.rows.data() + begin * data.d, end - begin, data.d,
            static_cast<std::ptrdiff_t>(data.d)};
}

template <Real T, ColumnNumber I>
Query<T> query_of(const SparseData<T, I>& data) {
    Query<T> query;
    query.positives = data.dense_part(data.n - 1, data.n);
    return query;
}

std::vector<IndexSettings> sparse_settings() {
    std::vector<IndexSettings> all(2);
    all[1].center = true;
    for (IndexSettings& settings : all) {
        settings.search.C = 1.0;
        settings.search.solver.tol = 1e-6;
    }
    return all;
}

/// The same rows, whose scores differ by no more than the two have proven.
template <Real T>
void check_close(const Found<T>& a, const Found<T>& b) {
    CHECK(a.rows == b.rows);
    const double bound =
        a.report.score_error_bound + b.report.score_error_bound + 1e-6;  // of the ranks' rounding
    bool close = true;
    for (std::size_t r = 0; r < a.scores.size(); ++r) {
        const bool padded = a.rows[r] < 0 && b.rows[r] < 0;
        close = close && (padded || std::abs(static_cast<double>(a.scores[r]) -
                                             static_cast<double>(b.scores[r])) <= bound);
    }
    CHECK(close);
}

std::vector<IndexSettings> all_settings() {
    std::vector<IndexSettings> all;
    for (const Method method :
         {Method::automatic, Method::full, Method::working_set, Method::gram}) {
        for (const bool center : {false, true}) {
            IndexSettings settings;
            settings.method = method;
            settings.center = center;
            settings.search.C = 1.0;
            settings.search.solver.tol = 1e-6;
            all.push_back(settings);
            if (method != Method::working_set) continue;
            settings.sketch = SketchType::int8;
            all.push_back(settings);
            settings.sketch = SketchType::none;
            settings.search.C = 1e-4;  // nearly all rows support
            all.push_back(settings);
        }
    }
    return all;
}

template <class Function>
std::string refusal(Function&& function) {
    try {
        function();
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "";
}

}  // namespace

TEMPLATE_TEST_CASE("an index with rows added answers as one of all rows", "", float, double) {
    using T = TestType;
    Random random(1);
    const ClusteredData<T> data(1500, 20, 1, random);
    for (const IndexSettings& settings : all_settings()) {
        const Index<T> fresh(data.view(), settings);
        Index<T> grown(part_of(data, 0, 40), settings);
        for (const std::size_t end : {41u, 43u, 95u, 96u, 97u, 400u, 1500u}) {
            grown =
                grown.with_rows(part_of(data, grown.n_rows(), end), reference::ThreadsExecutor{2});
            CHECK(grown.n_rows() == end);
        }
        CHECK(grown.n_live() == 1500);
        CHECK(grown.live() == nullptr);
        CHECK(grown.memory_usage().added == 1460 * 20 * sizeof(T));
        CHECK(grown.memory_usage().norms == fresh.memory_usage().norms);
        CHECK(grown.memory_usage().sign_codes == fresh.memory_usage().sign_codes);
        CHECK(grown.memory_usage().sketch == fresh.memory_usage().sketch);
        CHECK(grown.memory_usage().gram == fresh.memory_usage().gram);
        check_close(search(grown, query_of(data)), search(fresh, query_of(data)));
    }
}

TEMPLATE_TEST_CASE("an index of no rows can grow", "", float, double) {
    using T = TestType;
    Random random(2);
    const ClusteredData<T> data(30, 5, 1, random);
    for (const IndexSettings& settings : all_settings()) {
        const Index<T> empty(part_of(data, 0, 0), settings);
        const Index<T> grown = empty.with_rows(data.view());
        check_close(search(grown, query_of(data)),
                    search(Index<T>(data.view(), settings), query_of(data)));
        CHECK(search(empty, query_of(data)).rows[0] == -1);
    }
}

TEMPLATE_TEST_CASE("removed rows are as if they had never been, and the others keep their numbers",
                   "", float, double) {
    using T = TestType;
    Random random(3);
    const ClusteredData<T> data(1300, 16, 1, random);
    std::vector<RowNumber> numbers(data.n), removed;
    for (std::size_t i = 0; i < data.n; ++i) numbers[i] = static_cast<RowNumber>(i);
    std::vector<T> left;
    std::vector<RowNumber> left_numbers;
    for (std::size_t i = 0; i < data.n; ++i) {
        if (i % 3 == 0 || (i > 500 && i < 600)) {
            removed.push_back(numbers[i]);
        } else {
            left.insert(left.end(), data.rows.begin() + static_cast<std::ptrdiff_t>(i * data.d),
                        data.rows.begin() + static_cast<std::ptrdiff_t>((i + 1) * data.d));
            left_numbers.push_back(numbers[i]);
        }
    }
    for (const IndexSettings& settings : all_settings()) {
        Index<T> index(part_of(data, 0, 700), settings);
        index = index.with_rows(part_of(data, 700, data.n)).without_rows(removed);
        CHECK(index.n_rows() == data.n);
        CHECK(index.n_live() == left_numbers.size());
        const Index<T> fresh(reference::view(left, data.d), settings);
        Found<T> expected = search(fresh, query_of(data), 40);
        for (RowNumber& row : expected.rows) row = left_numbers[static_cast<std::size_t>(row)];
        check_close(search(index, query_of(data), 40), expected);

        // So they are to masks, to weights, and after a refresh.
        Query<T> query = query_of(data);
        std::vector<std::uint8_t> mask(data.n);
        for (std::size_t i = 0; i < data.n; ++i) mask[i] = i % 2;
        query.candidates = mask.data();
        for (const RowNumber row : search(index, query, 40).rows) {
            CHECK(row % 2 == 1);
            CHECK(row % 3 != 0);
        }
        query.candidates = nullptr;
        query.background = mask.data();
        std::vector<std::uint8_t> left_mask;
        for (const RowNumber row : left_numbers)
            left_mask.push_back(static_cast<std::uint8_t>(row % 2));
        Query<T> left_query = query_of(data);
        left_query.background = left_mask.data();
        expected = search(fresh, left_query);
        for (RowNumber& row : expected.rows) row = left_numbers[static_cast<std::size_t>(row)];
        check_close(search(index, query), expected);
        index.refresh();
        CHECK(index.n_live() == left_numbers.size());
        check_close(search(index, query), expected);

        Workspace<T> workspace(index, 0);
        std::vector<T> scores(data.n);
        index.fit(query.positives, settings.search, workspace, scores.data());
        CHECK(scores[0] == -std::numeric_limits<T>::infinity());
        CHECK(std::isfinite(scores[1]));
    }
}

TEST_CASE("rows that have been removed cannot be examples, nor be removed again") {
    Random random(4);
    const ClusteredData<double> data(50, 4, 1, random);
    const Index<double> index =
        Index<double>(data.view()).without_rows(std::vector<RowNumber>{3, 49});
    const std::vector<RowNumber> gone{49}, there{48};
    Query<double> query;
    query.positive_rows = gone;
    CHECK(search(index, query).report.status == SearchStatus::invalid_input);
    query.positive_rows = there;
    CHECK(search(index, query).report.status == SearchStatus::converged);
    query.negative_rows = gone;
    CHECK(search(index, query).report.status == SearchStatus::invalid_input);
    CHECK(refusal([&] { index.without_rows(gone); }) == "row 49 is already removed");
    CHECK(refusal([&] { index.without_rows(std::vector<RowNumber>{50}); }) ==
          "row 50 cannot be removed: embeddings has 50 rows");
    CHECK(refusal([&] { index.without_rows(std::vector<RowNumber>{-1}); }) ==
          "row -1 cannot be removed: embeddings has 50 rows");
    CHECK(index.n_live() == 48);
}

TEST_CASE("an index with no rows left returns none") {
    Random random(5);
    const ClusteredData<float> data(3, 4, 1, random);
    for (const IndexSettings& settings : all_settings()) {
        const Index<float> index =
            Index<float>(data.view(), settings).without_rows(std::vector<RowNumber>{0, 1, 2});
        const Found<float> found = search(index, query_of(data));
        CHECK(found.rows == std::vector<RowNumber>(10, -1));
        CHECK(found.report.status == SearchStatus::converged);
        CHECK(search(index.with_rows(data.view()), query_of(data)).rows[0] >= 3);
    }
}

TEST_CASE("refused rows leave the index as it was") {
    Random random(6);
    ClusteredData<float> data(60, 8, 1, random);
    for (const IndexSettings& settings : all_settings()) {
        const Index<float> index =
            Index<float>(part_of(data, 0, 30), settings).with_rows(part_of(data, 30, 40));
        const Found<float> before = search(index, query_of(data));
        std::vector<float> bad(data.rows.begin(), data.rows.begin() + 16);
        bad[11] = std::numeric_limits<float>::quiet_NaN();
        CHECK(refusal([&] { index.with_rows(reference::view(bad, 8)); }) ==
              "embeddings holds nan at row 41, column 3");
        CHECK(refusal([&] { index.with_rows(reference::view(bad, 4)); }) ==
              "added rows must have as many features as the index");
        CHECK(search(index, query_of(data)) == before);
        check_close(search(index.with_rows(part_of(data, 40, 60)), query_of(data)),
                    search(Index<float>(data.view(), settings), query_of(data)));
    }
}

TEMPLATE_TEST_CASE("an index made from another's parts answers with the same bits", "", float,
                   double) {
    using T = TestType;
    Random random(7);
    const ClusteredData<T> data(1200, 12, 1, random);
    const std::vector<RowNumber> removed{0, 700, 1199};
    for (const IndexSettings& settings : all_settings()) {
        const Index<T> index = Index<T>(part_of(data, 0, 1000), settings)
                                   .with_rows(part_of(data, 1000, 1200))
                                   .without_rows(removed);
        const auto parts = index.parts();
        const Index<T> opened(data.view(), settings, parts);
        CHECK(opened.n_live() == 1197);
        CHECK(search(opened, query_of(data)) == search(index, query_of(data)));
        check_close(search(opened.with_rows(data.view()), query_of(data)),
                    search(index.with_rows(data.view()), query_of(data)));

        for (std::size_t i = 0; i < parts.size(); ++i) {
            auto spoilt = parts;
            spoilt[i].bytes -= 1;
            CHECK(refusal([&] { Index<T>(data.view(), settings, spoilt); }) != "");
            spoilt[i].bytes = 0;
            const std::string name = parts[i].name;
            const bool optional = name == "live" || name == "gram";
            CHECK((refusal([&] { Index<T>(data.view(), settings, spoilt); }) != "" || optional));
            spoilt[i].name = "other";
            CHECK(refusal([&] { Index<T>(data.view(), settings, spoilt); }) ==
                  "parts has a name that no part of an index has");
        }
        CHECK(refusal([&] { Index<T>(part_of(data, 0, 1199), settings, parts); }) != "");
    }
}

TEMPLATE_TEST_CASE(
    "an index made from the parts of one with sparse rows answers with the same bits", "", float,
    double) {
    using T = TestType;
    Random random(9);
    const SparseData<T> data(1200, 40, 0.1, random);
    for (const bool center : {false, true}) {
        IndexSettings settings;
        settings.center = center;
        settings.search.C = 1.0;
        const Index<T> index(RowsView<T>(data.view()), settings);
        const auto parts = index.parts();
        const Index<T> opened(RowsView<T>(data.view()), settings, parts);
        CHECK(search(opened, query_of(data)) == search(index, query_of(data)));
        for (std::size_t i = 0; i < parts.size(); ++i) {
            CAPTURE(std::string(parts[i].name));
            auto spoilt = parts;
            spoilt[i].bytes = 0;
            CHECK(refusal([&] { Index<T>(RowsView<T>(data.view()), settings, spoilt); }) != "");
            CHECK(refusal([&] { Index<T>(data.dense_view(), settings, parts); }) != "");
        }
        // A row number out of range.
        auto spoilt = parts;
        std::vector<RowIndex> rows;
        for (auto& part : spoilt) {
            if (std::string(part.name) != "posting_rows") continue;
            const auto* const first = static_cast<const RowIndex*>(part.data);
            rows.assign(first, first + part.bytes / sizeof(RowIndex));
            rows[7] = 1200;
            part.data = rows.data();
        }
        CHECK(refusal([&] { Index<T>(RowsView<T>(data.view()), settings, spoilt); }) ==
              "postings name a row beyond the last listed one");
    }
}

/// Searches in other threads see one snapshot while rows come and go.
/// @param part  part(begin, end): the rows from begin to end
template <class Part>
void check_snapshots(Index<float> index, const Query<float>& query, Part&& part) {
    using Snapshot = std::shared_ptr<const Index<float>>;
    Snapshot current = std::make_shared<const Index<float>>(std::move(index));
    std::mutex mutex;
    std::atomic<bool> ended{false};
    const auto latest = [&] {
        const std::lock_guard lock(mutex);
        return current;
    };
    std::vector<std::vector<std::pair<Snapshot, Found<float>>>> answers(3);
    std::vector<std::thread> threads;
    for (auto& own : answers) {
        threads.emplace_back([&] {
            while (!ended || own.empty()) {
                const Snapshot snapshot = latest();
                own.emplace_back(snapshot, search(*snapshot, query));
            }
        });
    }
    for (std::size_t step = 0; step < 50; ++step) {
        const Snapshot before = latest();
        const std::size_t first = before->n_rows();
        Index<float> next = before->with_rows(part(first, first + 10));
        if (step % 3 == 0) {
            next = next.without_rows(std::vector<RowNumber>{static_cast<RowNumber>(first - 7)});
        }
        const auto made = std::make_shared<const Index<float>>(std::move(next));
        const std::lock_guard lock(mutex);
        current = made;
    }
    ended = true;
    for (auto& thread : threads) thread.join();
    bool same = true;
    for (const auto& own : answers) {
        for (const auto& [snapshot, found] : own) {
            same = same && search(*snapshot, query) == found;
        }
    }
    CHECK(same);
}

TEST_CASE("searches see one snapshot while others are made") {
    Random random(8);
    const ClusteredData<float> data(1600, 12, 1, random);
    IndexSettings settings;
    settings.method = Method::working_set;
    settings.sketch = SketchType::int8;
    check_snapshots(Index<float>(part_of(data, 0, 1100), settings), query_of(data),
                    [&](std::size_t begin, std::size_t end) { return part_of(data, begin, end); });
}

TEST_CASE("a workspace serves indices of fewer rows, with the same bits") {
    Random random(9);
    const ClusteredData<float> data(1500, 12, 1, random);
    for (const IndexSettings& settings : all_settings()) {
        const Index<float> index(part_of(data, 0, 1100), settings);
        Workspace<float> larger(std::size_t{9000}, 12, 20);
        Found<float> found{{}, std::vector<float>(10), std::vector<RowNumber>(10)};
        found.report = index.search(query_of(data), 10, settings.search, larger,
                                    found.scores.data(), found.rows.data());
        CHECK(found == search(index, query_of(data)));
    }
}

using SparseTypes = std::tuple<std::tuple<float, std::int32_t>, std::tuple<float, std::int64_t>,
                               std::tuple<double, std::int32_t>, std::tuple<double, std::int64_t>>;

TEMPLATE_LIST_TEST_CASE("an index with sparse rows added has the bits of one of all rows", "",
                        SparseTypes) {
    using T = std::tuple_element_t<0, TestType>;
    using I = std::tuple_element_t<1, TestType>;
    using Other = std::conditional_t<std::is_same_v<I, std::int32_t>, std::int64_t, std::int32_t>;
    Random random(10), random_again(10);
    const SparseData<T, I> data(1500, 40, 0.15, random);
    const SparseData<T, Other> other(1500, 40, 0.15, random_again);
    for (const IndexSettings& settings : sparse_settings()) {
        const Index<T> fresh(RowsView<T>(data.view()), settings);
        for (const std::size_t n_borrowed : {0u, 1u, 1000u}) {
            Index<T> grown(RowsView<T>(data.part(0, n_borrowed)), settings);
            std::size_t step = 0;
            for (const std::size_t end : {1001u, 1002u, 1003u, 1100u, 1300u, 1301u, 1500u}) {
                const std::size_t begin = grown.n_rows();
                const RowsView<T> added[] = {data.part(begin, end), other.part(begin, end),
                                             data.dense_part(begin, end)};
                grown = grown.with_rows(added[step++ % 3], reference::ThreadsExecutor{2});
                CHECK(grown.n_rows() == end);
            }
            const auto n_entries =
                static_cast<std::size_t>(data.starts[1500] - data.starts[n_borrowed]);
            CHECK(grown.memory_usage().added ==
                  n_entries * (sizeof(T) + sizeof(I)) + (1500 - n_borrowed + 1) * 8);
            CHECK(grown.memory_usage().norms == fresh.memory_usage().norms);
            CHECK(grown.memory_usage().mean == fresh.memory_usage().mean);
            check_close(search(grown, query_of(data)), search(fresh, query_of(data)));
            // Norms are rounded up by the most that the longest row so far may have lost.
            grown.refresh();
            CHECK(search(grown, query_of(data)) == search(fresh, query_of(data)));
            Query<T> query;
            const std::vector<RowNumber> positives{3, 1001, 1400}, negatives{1250};
            query.positive_rows = positives;
            query.negative_rows = negatives;
            CHECK(search(grown, query) == search(fresh, query));
        }
    }
}

TEMPLATE_LIST_TEST_CASE("sparse rows that were added can be removed", "", SparseTypes) {
    using T = std::tuple_element_t<0, TestType>;
    using I = std::tuple_element_t<1, TestType>;
    Random random(11);
    const SparseData<T, I> data(900, 40, 0.15, random);
    std::vector<RowNumber> removed, left_numbers;
    std::vector<T> left;
    for (std::size_t i = 0; i < data.n; ++i) {
        if (i % 3 == 0 || (i > 500 && i < 600)) {
            removed.push_back(static_cast<RowNumber>(i));
            continue;
        }
        const auto row = data.dense.begin() + static_cast<std::ptrdiff_t>(i * data.d);
        left.insert(left.end(), row, row + static_cast<std::ptrdiff_t>(data.d));
        left_numbers.push_back(static_cast<RowNumber>(i));
    }
    for (const IndexSettings& settings : sparse_settings()) {
        const Index<T> fresh(reference::view(left, data.d), settings);
        const std::span gone(removed);
        const Index<T> index = Index<T>(RowsView<T>(data.part(0, 400)), settings)
                                   .with_rows(data.part(400, 700))
                                   .without_rows(gone.first(150))
                                   .with_rows(data.part(700, 900))
                                   .without_rows(gone.subspan(150));
        CHECK(index.n_live() == left_numbers.size());
        Found<T> expected = search(fresh, query_of(data), 40);
        for (RowNumber& row : expected.rows) row = left_numbers[static_cast<std::size_t>(row)];
        check_close(search(index, query_of(data), 40), expected);
        const Index<T> none = index.without_rows(left_numbers);
        CHECK(none.n_live() == 0);
        const Found<T> nothing = search(none, query_of(data));
        CHECK(nothing.rows == std::vector<RowNumber>(10, -1));
        CHECK(nothing.report.status == SearchStatus::converged);
        CHECK(search(none.with_rows(data.part(0, 30)), query_of(data)).rows[0] >= 900);
    }
}

TEST_CASE("bounds, blocks and workspaces count a row that is longer than any before") {
    constexpr std::size_t n = 3000, d = 3000;
    std::vector<float> values, query(d);
    std::vector<std::int32_t> columns, starts{0};
    Random random(13);
    for (std::size_t i = 0; i < n; ++i) {
        values.push_back(static_cast<float>(random.normal()));
        columns.push_back(static_cast<std::int32_t>(i % d));
        starts.push_back(static_cast<std::int32_t>(values.size()));
    }
    for (float& value : query) value = static_cast<float>(random.normal());
    const Index<float> short_rows(
        CsrView<float, std::int32_t>{values.data(), columns.data(), starts.data(), n, d, n});
    const auto long_rows = random.normals<float>(200 * d);
    const Index<float> index = short_rows.with_rows(reference::view(long_rows, d));
    CHECK(index.rows().sparse().roundings() > short_rows.rows().sparse().roundings() + 700);
    CHECK(index.rows().sparse().count(n) == d);

    // A workspace large enough for the rows, but not for their blocks, is refused.
    RowsView<float> shape = short_rows.rows();
    shape.rows = n + 200;
    Workspace<float> old(shape, 10), fits(index, 10);
    CHECK(old.has_room_for(short_rows.rows()));
    CHECK(!old.has_room_for(index.rows()));
    CHECK(fits.has_room_for(index.rows()));
    std::vector<float> scores(10);
    std::vector<RowNumber> rows(10);
    const auto status = [&](const Index<float>& in, Workspace<float>& workspace) {
        return in.search(query.data(), 10, workspace, scores.data(), rows.data()).status;
    };
    CHECK(status(index, old) == SearchStatus::invalid_input);
    CHECK(status(index, fits) == SearchStatus::converged);
    CHECK(status(short_rows, old) == SearchStatus::converged);

    // A long row as an example, where all rows so far were short.
    const std::vector<RowNumber> positives{static_cast<RowNumber>(n + 5)};
    Query<float> by_number;
    by_number.positive_rows = positives;
    Workspace<float> tight(index, 10, 1, 2);
    CHECK(index.search(by_number, 10, {}, tight, scores.data(), rows.data()).status ==
          SearchStatus::invalid_input);
    CHECK(index.search(by_number, 10, {}, fits, scores.data(), rows.data()).status ==
          SearchStatus::converged);
}

TEST_CASE("refused sparse rows leave the index as it was") {
    Random random(14);
    const SparseData<float> data(60, 8, 0.3, random);
    SparseData<float> bad = data;
    for (const IndexSettings& settings : sparse_settings()) {
        const Index<float> index =
            Index<float>(RowsView<float>(data.part(0, 30)), settings).with_rows(data.part(30, 40));
        const Found<float> before = search(index, query_of(data));
        const auto entry = static_cast<std::size_t>(data.starts[41]);
        bad = data;
        bad.values[entry] = std::numeric_limits<float>::infinity();
        CHECK(refusal([&] { index.with_rows(bad.part(40, 60)); }) ==
              "embeddings holds inf at row 41, column " + std::to_string(bad.columns[entry]));
        bad = data;
        bad.columns[entry] = 8;
        CHECK(refusal([&] { index.with_rows(bad.part(40, 60)); }) ==
              "rows has a row 1 that has an entry in column 8, but the columns are 0 to 7");
        bad = data;
        std::swap(bad.columns[entry], bad.columns[entry + 1]);
        CHECK(refusal([&] {
                  index.with_rows(bad.part(40, 60));
              }).find("rows has rows whose columns do not ascend strictly") == 0);
        CHECK(refusal([&] { index.with_rows(SparseData<float>(3, 5, 0.3, random).view()); }) ==
              "added rows must have as many features as the index");
        CHECK(search(index, query_of(data)) == before);
        check_close(search(index.with_rows(data.part(40, 60)), query_of(data)),
                    search(Index<float>(RowsView<float>(data.view()), settings), query_of(data)));
    }
}

TEST_CASE("sparse rows can be added to dense ones, and an index can have two successors") {
    Random random(15);
    const SparseData<float> data(300, 20, 0.3, random);
    const Index<float> dense(data.dense_part(0, 100));
    check_close(search(dense.with_rows(data.part(100, 300)), query_of(data)),
                search(Index<float>(data.dense_view()), query_of(data)));

    const Index<float> sparse =
        Index<float>(RowsView<float>(data.part(0, 100))).with_rows(data.part(100, 150));
    const Found<float> before = search(sparse, query_of(data));
    const Index<float> one = sparse.with_rows(data.part(150, 300));
    const Index<float> other = sparse.with_rows(data.part(0, 150));
    CHECK(search(sparse, query_of(data)) == before);
    check_close(search(one, query_of(data)),
                search(Index<float>(RowsView<float>(data.view())), query_of(data)));
    CHECK(one.rows().equals(150, data.dense.data() + 150 * data.d));
    CHECK(other.rows().equals(150, data.dense.data()));
    CHECK(other.rows().equals(299, data.dense.data() + 149 * data.d));
}

TEST_CASE("searches among sparse rows see one snapshot while others are made") {
    Random random(16);
    const SparseData<float> data(1600, 30, 0.2, random);
    const std::size_t n_first = GENERATE(as<std::size_t>{}, 600, 1100);  // with a working set
    IndexSettings settings;
    settings.search.C = 3.0;
    check_snapshots(Index<float>(RowsView<float>(data.part(0, n_first)), settings), query_of(data),
                    [&](std::size_t begin, std::size_t end) { return data.part(begin, end); });
}
