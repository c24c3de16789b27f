#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "exemplar_svm/rows_view.hpp"

namespace exemplar_svm {

/// Copies of examples in the storage of the problem's rows. A sparse example then costs a solver as
/// much as a row, whatever the number of features.
template <Real T>
class ExampleRows {
  public:
    /// @param rows         of the problem
    /// @param max_entries  capacity for nonzero values of sparse examples; touched as they are
    /// added
    ExampleRows(const RowsView<T>& rows, std::size_t max_examples, std::size_t max_entries);

    std::size_t max_entries() const noexcept { return max_entries_; }  ///< 0 for dense rows

    void clear() noexcept { size_ = 0; }

    // Each call adds one example. The caller stays within max_examples and max_entries.

    /// @param vector  n_features values
    void add(const T* vector) noexcept;
    /// Adds row i of the problem.
    void add(const RowsView<T>& rows, std::size_t i) noexcept { add(rows, i, T(1)); }
    /// Adds example j times its label; a dense example is centred first (null: no mean).
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
