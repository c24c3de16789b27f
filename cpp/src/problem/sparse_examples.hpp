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

    /// Adds a vector of n_features values, or a row. Not more than fit.
    void add(const T* vector) noexcept;
    void add(const RowsView<T>& rows, std::size_t i) noexcept;

    /// The examples as they were added.
    RowsView<T> view() const noexcept { return view_of(values_.get()); }

    /// The same, each times its label: one for each, or null for positives only.
    RowsView<T> view_signed(const std::int8_t* labels) noexcept;

  private:
    RowsView<T> view_of(const T* values) const noexcept;
    void append(std::size_t column, T value) noexcept;

    std::size_t n_features_;
    std::size_t max_entries_;
    std::size_t size_ = 0;
    std::unique_ptr<T[]> values_, signed_values_;
    std::unique_ptr<std::int64_t[]> columns_;
    std::vector<std::int64_t> starts_;
};

}  // namespace exemplar_svm
