#pragma once

#include <cstddef>
#include <cstdint>
#include <variant>

#include "base/buffer.hpp"
#include "exemplar_svm/rows_view.hpp"
#include "exemplar_svm/stop_condition.hpp"

namespace exemplar_svm {

/// The rows that an index owns, behind those that it borrows, in dense or CSR form as those are. A
/// copy shares their memory, as buffers do, and does not see what others append.
template <Real T>
class AddedRows {
  public:
    /// No rows yet. @param borrowed  the rows that these will follow
    explicit AddedRows(const RowsView<T>& borrowed);

    /// Copies rows of any storage and as many features, in time of the order of what is copied,
    /// averaged over many calls.
    void append(const RowsView<T>& rows, const StopCondition& stop);

    /// The borrowed rows with these behind them.
    RowsView<T> behind(const RowsView<T>& borrowed) const noexcept;

    std::size_t bytes() const noexcept;

  private:
    struct Dense {
        Buffer<T> values;

        void append(const RowsView<T>& rows, const StopCondition& stop);
        RowsView<T> behind(const RowsView<T>& borrowed) const noexcept;
        std::size_t bytes() const noexcept { return values.bytes(); }
    };

    /// Columns have the type of the borrowed rows' columns. (Not constrained: Clang 14 does not
    /// compile a constrained member template here.)
    template <class I>
    struct Compressed {
        Buffer<T> values;
        Buffer<I> columns;
        Buffer<std::int64_t> starts;

        void append(const RowsView<T>& rows, const StopCondition& stop);
        RowsView<T> behind(const RowsView<T>& borrowed) const noexcept;
        std::size_t bytes() const noexcept {
            return values.bytes() + columns.bytes() + starts.bytes();
        }
    };

    std::variant<Dense, Compressed<std::int32_t>, Compressed<std::int64_t>> storage_;
};

}  // namespace exemplar_svm
