#include "panel.hpp"

#include <algorithm>

#include "exemplar_svm/scan.hpp"
#include "prefetch.hpp"

namespace exemplar_svm {

template <Real T>
Panel<T>::Panel(std::size_t capacity, std::size_t n_features)
    : scores(capacity),
      n_features_(n_features),
      capacity_(capacity),
      values_(static_cast<T*>(::operator new[](capacity * n_features * sizeof(T), alignment))),
      rows_(capacity),
      squared_norms_(capacity),
      mean_products_(capacity),
      scratch_(capacity) {}

template <Real T>
void Panel<T>::add(const Problem<T>& problem, const RowIndex* rows, std::size_t n_rows,
                   ExecutorRef executor) noexcept {
    const RowBlocks blocks(n_rows, n_features_ * sizeof(T));
    for_each_block(executor, blocks, [&](std::size_t begin, std::size_t end, std::size_t) noexcept {
        for (std::size_t s = begin; s < end; ++s) {
            const std::size_t i = rows[s], place = size_ + s;
            problem.rows.copy(i, values_.get() + place * n_features_);
            rows_[place] = rows[s];
            squared_norms_[place] = problem.squared_norms[i];
            if (problem.mean_products != nullptr) {
                mean_products_[place] = problem.mean_products[i];
            }
        }
    });
    size_ += n_rows;
}

template <Real T>
void Panel<T>::move(std::size_t from, std::size_t to) noexcept {
    std::copy_n(values_.get() + from * n_features_, n_features_, values_.get() + to * n_features_);
    rows_[to] = rows_[from];
    squared_norms_[to] = squared_norms_[from];
    mean_products_[to] = mean_products_[from];
    scores[to] = scores[from];
}

template <Real T>
Problem<T> Panel<T>::restrict(const Problem<T>& problem) const noexcept {
    Problem<T> part = problem;
    part.rows = view();
    part.background = nullptr;  // all rows of a panel are negatives
    part.squared_norms = squared_norms_.data();
    if (problem.mean_products != nullptr) part.mean_products = mean_products_.data();
    return part;
}

template <Real T>
void Panel<T>::scatter(std::vector<double>& values) noexcept {
    std::copy_n(values.begin(), size_, scratch_.begin());
    std::fill(values.begin(), values.end(), 0.0);
    for (std::size_t s = 0; s < size_; ++s) values[rows_[s]] = scratch_[s];
}

template class Panel<float>;
template class Panel<double>;

}  // namespace exemplar_svm
