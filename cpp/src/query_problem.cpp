#include "query_problem.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "exemplar_svm/scan.hpp"

namespace exemplar_svm {
namespace {

template <Real T>
bool are_finite(const DenseView<T>& vectors, const RowsView<T>& rows) noexcept {
    if (vectors.rows > 0 && vectors.cols != rows.cols) return false;
    for (std::size_t j = 0; j < vectors.rows; ++j) {
        T square;  // is not finite if any element is not
        square_rows(DenseView<T>{vectors.row(j), 1, vectors.cols, vectors.stride}, SerialExecutor{},
                    &square);
        if (!std::isfinite(square)) return false;
    }
    return true;
}

bool are_rows(std::span<const RowNumber> numbers, std::size_t n_rows,
              const std::uint8_t* live) noexcept {
    return std::ranges::all_of(numbers, [&](RowNumber number) {
        return number >= 0 && static_cast<std::size_t>(number) < n_rows &&
               (live == nullptr || live[number] != 0);
    });
}

bool are_weights(std::span<const double> weights, std::size_t n_examples) noexcept {
    return weights.empty() ||
           (weights.size() == n_examples && std::ranges::all_of(weights, [](double weight) {
                return weight > 0.0 && std::isfinite(weight);
            }));
}

/// Copies examples of one label behind `place` others. Returns the place behind them.
template <Real T>
std::size_t copy_examples(const DenseView<T>& vectors, std::span<const RowNumber> numbers,
                          std::int8_t label, const RowsView<T>& rows, std::size_t place,
                          Workspace<T>& workspace) noexcept {
    const std::size_t n_vectors = vectors.rows, end = place + n_vectors + numbers.size();
    for (std::size_t j = 0; place < end; ++j, ++place) {
        T* const copy = workspace.given_examples.data() + place * rows.cols;
        if (j < n_vectors) {
            std::copy_n(vectors.row(j), rows.cols, copy);
        } else {
            rows.copy(static_cast<std::size_t>(numbers[j - n_vectors]), copy);
        }
        workspace.example_labels[place] = label;
    }
    return end;
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

/// A copy of what two masks have in common, either of which may be null for all rows, to take rows
/// out.
const std::uint8_t* copy_masks(const std::uint8_t* mask, const std::uint8_t* other, std::size_t n,
                               std::vector<std::uint8_t>& copy) noexcept {
    if (mask == nullptr) std::swap(mask, other);
    if (mask == nullptr) {
        std::fill_n(copy.begin(), n, std::uint8_t{1});
    } else {
        std::copy_n(mask, n, copy.begin());
    }
    for (std::size_t i = 0; other != nullptr && i < n; ++i) {
        if (other[i] == 0) copy[i] = 0;
    }
    return copy.data();
}

/// The same without a copy, where one mask says it all.
const std::uint8_t* common_mask(const std::uint8_t* mask, const std::uint8_t* other, std::size_t n,
                                std::vector<std::uint8_t>& copy) noexcept {
    if (mask == nullptr || other == nullptr) return mask == nullptr ? other : mask;
    return copy_masks(mask, other, n, copy);
}

void take_out(std::span<const RowNumber> rows, std::vector<std::uint8_t>& mask) noexcept {
    for (const RowNumber row : rows) mask[static_cast<std::size_t>(row)] = 0;
}

template <Real T>
void take_out_duplicates(const RowsView<T>& rows, const DenseView<T>& positives,
                         std::vector<std::uint8_t>& mask) noexcept {
    for (std::size_t i = 0; i < rows.rows; ++i) {
        for (std::size_t j = 0; j < positives.rows && mask[i] != 0; ++j) {
            if (rows.equals(i, positives.row(j))) mask[i] = 0;
        }
    }
}

}  // namespace

template <Real T>
bool is_valid(const Query<T>& query, const RowsView<T>& rows, const std::uint8_t* live,
              const Workspace<T>& workspace) noexcept {
    const bool has_room = workspace.n_rows() >= rows.rows && workspace.n_features() == rows.cols &&
                          query.n_positives() > 0 &&
                          query.n_positives() + query.n_negatives() <= workspace.max_examples();
    const bool is_both = std::ranges::any_of(query.positive_rows, [&](RowNumber row) {
        return std::ranges::find(query.negative_rows, row) != query.negative_rows.end();
    });
    return has_room && !is_both && are_rows(query.positive_rows, rows.rows, live) &&
           are_rows(query.negative_rows, rows.rows, live) &&
           are_weights(query.positive_weights, query.n_positives()) &&
           are_weights(query.negative_weights, query.n_negatives()) &&
           are_finite(query.positives, rows) && are_finite(query.negatives, rows);
}

template <Real T>
Candidates state_query(const Query<T>& query, const RowsView<T>& rows, const std::uint8_t* live,
                       const IndexSettings& index, double C, Workspace<T>& workspace,
                       Problem<T>& problem) noexcept {
    const bool has_rows = !query.positive_rows.empty() || !query.negative_rows.empty();
    const std::size_t n_examples = query.n_positives() + query.n_negatives();
    const auto d = static_cast<std::ptrdiff_t>(rows.cols);
    problem.rows = rows;
    problem.examples = query.positives;
    const bool copies = n_examples > query.positives.rows || !query.positive_weights.empty();
    if (copies) {
        problem.examples = {workspace.given_examples.data(), n_examples, rows.cols, d};
        problem.example_labels = workspace.example_labels.data();
        problem.example_costs = workspace.example_costs.data();
        const std::size_t n_copied =
            copy_examples(query.positives, query.positive_rows, std::int8_t{1}, rows, 0, workspace);
        copy_examples(query.negatives, query.negative_rows, std::int8_t{-1}, rows, n_copied,
                      workspace);
    }

    if (has_rows || query.duplicates == Duplicates::ignore) {
        problem.background = copy_masks(query.background, live, rows.rows, workspace.background);
        take_out(query.positive_rows, workspace.background);
        take_out(query.negative_rows, workspace.background);
        if (query.duplicates == Duplicates::ignore) {
            DenseView<T> positives = problem.examples;
            positives.rows = query.n_positives();
            take_out_duplicates(rows, positives, workspace.background);
        }
    } else {
        problem.background = common_mask(query.background, live, rows.rows, workspace.background);
    }
    Candidates candidates;
    if (!query.negative_rows.empty() || !(query.positive_rows.empty() || query.include_positives)) {
        candidates.mask = copy_masks(query.candidates, live, rows.rows, workspace.candidates);
        if (!query.include_positives) take_out(query.positive_rows, workspace.candidates);
        take_out(query.negative_rows, workspace.candidates);
    } else {
        candidates.mask = common_mask(query.candidates, live, rows.rows, workspace.candidates);
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
        const std::span costs(workspace.example_costs.data(), n_examples);
        weigh(query.positive_weights, costs.first(query.n_positives()), problem.example_cost);
        weigh(query.negative_weights, costs.last(query.n_negatives()), problem.example_cost);
    }
    return candidates;
}

template bool is_valid(const Query<float>&, const RowsView<float>&, const std::uint8_t*,
                       const Workspace<float>&) noexcept;
template bool is_valid(const Query<double>&, const RowsView<double>&, const std::uint8_t*,
                       const Workspace<double>&) noexcept;
template Candidates state_query(const Query<float>&, const RowsView<float>&, const std::uint8_t*,
                                const IndexSettings&, double, Workspace<float>&,
                                Problem<float>&) noexcept;
template Candidates state_query(const Query<double>&, const RowsView<double>&, const std::uint8_t*,
                                const IndexSettings&, double, Workspace<double>&,
                                Problem<double>&) noexcept;

}  // namespace exemplar_svm
