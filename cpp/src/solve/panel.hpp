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

/// The working set of a search: contiguous copies of chosen rows, aligned to cache lines. Of sparse
/// rows, the entries are copied.
template <Real T>
class Panel {
  public:
    /// For searches among at most these rows. Memory for values is touched only as rows are added.
    /// @param most  cap on the capacity
    explicit Panel(const RowsView<T>& rows,
                   std::size_t most = std::numeric_limits<std::size_t>::max());

    std::size_t size() const noexcept { return size_; }
    std::size_t capacity() const noexcept { return capacity_; }
    RowIndex row(std::size_t s) const noexcept { return rows_[s]; }
    RowsView<T> view() const noexcept;

    /// Whether the largest working set among these rows fits.
    bool has_room_for(const RowsView<T>& rows) const noexcept;

    /// Upper bound on the number of blocks of any rows in the panel. The longest rows alone can
    /// have more blocks than all rows.
    std::size_t max_blocks() const noexcept;

    /// Empties the panel for a search among rows that satisfy has_room_for().
    void clear(const RowsView<T>& rows) noexcept;

    /// Adds rows of the problem. The caller stays within capacity().
    void add(const Problem<T>& problem, const RowIndex* rows, std::size_t n_rows,
             ExecutorRef executor) noexcept;

    /// Keeps the rows s for which keep(s) holds, in order, with their scores and values[s].
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

    /// The problem restricted to the rows of the panel.
    Problem<T> restrict(const Problem<T>& problem) const noexcept;

    /// Copies values per row of the panel to values per row of the problem; all others become zero.
    void scatter(const double* values, double* to, std::size_t n_rows) const noexcept;

    std::vector<T> scores;  ///< per row of the panel

  private:
    /// Of column numbers and of starts_.
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
    std::size_t capacity_;   // depends on the rows alone: a larger panel must not change a search
    std::size_t n_entries_;  // allocated
    // Not initialised, so that memory is touched only as needed.
    std::unique_ptr<T[], Delete> values_;
    std::unique_ptr<Column[], Delete> columns_;  // per entry of sparse rows
    std::vector<Column> starts_;                 // first entry per sparse row, and the end
    std::vector<RowIndex> rows_;
    std::vector<T> squared_norms_;
    std::vector<T> mean_products_;
};

}  // namespace exemplar_svm
