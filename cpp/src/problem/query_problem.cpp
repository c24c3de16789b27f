#include "problem/query_problem.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "exemplar_svm/scan.hpp"

namespace exemplar_svm {
namespace {

template <Real T>
InvalidInput why_invalid(const DenseView<T>& vectors, std::size_t n_features) noexcept {
    if (vectors.rows > 0 && vectors.cols != n_features) {
        return InvalidInput::wrong_number_of_features;
    }
    for (std::size_t j = 0; j < vectors.rows; ++j) {
        const T* const x = vectors.row(j);
        T square;  // not finite if any element is not
        square_rows(DenseView<T>{x, 1, vectors.cols, vectors.stride}, SerialExecutor{}, &square);
        if (std::isfinite(square)) continue;
        return std::all_of(x, x + vectors.cols, [](T value) { return std::isfinite(value); })
                   ? InvalidInput::vector_too_large
                   : InvalidInput::vector_not_finite;
    }
    return InvalidInput::none;
}

InvalidInput why_invalid(std::span<const RowNumber> numbers, std::size_t n_rows,
                         const std::uint8_t* live) noexcept {
    for (const RowNumber number : numbers) {
        if (number < 0 || static_cast<std::size_t>(number) >= n_rows) {
            return InvalidInput::row_out_of_range;
        }
        if (live != nullptr && live[number] == 0) return InvalidInput::row_removed;
    }
    return InvalidInput::none;
}

InvalidInput why_invalid(std::span<const double> weights, std::size_t n_examples) noexcept {
    if (!weights.empty() && weights.size() != n_examples) {
        return InvalidInput::wrong_number_of_weights;
    }
    const auto is_weight = [](double weight) { return weight > 0.0 && std::isfinite(weight); };
    return std::ranges::all_of(weights, is_weight) ? InvalidInput::none
                                                   : InvalidInput::weight_out_of_range;
}

template <Real T>
void copy_examples(const DenseView<T>& vectors, std::span<const RowNumber> numbers,
                   const RowsView<T>& rows, ExampleRows<T>& examples) noexcept {
    for (std::size_t j = 0; j < vectors.rows; ++j) examples.add(vectors.row(j));
    for (const RowNumber number : numbers) examples.add(rows, static_cast<std::size_t>(number));
}

void weigh(std::span<const double> weights, std::span<double> costs, double cost) noexcept {
    for (std::size_t j = 0; j < costs.size(); ++j) {
        costs[j] = cost * (weights.empty() ? 1.0 : weights[j]);
    }
}

std::size_t count_rows(const std::uint8_t* mask, std::size_t n) noexcept {
    if (mask == nullptr) return n;
    return n - static_cast<std::size_t>(std::count(mask, mask + n, std::uint8_t{0}));
}

/// A copy of the intersection of a mask with the live rows.
const std::uint8_t* copy_masks(const RowMask& mask, const std::uint8_t* live, std::size_t n,
                               std::vector<std::uint8_t>& copy) noexcept {
    if (mask.is_packed()) {
        for (std::size_t i = 0; i < n; ++i) copy[i] = mask.contains(i) ? 1 : 0;
    } else if (!mask.is_everything()) {
        std::copy_n(mask.data(), n, copy.begin());
    } else {
        std::fill_n(copy.begin(), n, std::uint8_t{1});
    }
    for (std::size_t i = 0; live != nullptr && i < n; ++i) {
        if (live[i] == 0) copy[i] = 0;
    }
    return copy.data();
}

/// The same intersection, not copied if it equals one of the two masks and has a byte per row.
const std::uint8_t* common_mask(const RowMask& mask, const std::uint8_t* live, std::size_t n,
                                std::vector<std::uint8_t>& copy) noexcept {
    if (mask.is_everything()) return live;
    if (live == nullptr && !mask.is_packed()) return mask.data();
    return copy_masks(mask, live, n, copy);
}

void take_out(std::span<const RowNumber> rows, std::vector<std::uint8_t>& mask) noexcept {
    for (const RowNumber row : rows) mask[static_cast<std::size_t>(row)] = 0;
}

/// Clears the mask of rows that equal one of the first n examples.
/// @param scratch  n_features values, for an example that is not stored as dense T
template <Real T>
void take_out_duplicates(const RowsView<T>& rows, const RowsView<T>& examples, std::size_t n,
                         T* scratch, std::vector<std::uint8_t>& mask) noexcept {
    for (std::size_t j = 0; j < n; ++j) {
        const T* const x = examples.read(j, scratch);
        for (std::size_t i = 0; i < rows.rows; ++i) {
            if (mask[i] != 0 && rows.equals(i, x)) mask[i] = 0;
        }
    }
}

/// Whether the nonzero values of sparse examples fit in the scratch; true for dense rows.
template <Real T>
bool has_room_for_entries(const Query<T>& query, const RowsView<T>& rows,
                          const QueryScratch<T>& scratch) noexcept {
    return rows.is_dense() || count_entries(query, rows) <= scratch.examples.max_entries();
}

}  // namespace

template <Real T>
QueryScratch<T>::QueryScratch(const RowsView<T>& rows, std::size_t max_examples,
                              std::size_t max_entries)
    : examples(rows, max_examples, max_entries),
      labels(max_examples),
      costs(max_examples),
      background(rows.rows),
      candidates(rows.rows),
      row(rows.cols) {}

template <Real T>
std::size_t count_entries(const Query<T>& query, const RowsView<T>& rows) noexcept {
    std::size_t count = 0;
    for (const DenseView<T>& vectors : {query.positives, query.negatives}) {
        for (std::size_t j = 0; j < vectors.rows; ++j) {
            const T* const x = vectors.row(j);
            count += vectors.cols - static_cast<std::size_t>(std::count(x, x + vectors.cols, T(0)));
        }
    }
    for (const std::span<const RowNumber> numbers : {query.positive_rows, query.negative_rows}) {
        for (const RowNumber number : numbers) {
            count += rows.sparse().count(static_cast<std::size_t>(number));
        }
    }
    return count;
}

template <Real T>
InvalidInput why_invalid(const Query<T>& query, const RowsView<T>& rows, const std::uint8_t* live,
                         const QueryScratch<T>& scratch) noexcept {
    if (query.n_positives() == 0) return InvalidInput::no_positives;
    if (query.n_positives() + query.n_negatives() > scratch.max_examples()) {
        return InvalidInput::workspace_too_small;
    }
    for (const InvalidInput reason :
         {why_invalid(query.positive_rows, rows.rows, live),
          why_invalid(query.negative_rows, rows.rows, live),
          why_invalid(query.positive_weights, query.n_positives()),
          why_invalid(query.negative_weights, query.n_negatives()),
          why_invalid(query.positives, rows.cols), why_invalid(query.negatives, rows.cols)}) {
        if (reason != InvalidInput::none) return reason;
    }
    const bool is_both = std::ranges::any_of(query.positive_rows, [&](RowNumber row) {
        return std::ranges::find(query.negative_rows, row) != query.negative_rows.end();
    });
    if (is_both) return InvalidInput::row_on_both_sides;
    return has_room_for_entries(query, rows, scratch) ? InvalidInput::none
                                                      : InvalidInput::workspace_too_small;
}

template <Real T>
Candidates state_query(const Query<T>& query, const RowsView<T>& rows, const std::uint8_t* live,
                       const IndexSettings& index, double C, QueryScratch<T>& scratch,
                       Problem<T>& problem) noexcept {
    const bool has_rows = !query.positive_rows.empty() || !query.negative_rows.empty();
    const std::size_t n_examples = query.n_positives() + query.n_negatives();
    problem.rows = rows;
    problem.examples = query.positives;
    const bool copies =
        n_examples > query.positives.rows || !query.positive_weights.empty() || !rows.is_dense();
    if (copies) {
        problem.example_labels = scratch.labels.data();
        problem.example_costs = scratch.costs.data();
        scratch.examples.clear();
        copy_examples(query.positives, query.positive_rows, rows, scratch.examples);
        copy_examples(query.negatives, query.negative_rows, rows, scratch.examples);
        std::fill_n(scratch.labels.begin(), query.n_positives(), std::int8_t{1});
        std::fill_n(scratch.labels.begin() + static_cast<std::ptrdiff_t>(query.n_positives()),
                    query.n_negatives(), std::int8_t{-1});
        problem.examples = scratch.examples.view();
    }

    if (has_rows || query.duplicates == Duplicates::ignore) {
        problem.background = copy_masks(query.background, live, rows.rows, scratch.background);
        take_out(query.positive_rows, scratch.background);
        take_out(query.negative_rows, scratch.background);
        if (query.duplicates == Duplicates::ignore) {
            take_out_duplicates(rows, problem.examples, query.n_positives(), scratch.row.data(),
                                scratch.background);
        }
    } else {
        problem.background = common_mask(query.background, live, rows.rows, scratch.background);
    }
    Candidates candidates;
    if (!query.negative_rows.empty() || !(query.positive_rows.empty() || query.include_positives)) {
        candidates.mask = copy_masks(query.candidates, live, rows.rows, scratch.candidates);
        if (!query.include_positives) take_out(query.positive_rows, scratch.candidates);
        take_out(query.negative_rows, scratch.candidates);
    } else {
        candidates.mask = common_mask(query.candidates, live, rows.rows, scratch.candidates);
    }
    candidates.count = count_rows(candidates.mask, rows.rows);

    const auto p = static_cast<double>(query.n_positives());
    const auto n =
        static_cast<double>(count_rows(problem.background, rows.rows) + query.n_negatives());
    if (index.class_weight.balanced) {
        problem.example_cost = C * (n + p) / (2.0 * p);
        problem.cost = C * (n + p) / (2.0 * std::max(n, 1.0));
    } else {
        problem.example_cost = C * index.class_weight.positive;
        problem.cost = C * index.class_weight.negative;
    }
    if (copies) {
        const std::span costs(scratch.costs.data(), n_examples);
        weigh(query.positive_weights, costs.first(query.n_positives()), problem.example_cost);
        weigh(query.negative_weights, costs.last(query.n_negatives()), problem.example_cost);
    }
    return candidates;
}

template struct QueryScratch<float>;
template struct QueryScratch<double>;
template std::size_t count_entries(const Query<float>&, const RowsView<float>&) noexcept;
template std::size_t count_entries(const Query<double>&, const RowsView<double>&) noexcept;
template InvalidInput why_invalid(const Query<float>&, const RowsView<float>&, const std::uint8_t*,
                                  const QueryScratch<float>&) noexcept;
template InvalidInput why_invalid(const Query<double>&, const RowsView<double>&,
                                  const std::uint8_t*, const QueryScratch<double>&) noexcept;
template Candidates state_query(const Query<float>&, const RowsView<float>&, const std::uint8_t*,
                                const IndexSettings&, double, QueryScratch<float>&,
                                Problem<float>&) noexcept;
template Candidates state_query(const Query<double>&, const RowsView<double>&, const std::uint8_t*,
                                const IndexSettings&, double, QueryScratch<double>&,
                                Problem<double>&) noexcept;

}  // namespace exemplar_svm
