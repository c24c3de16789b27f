#include "rows/added_rows.hpp"

#include <utility>
#include <vector>

namespace exemplar_svm {
namespace {

/// Calls f(column, value) for the non-zeros of a row, and for stored zeros of a sparse one.
/// @param scratch  for a row that is not read in place
template <Real T, class F>
void for_each_entry(const RowsView<T>& rows, std::size_t i, T* scratch, F&& f) noexcept {
    if (!rows.is_dense()) return rows.sparse().for_each_entry(i, f);
    const T* const x = rows.read(i, scratch);
    for (std::size_t c = 0; c < rows.cols; ++c) {
        if (x[c] != T(0)) f(c, x[c]);
    }
}

}  // namespace

template <Real T>
AddedRows<T>::AddedRows(const RowsView<T>& borrowed) {
    if (borrowed.is_dense()) return;
    borrowed.sparse().with_column_type([this]<class I>(I) {
        Compressed<I> none;
        none.starts.extend(1);
        storage_ = std::move(none);
    });
}

template <Real T>
void AddedRows<T>::Dense::append(const RowsView<T>& rows, const StopCondition& stop) {
    T* place = values.extend(rows.rows * rows.cols);
    for (std::size_t i = 0; i < rows.rows; ++i, place += rows.cols) {
        stop.throw_if_reached();
        rows.copy(i, place);
    }
}

template <Real T>
RowsView<T> AddedRows<T>::Dense::behind(const RowsView<T>& borrowed) const noexcept {
    const std::size_t d = borrowed.cols;
    return borrowed.followed_by(
        DenseView<T>{values.data(), values.size() / d, d, static_cast<std::ptrdiff_t>(d)});
}

template <Real T>
template <class I>
void AddedRows<T>::Compressed<I>::append(const RowsView<T>& rows, const StopCondition& stop) {
    std::vector<T> scratch(rows.is_dense() && !rows.is_read_in_place() ? rows.cols : 0);
    std::size_t n_entries = 0;
    for (std::size_t i = 0; i < rows.rows; ++i) {
        stop.throw_if_reached();
        for_each_entry(rows, i, scratch.data(), [&](std::size_t, T) noexcept { ++n_entries; });
    }
    auto end = static_cast<std::int64_t>(values.size());
    T* value = values.extend(n_entries);
    I* column = columns.extend(n_entries);
    std::int64_t* next = starts.extend(rows.rows);
    for (std::size_t i = 0; i < rows.rows; ++i) {
        stop.throw_if_reached();
        for_each_entry(rows, i, scratch.data(), [&](std::size_t c, T x) noexcept {
            *value++ = x;
            *column++ = static_cast<I>(c);
            ++end;
        });
        *next++ = end;
    }
}

template <Real T>
template <class I>
RowsView<T> AddedRows<T>::Compressed<I>::behind(const RowsView<T>& borrowed) const noexcept {
    return borrowed.followed_by(CsrView<T, I, std::int64_t>{values.data(), columns.data(),
                                                            starts.data(), starts.size() - 1,
                                                            borrowed.cols, values.size()});
}

template <Real T>
void AddedRows<T>::append(const RowsView<T>& rows, const StopCondition& stop) {
    std::visit([&](auto& storage) { storage.append(rows, stop); }, storage_);
}

template <Real T>
RowsView<T> AddedRows<T>::behind(const RowsView<T>& borrowed) const noexcept {
    return std::visit([&](const auto& storage) { return storage.behind(borrowed); }, storage_);
}

template <Real T>
std::size_t AddedRows<T>::bytes() const noexcept {
    return std::visit([](const auto& storage) { return storage.bytes(); }, storage_);
}

template class AddedRows<float>;
template class AddedRows<double>;

}  // namespace exemplar_svm
