#include "problem/sparse_examples.hpp"

namespace exemplar_svm {

template <Real T>
SparseExamples<T>::SparseExamples(std::size_t max_examples, std::size_t max_entries,
                                  std::size_t n_features)
    : n_features_(n_features),
      max_entries_(max_entries),
      values_(std::make_unique_for_overwrite<T[]>(max_entries)),
      signed_values_(std::make_unique_for_overwrite<T[]>(max_entries)),
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
void SparseExamples<T>::add(const RowsView<T>& rows, std::size_t i) noexcept {
    starts_[size_ + 1] = starts_[size_];
    rows.sparse().for_each_entry(i, [this](std::size_t c, T value) noexcept { append(c, value); });
    ++size_;
}

template <Real T>
RowsView<T> SparseExamples<T>::view_signed(const std::int8_t* labels) noexcept {
    for (std::size_t j = 0; j < size_; ++j) {
        const T label = labels == nullptr ? T(1) : static_cast<T>(labels[j]);
        for (auto e = starts_[j]; e < starts_[j + 1]; ++e) {
            signed_values_[static_cast<std::size_t>(e)] =
                label * values_[static_cast<std::size_t>(e)];
        }
    }
    return view_of(signed_values_.get());
}

template <Real T>
RowsView<T> SparseExamples<T>::view_of(const T* values) const noexcept {
    return CsrView<T, std::int64_t>{values, columns_.get(), starts_.data(),
                                    size_,  n_features_,    max_entries_};
}

template class SparseExamples<float>;
template class SparseExamples<double>;

}  // namespace exemplar_svm
