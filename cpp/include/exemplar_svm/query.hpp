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

/// Some of the rows of an index, as a byte or a bit for each: borrowed, and of all of its rows.
class RowMask {
  public:
    /// All rows.
    RowMask() = default;

    /// Those whose byte is not 0.
    RowMask(const std::uint8_t* bytes) noexcept  // NOLINT(google-explicit-constructor): a view
        : data_(bytes) {}

    /// Those whose bit is 1: row i has the bit 1 << i % 8 of byte i / 8, as in Arrow's bitmaps.
    /// Bits behind those of the last row are not read.
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

    RowMask candidates;              ///< rows that may be returned
    RowMask background;              ///< rows that are negatives
    bool include_positives = false;  ///< return rows that are named as positives, too
    Duplicates duplicates = Duplicates::negative;

    std::size_t n_positives() const noexcept { return positives.rows + positive_rows.size(); }
    std::size_t n_negatives() const noexcept { return negatives.rows + negative_rows.size(); }
};

/// Values that are not zero in the examples of a query among sparse rows; row numbers must be in
/// range.
template <Real T>
std::size_t count_entries(const Query<T>& query, const RowsView<T>& rows) noexcept;

}  // namespace exemplar_svm
