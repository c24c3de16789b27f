#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "exemplar_svm/rows_view.hpp"

namespace exemplar_svm {

/// Copies of examples, stored as the rows of their problem are: what a solver does with an example
/// among sparse rows then costs what it costs with a row, however many features there are.
template <Real T>
class ExampleRows {
  public:
    /// @param rows         of the problem
    /// @param max_entries  of sparse examples, room for so many values that are not zero, touched
    ///                     as they are added
    ExampleRows(const RowsView<T>& rows, std::size_t max_examples, std::size_t max_entries);

    std::size_t max_entries() const noexcept { return max_entries_; }  ///< 0 for dense rows

    void clear() noexcept { size_ = 0; }

    // Each adds an example. Not more than fit.

    /// @param vector  n_features values
    void add(const T* vector) noexcept;
    /// A row of the problem.
    void add(const RowsView<T>& rows, std::size_t i) noexcept { add(rows, i, T(1)); }
    /// Example j times its label, a dense one less the mean (null: none).
    void add_signed(const RowsView<T>& examples, std::size_t j, double label,
                    const double* mean) noexcept;

    RowsView<T> view() const noexcept;

  private:
    void add(const RowsView<T>& rows, std::size_t i, T factor) noexcept;
    void append(std::size_t column, T value) noexcept;
    T* dense(std::size_t j) noexcept { return dense_.data() + j * n_features_; }

    bool is_dense_;
    std::size_t n_features_;
    std::size_t max_entries_;
    std::size_t size_ = 0;
    std::vector<T> dense_;
    std::unique_ptr<T[]> values_;
    std::unique_ptr<std::int64_t[]> columns_;
    std::vector<std::int64_t> starts_;
};

}  // namespace exemplar_svm
