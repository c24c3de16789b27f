#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "exemplar_svm/problem.hpp"
#include "exemplar_svm/query.hpp"
#include "exemplar_svm/rows_view.hpp"
#include "exemplar_svm/scan.hpp"
#include "exemplar_svm/search_report.hpp"
#include "exemplar_svm/settings.hpp"
#include "exemplar_svm/top_k.hpp"
#include "problem/example_rows.hpp"

namespace exemplar_svm {

/// The rows that a search may return.
struct Candidates {
    const std::uint8_t* mask = nullptr;  ///< not 0 for candidates; null: all rows
    std::size_t count = 0;

    bool contain(std::size_t row) const noexcept { return mask == nullptr || mask[row] != 0; }

    /// Offers the scores of all candidates to a ranking.
    template <Real T>
    void offer(const T* scores, std::size_t n_rows, TopK<T>& best) const noexcept {
        if (mask == nullptr) {
            offer_block(scores, 0, n_rows, best);
            return;
        }
        for (std::size_t i = 0; i < n_rows; ++i) {
            if (mask[i] != 0 && scores[i] >= best.threshold()) {
                best.offer(scores[i], static_cast<RowNumber>(i));
            }
        }
    }
};

/// The parts of a problem that are not borrowed from the query.
template <Real T>
struct QueryScratch {
    ExampleRows<T> examples;               ///< positives first
    std::vector<std::int8_t> labels;       ///< per example
    std::vector<double> costs;             ///< per example
    std::vector<std::uint8_t> background;  ///< per row
    std::vector<std::uint8_t> candidates;  ///< per row
    std::vector<T> row;                    ///< one example, decompressed

    QueryScratch(const RowsView<T>& rows, std::size_t max_examples, std::size_t max_entries);

    std::size_t max_examples() const noexcept { return labels.size(); }
};

/// What is wrong with a query. A query must fit the rows and the scratch, name live rows only, and
/// have finite vectors. Rows given by number are not checked for finite values.
/// @param live  not 0 for live rows; null: all rows are live
template <Real T>
InvalidInput why_invalid(const Query<T>& query, const RowsView<T>& rows, const std::uint8_t* live,
                         const QueryScratch<T>& scratch) noexcept;

/// States the problem of a valid query: its examples, its background and all costs. Copies the
/// examples unless all are vectors of weight 1 and rows are dense. Copies masks if examples are
/// rows, or if a mask must be intersected with the live rows. Returns the candidates.
template <Real T>
Candidates state_query(const Query<T>& query, const RowsView<T>& rows, const std::uint8_t* live,
                       const IndexSettings& index, double C, QueryScratch<T>& scratch,
                       Problem<T>& problem) noexcept;

}  // namespace exemplar_svm
