#pragma once

#include <cstddef>
#include <cstdint>
#include <variant>

#include "base/buffer.hpp"
#include "exemplar_svm/rows_view.hpp"
#include "exemplar_svm/stop_condition.hpp"

namespace exemplar_svm {

/// The rows that an index owns, behind those that it borrows and stored as these are: one after the
/// other where they are dense, or else compressed. A copy shares their memory, as buffers do, and
/// does not see what others append.
template <Real T>
class AddedRows {
  public:
    /// None yet. @param borrowed  those that they will be behind
    explicit AddedRows(const RowsView<T>& borrowed);

    /// Copies rows, stored in whatever way, of as many features; of order what is copied, on
    /// average over many calls.
    void append(const RowsView<T>& rows, const StopCondition& stop);

    /// The borrowed rows, and these behind them.
    RowsView<T> behind(const RowsView<T>& borrowed) const noexcept;

    std::size_t bytes() const noexcept;

  private:
    struct Dense {
        Buffer<T> values;

        void append(const RowsView<T>& rows, const StopCondition& stop);
        RowsView<T> behind(const RowsView<T>& borrowed) const noexcept;
        std::size_t bytes() const noexcept { return values.bytes(); }
    };

    /// With column numbers of the type that the borrowed rows have. (Not constrained: Clang 14 does
    /// not compile a member template that is.)
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
