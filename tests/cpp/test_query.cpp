// Queries with negatives, row numbers, weights and masks, by every method.

#include "exemplar_svm/query.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <set>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "clustered_data.hpp"
#include "exemplar_svm/index.hpp"
#include "exemplar_svm/solver.hpp"
#include "reference.hpp"

using namespace exemplar_svm;
using reference::ClusteredData;
using reference::Random;

namespace {

struct Way {
    Method method;
    SketchType sketch = SketchType::none;
};

/// Owns what a Query borrows, and draws it at random.
template <Real T>
struct Request {
    std::vector<T> positives, negatives;
    std::vector<RowNumber> positive_rows, negative_rows;
    std::vector<double> positive_weights, negative_weights;
    std::vector<std::uint8_t> candidates, background;
    bool include_positives = false;
    Duplicates duplicates = Duplicates::negative;
    std::size_t d;

    Request(ClusteredData<T>& data, std::size_t most_rows, Random& random) : d(data.d) {
        for (std::size_t j = random.below(3); j > 0; --j) add_vector(data, positives, random);
        for (std::size_t j = random.below(3); j > 0; --j) add_vector(data, negatives, random);
        std::vector<RowNumber> rows(data.n);
        std::iota(rows.begin(), rows.end(), RowNumber{0});
        for (std::size_t i = 0; i < 2 * most_rows; ++i) {
            std::swap(rows[i], rows[i + random.below(data.n - i)]);
        }
        const std::size_t n_positive_rows = random.below(most_rows + 1);
        positive_rows.assign(rows.begin(),
                             rows.begin() + static_cast<std::ptrdiff_t>(n_positive_rows));
        if (positives.empty() && positive_rows.empty()) add_vector(data, positives, random);
        const auto first = rows.begin() + static_cast<std::ptrdiff_t>(most_rows);
        negative_rows.assign(first,
                             first + static_cast<std::ptrdiff_t>(random.below(most_rows + 1)));
        if (random.chance(0.5)) weigh(positive_weights, positives, positive_rows, random);
        if (random.chance(0.5)) weigh(negative_weights, negatives, negative_rows, random);
        if (random.chance(0.5)) mask(candidates, data.n, random);
        if (random.chance(0.5)) mask(background, data.n, random);
        include_positives = random.chance(0.3);
        if (!positives.empty() && random.chance(0.5)) {  // two rows that equal a positive
            duplicates = Duplicates::ignore;
            for (std::size_t i = 0; i < 2; ++i) {
                std::copy_n(
                    positives.begin(), d,
                    data.rows.begin() + static_cast<std::ptrdiff_t>(random.below(data.n) * d));
            }
        }
    }

    void add_vector(const ClusteredData<T>& data, std::vector<T>& vectors, Random& random) const {
        const std::size_t near = random.below(data.n);
        for (std::size_t c = 0; c < d; ++c) {
            vectors.push_back(data.rows[near * d + c] + static_cast<T>(0.02 * random.normal()));
        }
    }

    void weigh(std::vector<double>& weights, const std::vector<T>& vectors,
               const std::vector<RowNumber>& rows, Random& random) const {
        for (std::size_t j = 0; j < vectors.size() / d + rows.size(); ++j) {
            weights.push_back(random.uniform(0.2, 3.0));
        }
    }

    static void mask(std::vector<std::uint8_t>& mask, std::size_t n, Random& random) {
        const double part = random.chance(0.5) ? 0.7 : 0.02;
        for (std::size_t i = 0; i < n; ++i) mask.push_back(random.chance(part) ? 1 : 0);
    }

    Query<T> query() const {
        Query<T> query;
        query.positives = reference::view(positives, d);
        query.negatives = reference::view(negatives, d);
        query.positive_rows = positive_rows;
        query.negative_rows = negative_rows;
        query.positive_weights = positive_weights;
        query.negative_weights = negative_weights;
        query.candidates = candidates.empty() ? nullptr : candidates.data();
        query.background = background.empty() ? nullptr : background.data();
        query.include_positives = include_positives;
        query.duplicates = duplicates;
        return query;
    }

    std::size_t n_positives() const { return positives.size() / d + positive_rows.size(); }
    std::size_t n_examples() const {
        return n_positives() + negatives.size() / d + negative_rows.size();
    }

    static bool holds(const std::vector<RowNumber>& rows, std::size_t i) {
        return std::ranges::find(rows, static_cast<RowNumber>(i)) != rows.end();
    }

    bool may_be_returned(std::size_t i) const {
        if (!candidates.empty() && candidates[i] == 0) return false;
        if (holds(negative_rows, i)) return false;
        return include_positives || !holds(positive_rows, i);
    }

    bool is_negative(const ClusteredData<T>& data, std::size_t i) const {
        if (!background.empty() && background[i] == 0) return false;
        if (holds(positive_rows, i) || holds(negative_rows, i)) return false;
        if (duplicates == Duplicates::negative) return true;
        const auto same = [&](const T* x) {
            return std::equal(x, x + d, data.rows.begin() + static_cast<std::ptrdiff_t>(i * d));
        };
        for (std::size_t j = 0; j < positives.size() / d; ++j) {
            if (same(positives.data() + j * d)) return false;
        }
        for (const RowNumber row : positive_rows) {
            if (same(data.rows.data() + static_cast<std::size_t>(row) * d)) return false;
        }
        return true;
    }
};

/// The exact scores, from an independent statement of the problem, sample by sample.
template <Real T>
std::vector<double> exact_scores(const ClusteredData<T>& data, const Request<T>& request,
                                 const IndexSettings& settings) {
    const std::size_t n = data.n, d = data.d;
    Random unused(1);
    reference::TestData<double> wide(n, d, request.n_examples(), unused);
    std::copy(data.rows.begin(), data.rows.end(), wide.rows.begin());
    wide.positives.clear();
    std::vector<double> weights;
    const auto add = [&](const std::vector<T>& vectors, const std::vector<RowNumber>& rows,
                         const std::vector<double>& factors, std::int8_t label) {
        wide.positives.insert(wide.positives.end(), vectors.begin(), vectors.end());
        for (const RowNumber row : rows) {
            const auto first = data.rows.begin() +
                               static_cast<std::ptrdiff_t>(row) * static_cast<std::ptrdiff_t>(d);
            wide.positives.insert(wide.positives.end(), first,
                                  first + static_cast<std::ptrdiff_t>(d));
        }
        const std::size_t count = vectors.size() / d + rows.size();
        wide.example_labels.insert(wide.example_labels.end(), count, label);
        for (std::size_t j = 0; j < count; ++j) {
            weights.push_back(factors.empty() ? 1.0 : factors[j]);
        }
    };
    add(request.positives, request.positive_rows, request.positive_weights, 1);
    add(request.negatives, request.negative_rows, request.negative_weights, -1);

    std::size_t n_negatives = request.n_examples() - request.n_positives();
    for (std::size_t i = 0; i < n; ++i) {
        wide.background.push_back(request.is_negative(data, i) ? 1 : 0);
        n_negatives += wide.background.back();
    }
    const double C = settings.search.C;
    const auto N = static_cast<double>(n_negatives + request.n_positives());
    const double positive_cost = C * N / (2.0 * static_cast<double>(request.n_positives()));
    for (const double weight : weights) wide.example_costs.push_back(positive_cost * weight);
    if (settings.center) wide.center();
    Problem<double> problem = wide.problem();
    problem.cost = C * N / (2.0 * static_cast<double>(std::max<std::size_t>(n_negatives, 1)));
    problem.loss = settings.loss;
    problem.prior = settings.search.prior;
    problem.intercept_scaling = settings.intercept_scaling;
    SolverSettings solver;
    solver.tol = 1e-10;
    solver.max_epochs = 20000;
    Workspace<double> workspace(n, d, 1, request.n_examples());
    std::vector<double> scores(n);
    const SolveReport report = solve(problem, solver, SerialExecutor{}, workspace, scores.data());
    REQUIRE(report.violation < 1e-8);
    return scores;
}

template <Real T>
void check(const ClusteredData<T>& data, const Request<T>& request, const IndexSettings& settings) {
    const Index<T> index(data.view(), settings);
    const std::size_t k = 30;
    Workspace<T> workspace(index, k, request.n_examples());
    std::vector<T> scores(k);
    std::vector<RowNumber> rows(k);
    const SearchReport report =
        index.search(request.query(), k, settings.search, workspace, scores.data(), rows.data());
    // In float, many linearly dependent examples may reach the precision limit before tol.
    CHECK((report.status == SearchStatus::converged ||
           report.status == SearchStatus::precision_limit));
    const std::vector<double> exact = exact_scores(data, request, settings);
    std::vector<std::size_t> ranking;
    for (std::size_t i = 0; i < data.n; ++i) {
        if (request.may_be_returned(i)) ranking.push_back(i);
    }
    std::ranges::stable_sort(ranking,
                             [&](std::size_t a, std::size_t b) { return exact[a] > exact[b]; });
    const double bound = report.score_error_bound + 1e-6;
    CHECK(bound < 1e-2);
    CHECK(report.certified_k <= ranking.size());
    for (std::size_t r = 0; r < k; ++r) {
        CAPTURE(r, rows[r], scores[r]);
        if (r >= ranking.size()) {
            REQUIRE(rows[r] == -1);
            REQUIRE(scores[r] == -std::numeric_limits<T>::infinity());
            continue;
        }
        REQUIRE(rows[r] >= 0);
        const auto row = static_cast<std::size_t>(rows[r]);
        REQUIRE(request.may_be_returned(row));
        REQUIRE(std::abs(static_cast<double>(scores[r]) - exact[row]) <= bound);
        // The row in this place scores as much as the exact one, up to the bound.
        REQUIRE(std::abs(exact[row] - exact[ranking[r]]) <= 2.0 * bound);
        if (r < report.certified_k) REQUIRE(exact[row] == exact[ranking[r]]);
    }

    std::vector<T> all(data.n);
    const SearchReport fitted = index.fit(request.query(), settings.search, workspace, all.data());
    for (std::size_t i = 0; i < data.n; ++i) {
        REQUIRE(std::abs(static_cast<double>(all[i]) - exact[i]) <=
                fitted.score_error_bound + 1e-6);
    }
}

const auto every_way = {Way{Method::full}, Way{Method::working_set},
                        Way{Method::working_set, SketchType::int8}, Way{Method::gram}};

}  // namespace

TEMPLATE_TEST_CASE("every method answers queries of every kind", "", float, double) {
    const bool center = GENERATE(false, true);
    const double prior = GENERATE(0.0, 0.7);
    const Loss loss = GENERATE(Loss::squared_hinge, Loss::hinge);
    const std::size_t n = GENERATE(as<std::size_t>{}, 60, 1500);
    Random random(31);
    for (int round = 0; round < 6; ++round) {
        ClusteredData<TestType> data(n, 20, 1, random);
        const Request<TestType> request(data, round == 5 ? 20 : 2,
                                        random);  // 20: not all are eliminated
        for (const Way& way : every_way) {
            IndexSettings settings;
            settings.method = way.method;
            settings.sketch = way.sketch;
            settings.center = center;
            settings.loss = loss;
            settings.search.prior = prior;
            CAPTURE(static_cast<int>(way.method), static_cast<int>(way.sketch), center, prior,
                    static_cast<int>(loss), n, round);
            check(data, request, settings);
        }
    }
}

TEST_CASE("an empty background leaves only the examples") {
    Random random(32);
    const ClusteredData<double> data(2000, 16, 2, random);
    const std::vector<std::uint8_t> nobody(data.n, 0);
    for (const Way& way : every_way) {
        IndexSettings settings;
        settings.method = way.method;
        settings.sketch = way.sketch;
        const Index<double> index(data.view(), settings);
        Workspace<double> workspace(index, 5, 2);
        std::vector<double> scores(5);
        std::vector<RowNumber> rows(5);
        Query<double> query;
        query.positives = {data.positives.data(), 1, data.d, 16};
        query.background = nobody.data();
        const auto report =
            index.search(query, 5, settings.search, workspace, scores.data(), rows.data());
        CHECK(report.status == SearchStatus::converged);
        CHECK(report.n_support == 0);
        CHECK(rows[0] >= 0);

        query.candidates = nobody.data();
        index.search(query, 5, settings.search, workspace, scores.data(), rows.data());
        CHECK(rows == std::vector<RowNumber>(5, -1));
    }
}

TEST_CASE("a query that does not fit is invalid input, and the reason says why") {
    Random random(33);
    const ClusteredData<float> data(50, 4, 2, random);
    const RowNumber removed[] = {7};
    const Index<float> index = Index<float>(data.view()).without_rows(removed);
    Workspace<float> workspace(index, 3, 4);
    const auto reason_for = [&](auto&& spoil) {
        Query<float> query;
        query.positives = reference::view(data.positives, 4);
        SearchSettings settings = index.settings().search;
        if constexpr (requires { spoil(query, settings); }) {
            spoil(query, settings);
        } else {
            spoil(query);
        }
        float scores[3];
        RowNumber rows[3];
        const auto report = index.search(query, 3, settings, workspace, scores, rows);
        CHECK((report.status == SearchStatus::invalid_input) ==
              (report.reason != InvalidInput::none));
        CHECK((rows[0] == -1) == (report.reason != InvalidInput::none));
        std::vector<float> all(50, 1.0f);
        const auto fitted = index.fit(query, settings, workspace, all.data());
        CHECK(fitted.reason == report.reason);
        CHECK(std::isnan(all[0]) == (report.reason != InvalidInput::none));
        CHECK(std::isnan(workspace.weights().coef[3]) == (report.reason != InvalidInput::none));
        return report.reason;
    };
    using Q = Query<float>;
    CHECK(reason_for([](Q&) {}) == InvalidInput::none);
    const RowNumber minus[] = {-1}, behind[] = {50}, good[] = {49}, three[] = {1, 2, 3};
    CHECK(reason_for([&](Q& q) { q.positive_rows = good; }) == InvalidInput::none);
    CHECK(reason_for([&](Q& q) { q.positive_rows = minus; }) == InvalidInput::row_out_of_range);
    CHECK(reason_for([&](Q& q) { q.negative_rows = behind; }) == InvalidInput::row_out_of_range);
    CHECK(reason_for([&](Q& q) { q.negative_rows = removed; }) == InvalidInput::row_removed);
    CHECK(reason_for([&](Q& q) { q.negative_rows = three; }) == InvalidInput::workspace_too_small);
    CHECK(reason_for([&](Q& q) { q.positive_rows = q.negative_rows = good; }) ==
          InvalidInput::row_on_both_sides);
    CHECK(reason_for([&](Q& q) {
              q.positives.rows = 0;
              q.negative_rows = good;
          }) == InvalidInput::no_positives);
    const double zero[] = {1.0, 0.0}, one[] = {1.0}, infinite[] = {reference::infinity, 1.0};
    CHECK(reason_for([&](Q& q) { q.positive_weights = zero; }) ==
          InvalidInput::weight_out_of_range);
    CHECK(reason_for([&](Q& q) { q.positive_weights = one; }) ==
          InvalidInput::wrong_number_of_weights);
    CHECK(reason_for([&](Q& q) { q.positive_weights = infinite; }) ==
          InvalidInput::weight_out_of_range);
    const float nan[] = {0.0f, 1.0f, std::numeric_limits<float>::quiet_NaN(), 0.0f};
    const float large[] = {0.0f, 1.0f, std::numeric_limits<float>::max(), 0.0f};
    CHECK(reason_for([&](Q& q) { q.negatives = {nan, 1, 4, 4}; }) ==
          InvalidInput::vector_not_finite);
    CHECK(reason_for([&](Q& q) { q.positives = {large, 1, 4, 4}; }) ==
          InvalidInput::vector_too_large);
    CHECK(reason_for([&](Q& q) { q.negatives = {nan, 1, 3, 3}; }) ==
          InvalidInput::wrong_number_of_features);
    CHECK(reason_for([&](Q&, SearchSettings& s) { s.C = 0.0; }) ==
          InvalidInput::setting_out_of_range);

    float scores[4];
    RowNumber rows[4];
    const auto report = index.search(data.positives.data(), 4, workspace, scores, rows);
    CHECK(report.reason == InvalidInput::workspace_too_small);  // of the ranking
}

TEST_CASE("every status and every reason has its own name") {
    std::set<std::string_view> words;
    for (int i = 0; i <= static_cast<int>(SearchStatus::invalid_input); ++i) {
        words.insert(to_string(static_cast<SearchStatus>(i)));
    }
    CHECK(words.size() == 5);
    CHECK(words.count("unknown") == 0);
    for (int i = 0; i <= static_cast<int>(SolveStatus::deadline); ++i) {
        CHECK(words.count(to_string(static_cast<SolveStatus>(i))) == 1);
    }
    words.clear();
    for (int i = 0; i <= static_cast<int>(InvalidInput::rows_not_finite); ++i) {
        words.insert(to_string(static_cast<InvalidInput>(i)));
    }
    CHECK(words.size() == 13);
    CHECK(words.count("unknown") == 0);
    CHECK(to_string(InvalidInput::rows_not_finite) == "rows_not_finite");
    CHECK(to_string(SearchStatus::converged) == "converged");
}

TEMPLATE_TEST_CASE("a mask of bits selects the rows of the equal mask of bytes", "", float,
                   double) {
    using T = TestType;
    const std::size_t n = GENERATE(as<std::size_t>{}, 1, 7, 8, 9, 200);
    const bool some_are_removed = GENERATE(false, true);
    Random random(35);
    const ClusteredData<T> data(n, 5, 1, random);
    const std::vector<RowNumber> removed(some_are_removed ? 1 : 0, RowNumber{0});
    const Index<T> index = Index<T>(data.view()).without_rows(removed);
    std::vector<std::uint8_t> bytes[2];
    std::vector<std::uint8_t> bits[2];  // of exactly the size they need, for the address sanitizer
    for (int m = 0; m < 2; ++m) {
        bits[m].resize((n + 7) / 8);
        for (std::size_t i = 0; i < n; ++i) {
            bytes[m].push_back(random.chance(0.5) ? 1 : 0);
            if (bytes[m][i] != 0) {
                bits[m][i / 8] = static_cast<std::uint8_t>(bits[m][i / 8] | 1u << i % 8);
            }
        }
        // Bits after the last row's do not matter.
        for (std::size_t i = n; i < 8 * bits[m].size(); ++i) {
            bits[m][i / 8] = static_cast<std::uint8_t>(bits[m][i / 8] | 1u << i % 8);
        }
        const RowMask packed = RowMask::of_bits(bits[m].data()), plain = bytes[m].data();
        for (std::size_t i = 0; i < n; ++i) CHECK(packed.contains(i) == plain.contains(i));
    }
    Workspace<T> workspace(index, n);
    const auto search = [&](RowMask candidates, RowMask background) {
        Query<T> query;
        query.positives = reference::view(data.positives, 5);
        query.candidates = candidates;
        query.background = background;
        std::vector<T> scores(n);
        std::vector<RowNumber> rows(n);
        const auto report =
            index.search(query, n, index.settings().search, workspace, scores.data(), rows.data());
        CHECK(report.status == SearchStatus::converged);
        return std::pair(rows, scores);
    };
    const RowMask packed[] = {RowMask::of_bits(bits[0].data()), RowMask::of_bits(bits[1].data())};
    const auto expected = search(bytes[0].data(), bytes[1].data());
    CHECK(search(packed[0], packed[1]) == expected);
    CHECK(search(packed[0], bytes[1].data()) == expected);
    CHECK(search(bytes[0].data(), packed[1]) == expected);
    CHECK(search({}, packed[1]) == search(nullptr, bytes[1].data()));
    CHECK(search(packed[0], {}) == search(bytes[0].data(), {}));
}
