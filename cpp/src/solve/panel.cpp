#include "solve/panel.hpp"

#include <algorithm>
#include <limits>

namespace exemplar_svm {

/// At most half of the rows: with more, a working set does not pay. For sparse rows also at most as
/// many as Column can count entries of.
template <Real T>
std::size_t Panel<T>::capacity_for(const RowsView<T>& rows, std::size_t most) noexcept {
    constexpr std::size_t most_dense = 16384;
    const std::size_t half = std::min(rows.rows / 2, most);
    if (rows.is_dense()) return std::min(half, most_dense);
    constexpr auto most_entries = static_cast<std::size_t>(std::numeric_limits<Column>::max());
    if (rows.cols > most_entries) return 0;
    return std::min(half, most_entries / std::max<std::size_t>(rows.sparse().longest(), 1));
}

/// Upper bound on the entries of n_rows rows. If a view claims more rows than it holds, the further
/// rows count as average ones.
template <Real T>
std::size_t Panel<T>::entries_for(const RowsView<T>& rows, std::size_t n_rows) noexcept {
    if (rows.is_dense()) return n_rows * rows.cols;
    const std::size_t entries = rows.sparse().entries(), n = rows.sparse().n_rows();
    return std::min(n_rows * rows.sparse().longest(),
                    entries + entries * (rows.rows - n) / std::max<std::size_t>(n, 1));
}

template <Real T>
Panel<T>::Panel(const RowsView<T>& rows, std::size_t most)
    : scores(capacity_for(rows, most)),
      is_dense_(rows.is_dense()),
      most_(most),
      n_features_(rows.cols),
      capacity_(scores.size()),
      n_entries_(entries_for(rows, capacity_)),
      values_(allocate<T>(n_entries_)),
      columns_(allocate<Column>(is_dense_ ? 0 : n_entries_)),
      starts_(is_dense_ ? 0 : capacity_ + 1),
      rows_(capacity_),
      squared_norms_(capacity_),
      mean_products_(capacity_) {}

template <Real T>
RowsView<T> Panel<T>::view() const noexcept {
    if (is_dense_) {
        return {values_.get(), size_, n_features_, static_cast<std::ptrdiff_t>(n_features_)};
    }
    return CsrView<T, Column>{values_.get(), columns_.get(), starts_.data(),
                              size_,         n_features_,    n_entries_};
}

template <Real T>
bool Panel<T>::has_room_for(const RowsView<T>& rows) const noexcept {
    return rows.is_dense() == is_dense_ && capacity_for(rows, most_) <= rows_.size() &&
           entries_for(rows, capacity_for(rows, most_)) <= n_entries_;
}

template <Real T>
std::size_t Panel<T>::max_blocks() const noexcept {
    const std::size_t row_bytes = is_dense_ ? 0 : sizeof(Column);
    const std::size_t entry_bytes = sizeof(T) + row_bytes;
    return RowBlocks::most(rows_.size(), rows_.size() * row_bytes + n_entries_ * entry_bytes);
}

template <Real T>
void Panel<T>::clear(const RowsView<T>& rows) noexcept {
    size_ = 0;
    capacity_ = capacity_for(rows, most_);
}

template <Real T>
void Panel<T>::add(const Problem<T>& problem, const RowIndex* rows, std::size_t n_rows,
                   ExecutorRef executor) noexcept {
    if (!is_dense_) place_entries(problem.rows, rows, n_rows);
    const RowBlocks blocks(n_rows, problem.rows.bytes_per_row());
    for_each_block(executor, blocks, [&](std::size_t begin, std::size_t end, std::size_t) noexcept {
        for (std::size_t s = begin; s < end; ++s) {
            const std::size_t i = rows[s], place = size_ + s;
            if (is_dense_) {
                problem.rows.copy(i, values_.get() + place * n_features_);
            } else {
                auto entry = static_cast<std::size_t>(starts_[place]);
                problem.rows.sparse().for_each_entry(i, [&](std::size_t c, T value) noexcept {
                    columns_[entry] = static_cast<Column>(c);
                    values_[entry++] = value;
                });
            }
            rows_[place] = rows[s];
            squared_norms_[place] = problem.squared_norms[i];
            if (problem.mean_products != nullptr) {
                mean_products_[place] = problem.mean_products[i];
            }
        }
    });
    size_ += n_rows;
}

/// Sets the starts of the sparse rows to be added.
template <Real T>
void Panel<T>::place_entries(const RowsView<T>& source, const RowIndex* rows,
                             std::size_t n_rows) noexcept {
    for (std::size_t s = 0; s < n_rows; ++s) {
        starts_[size_ + s + 1] =
            starts_[size_ + s] + static_cast<Column>(source.sparse().count(rows[s]));
    }
}

/// Moves a row forward to a place whose rows up to `from` are already moved or dropped.
template <Real T>
void Panel<T>::move(std::size_t from, std::size_t to) noexcept {
    if (is_dense_) {
        std::copy_n(values_.get() + from * n_features_, n_features_,
                    values_.get() + to * n_features_);
    } else {
        const Column begin = starts_[from], end = starts_[from + 1];
        std::copy(values_.get() + begin, values_.get() + end, values_.get() + starts_[to]);
        std::copy(columns_.get() + begin, columns_.get() + end, columns_.get() + starts_[to]);
        starts_[to + 1] = starts_[to] + (end - begin);
    }
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
void Panel<T>::scatter(const double* values, double* to, std::size_t n_rows) const noexcept {
    std::fill_n(to, n_rows, 0.0);
    for (std::size_t s = 0; s < size_; ++s) to[rows_[s]] = values[s];
}

template class Panel<float>;
template class Panel<double>;

}  // namespace exemplar_svm
