#include "problem/sparse_examples.hpp"

namespace exemplar_svm {

template <Real T>
SparseExamples<T>::SparseExamples(std::size_t max_examples, std::size_t max_entries,
                                  std::size_t n_features)
    : n_features_(n_features),
      max_entries_(max_entries),
      values_(std::make_unique_for_overwrite<T[]>(max_entries)),
      columns_(std::make_unique_for_overwrite<std::int64_t[]>(max_entries)),
      starts_(max_examples + 1) {}

template <Real T>
void SparseExamples<T>::append(std::size_t column, T value) noexcept {
    const auto place = static_cast<std::size_t>(starts_[size_ + 1]++);
    columns_[place] = static_cast<std::int64_t>(column);
    values_[place] = value;
}

template <Real T>
void SparseExamples<T>::add(const T* vector) noexcept {
    starts_[size_ + 1] = starts_[size_];
    for (std::size_t c = 0; c < n_features_; ++c) {
        if (vector[c] != T(0)) append(c, vector[c]);
    }
    ++size_;
}

template <Real T>
void SparseExamples<T>::add(const RowsView<T>& rows, std::size_t i, T factor) noexcept {
    starts_[size_ + 1] = starts_[size_];
    rows.sparse().for_each_entry(
        i, [&](std::size_t c, T value) noexcept { append(c, factor * value); });
    ++size_;
}

template <Real T>
RowsView<T> SparseExamples<T>::view() const noexcept {
    return CsrView<T, std::int64_t>{values_.get(), columns_.get(), starts_.data(),
                                    size_,         n_features_,    max_entries_};
}

template class SparseExamples<float>;
template class SparseExamples<double>;

}  // namespace exemplar_svm
