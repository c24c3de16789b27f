#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "exemplar_svm/matrix_view.hpp"
#include "exemplar_svm/real.hpp"
#include "exemplar_svm/rows_view.hpp"

namespace exemplar_svm {

/// What happens to rows that equal a positive, element by element.
enum class Duplicates : std::uint8_t {
    negative,  ///< they are negatives like any other row
    ignore,    ///< they are no negatives; they may be returned
};

/// What one search is asked: examples, and which rows it concerns. Everything is borrowed.
///
/// A row that is named as an example leaves the background, of which every row is a negative, and
/// is not returned. A negative example weighs as much as a positive one, unless it is given a
/// weight.
template <Real T>
struct Query {
    DenseView<T> positives;                    ///< vectors
    std::span<const RowNumber> positive_rows;  ///< rows of the index, by number
    DenseView<T> negatives;
    std::span<const RowNumber> negative_rows;

    /// Factors on the cost of each example, positive and finite; first of the vectors, then of the
    /// rows. Empty: one.
    std::span<const double> positive_weights;
    std::span<const double> negative_weights;

    const std::uint8_t* candidates = nullptr;  ///< n_rows: not 0 for rows that may be returned
    const std::uint8_t* background = nullptr;  ///< n_rows: not 0 for rows that are negatives
    bool include_positives = false;            ///< return rows that are named as positives, too
    Duplicates duplicates = Duplicates::negative;

    std::size_t n_positives() const noexcept { return positives.rows + positive_rows.size(); }
    std::size_t n_negatives() const noexcept { return negatives.rows + negative_rows.size(); }
};

/// Values that are not zero in the examples of a query among sparse rows; row numbers must be in
/// range.
template <Real T>
std::size_t count_entries(const Query<T>& query, const RowsView<T>& rows) noexcept;

}  // namespace exemplar_svm
