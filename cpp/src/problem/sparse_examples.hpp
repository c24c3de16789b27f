#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "exemplar_svm/rows_view.hpp"

namespace exemplar_svm {

/// The examples of a search among sparse rows, compressed like these: what the solver does with an
/// example then costs what it costs with a row, however many features there are.
template <Real T>
class SparseExamples {
  public:
    /// @param max_entries  room for so many values that are not zero, touched as they are added
    SparseExamples(std::size_t max_examples, std::size_t max_entries, std::size_t n_features);

    std::size_t max_entries() const noexcept { return max_entries_; }

    void clear() noexcept { size_ = 0; }

    /// Adds a vector of n_features values, or a multiple of a row. Not more than fit.
    void add(const T* vector) noexcept;
    void add(const RowsView<T>& rows, std::size_t i, T factor = T(1)) noexcept;

    RowsView<T> view() const noexcept;

  private:
    void append(std::size_t column, T value) noexcept;

    std::size_t n_features_;
    std::size_t max_entries_;
    std::size_t size_ = 0;
    std::unique_ptr<T[]> values_;
    std::unique_ptr<std::int64_t[]> columns_;
    std::vector<std::int64_t> starts_;
};

}  // namespace exemplar_svm
