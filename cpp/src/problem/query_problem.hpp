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
#include "problem/sparse_examples.hpp"

namespace exemplar_svm {

/// The rows that a search may return.
struct Candidates {
    const std::uint8_t* mask = nullptr;  ///< not 0 for these; null: all of them
    std::size_t count = 0;

    bool contain(std::size_t row) const noexcept { return mask == nullptr || mask[row] != 0; }

    /// Offers those among scored rows to a ranking.
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

/// What a query is made into, where its problem does not borrow from it.
template <Real T>
struct QueryScratch {
    std::vector<T> examples;               ///< positives first, of dense rows
    SparseExamples<T> sparse_examples;     ///< the same of sparse rows
    std::vector<std::int8_t> labels;       ///< per example
    std::vector<double> costs;             ///< per example
    std::vector<std::uint8_t> background;  ///< per row
    std::vector<std::uint8_t> candidates;  ///< per row
    std::vector<T> row;                    ///< one example of sparse rows, spread out

    QueryScratch(const RowsView<T>& rows, std::size_t max_examples, std::size_t max_entries);

    std::size_t max_examples() const noexcept { return labels.size(); }
};

/// What is wrong with a query: it has to fit the rows and the scratch, to name live rows only,
/// and to have finite examples, those of the rows aside.
/// @param live  not 0 for rows that have not been removed; null: none has
template <Real T>
InvalidInput why_invalid(const Query<T>& query, const RowsView<T>& rows, const std::uint8_t* live,
                         const QueryScratch<T>& scratch) noexcept;

/// States which rows take part in a valid query's problem, and with which costs. Examples are
/// copied, unless all are vectors of the same weight and rows are dense; masks are, where
/// examples are rows or the query's mask meets that of the live rows. Returns the rows that may be
/// returned.
template <Real T>
Candidates state_query(const Query<T>& query, const RowsView<T>& rows, const std::uint8_t* live,
                       const IndexSettings& index, double C, QueryScratch<T>& scratch,
                       Problem<T>& problem) noexcept;

}  // namespace exemplar_svm
