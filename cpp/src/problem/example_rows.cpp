#include "problem/example_rows.hpp"

namespace exemplar_svm {

template <Real T>
ExampleRows<T>::ExampleRows(const RowsView<T>& rows, std::size_t max_examples,
                            std::size_t max_entries)
    : is_dense_(rows.is_dense()),
      n_features_(rows.cols),
      max_entries_(is_dense_ ? 0 : std::min(max_entries, max_examples * rows.cols)),
      dense_(is_dense_ ? max_examples * rows.cols : 0),
      values_(std::make_unique_for_overwrite<T[]>(max_entries_)),
      columns_(std::make_unique_for_overwrite<std::int64_t[]>(max_entries_)),
      starts_(is_dense_ ? 0 : max_examples + 1) {}

template <Real T>
void ExampleRows<T>::append(std::size_t column, T value) noexcept {
    const auto place = static_cast<std::size_t>(starts_[size_ + 1]++);
    columns_[place] = static_cast<std::int64_t>(column);
    values_[place] = value;
}

template <Real T>
void ExampleRows<T>::add(const T* vector) noexcept {
    if (is_dense_) {
        std::copy_n(vector, n_features_, dense(size_++));
        return;
    }
    starts_[size_ + 1] = starts_[size_];
    for (std::size_t c = 0; c < n_features_; ++c) {
        if (vector[c] != T(0)) append(c, vector[c]);
    }
    ++size_;
}

template <Real T>
void ExampleRows<T>::add(const RowsView<T>& rows, std::size_t i, T factor) noexcept {
    if (is_dense_) return rows.copy(i, dense(size_++));
    starts_[size_ + 1] = starts_[size_];
    rows.sparse().for_each_entry(
        i, [&](std::size_t c, T value) noexcept { append(c, factor * value); });
    ++size_;
}

template <Real T>
void ExampleRows<T>::add_signed(const RowsView<T>& examples, std::size_t j, double label,
                                const double* mean) noexcept {
    if (!is_dense_) return add(examples, j, static_cast<T>(label));
    const T* const given = examples.row(j);
    T* const copy = dense(size_++);
    for (std::size_t c = 0; c < n_features_; ++c) {
        const double shift = mean == nullptr ? 0.0 : mean[c];
        copy[c] = static_cast<T>(label * (static_cast<double>(given[c]) - shift));
    }
}

template <Real T>
RowsView<T> ExampleRows<T>::view() const noexcept {
    if (is_dense_) {
        return {dense_.data(), size_, n_features_, static_cast<std::ptrdiff_t>(n_features_)};
    }
    return CsrView<T, std::int64_t>{values_.get(), columns_.get(), starts_.data(),
                                    size_,         n_features_,    max_entries_};
}

template class ExampleRows<float>;
template class ExampleRows<double>;

}  // namespace exemplar_svm
