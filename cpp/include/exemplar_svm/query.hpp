#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "exemplar_svm/matrix_view.hpp"
#include "exemplar_svm/real.hpp"
#include "exemplar_svm/rows_view.hpp"

namespace exemplar_svm {

/// How rows that equal a positive, element by element, are treated.
enum class Duplicates : std::uint8_t {
    negative,  ///< as negatives, like any other row
    ignore,    ///< not as negatives; they may still be returned
};

/// A borrowed subset of an index's rows: one byte or one bit for every row.
class RowMask {
  public:
    /// All rows.
    RowMask() = default;

    /// The rows whose byte is not 0.
    RowMask(const std::uint8_t* bytes) noexcept  // NOLINT(google-explicit-constructor): a view
        : data_(bytes) {}

    /// The rows whose bit is 1: row i has the bit 1 << i % 8 of byte i / 8, as in Arrow's bitmaps.
    /// Bits after the last row's are not read.
    static RowMask of_bits(const std::uint8_t* packed) noexcept {
        RowMask mask(packed);
        mask.is_packed_ = true;
        return mask;
    }

    bool is_everything() const noexcept { return data_ == nullptr; }
    bool is_packed() const noexcept { return is_packed_; }
    const std::uint8_t* data() const noexcept { return data_; }

    bool contains(std::size_t i) const noexcept {
        if (data_ == nullptr) return true;
        return is_packed_ ? (data_[i / 8] >> i % 8 & 1) != 0 : data_[i] != 0;
    }

  private:
    const std::uint8_t* data_ = nullptr;
    bool is_packed_ = false;
};

/// The examples of one search, and masks of the rows it concerns. Everything is borrowed.
///
/// Every row of the background is a negative. A row named as an example leaves the background, and
/// is not returned. By default a negative example weighs as much as a positive one.
template <Real T>
struct Query {
    DenseView<T> positives;                    ///< vectors
    std::span<const RowNumber> positive_rows;  ///< rows of the index, by number
    DenseView<T> negatives;
    std::span<const RowNumber> negative_rows;

    /// Factors on the cost of each example, positive and finite: first the vectors', then the
    /// rows'. Empty: 1 for all.
    std::span<const double> positive_weights;
    std::span<const double> negative_weights;

    RowMask candidates;              ///< rows that may be returned
    RowMask background;              ///< rows that are negatives
    bool include_positives = false;  ///< also return rows named as positives
    Duplicates duplicates = Duplicates::negative;

    std::size_t n_positives() const noexcept { return positives.rows + positive_rows.size(); }
    std::size_t n_negatives() const noexcept { return negatives.rows + negative_rows.size(); }
};

/// Non-zeros in the examples of a query among sparse rows; row numbers must be in range.
template <Real T>
std::size_t count_entries(const Query<T>& query, const RowsView<T>& rows) noexcept;

}  // namespace exemplar_svm
