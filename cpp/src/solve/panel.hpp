#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <vector>

#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/problem.hpp"

namespace exemplar_svm {

/// The working set of a search: copies of chosen rows, side by side, so that the solver finds them
/// in cache and in step with the lines of it. Of sparse rows the entries are copied.
template <Real T>
class Panel {
  public:
    /// For searches among these rows, or fewer. Takes no memory but per row before rows are added.
    /// @param most  rows that it may hold, if that is less than the largest working set
    explicit Panel(const RowsView<T>& rows,
                   std::size_t most = std::numeric_limits<std::size_t>::max());

    std::size_t size() const noexcept { return size_; }
    std::size_t capacity() const noexcept { return capacity_; }
    RowIndex row(std::size_t s) const noexcept { return rows_[s]; }
    RowsView<T> view() const noexcept;

    /// Whether it has room for the largest working set among these rows.
    bool has_room_for(const RowsView<T>& rows) const noexcept;

    /// At least as many blocks as its rows are cut into, whichever they are. Those of the longest
    /// rows alone can be more than those of all rows.
    std::size_t max_blocks() const noexcept;

    /// For a search among rows for which it has room.
    void clear(const RowsView<T>& rows) noexcept;

    /// Adds rows of the problem. Not more than fit.
    void add(const Problem<T>& problem, const RowIndex* rows, std::size_t n_rows,
             ExecutorRef executor) noexcept;

    /// Keeps the rows of the panel for which keep(s) holds, with their scores and entries of
    /// `values`, in their order.
    template <class Keep>
    void retain(double* values, Keep&& keep) noexcept {
        std::size_t n_kept = 0;
        for (std::size_t s = 0; s < size_; ++s) {
            if (!keep(s)) continue;
            if (s != n_kept) move(s, n_kept);
            values[n_kept++] = values[s];
        }
        size_ = n_kept;
    }

    /// The same problem with the rows of the panel alone.
    Problem<T> restrict(const Problem<T>& problem) const noexcept;

    /// Copies values per row of the panel to the rows of a problem of so many; the others are zero.
    void scatter(const double* values, double* to, std::size_t n_rows) const noexcept;

    std::vector<T> scores;  ///< per row of the panel

  private:
    /// Column numbers of the copies, and where these begin.
    using Column = std::int32_t;

    static constexpr std::align_val_t alignment{64};
    struct Delete {
        void operator()(void* values) const noexcept { ::operator delete[](values, alignment); }
    };
    template <class U>
    static std::unique_ptr<U[], Delete> allocate(std::size_t n) {
        return {static_cast<U*>(::operator new[](n * sizeof(U), alignment)), {}};
    }

    static std::size_t capacity_for(const RowsView<T>& rows, std::size_t most) noexcept;
    static std::size_t entries_for(const RowsView<T>& rows, std::size_t n_rows) noexcept;
    void place_entries(const RowsView<T>& source, const RowIndex* rows,
                       std::size_t n_rows) noexcept;
    void move(std::size_t from, std::size_t to) noexcept;

    bool is_dense_;
    std::size_t most_;
    std::size_t n_features_;
    std::size_t size_ = 0;
    std::size_t capacity_;   // the same whatever there is room for: it decides where searches go
    std::size_t n_entries_;  // that there is room for
    // Not initialised: memory is taken as it is needed.
    std::unique_ptr<T[], Delete> values_;
    std::unique_ptr<Column[], Delete> columns_;  // of sparse rows, and
    std::vector<Column> starts_;                 // where these begin
    std::vector<RowIndex> rows_;
    std::vector<T> squared_norms_;
    std::vector<T> mean_products_;
};

}  // namespace exemplar_svm
