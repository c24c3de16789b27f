#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <vector>

#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/matrix_view.hpp"
#include "exemplar_svm/problem.hpp"

namespace exemplar_svm {

/// The working set of a search: copies of chosen rows, side by side, so that the solver finds them
/// in cache and in step with the lines of it.
template <Real T>
class Panel {
  public:
    /// Half of the rows at most: a working set that outgrows this is none.
    static std::size_t capacity_for(std::size_t n_rows) noexcept {
        return std::min<std::size_t>(n_rows / 2, 16384);
    }

    Panel(std::size_t capacity, std::size_t n_features);

    std::size_t size() const noexcept { return size_; }
    std::size_t capacity() const noexcept { return capacity_; }
    RowIndex row(std::size_t s) const noexcept { return rows_[s]; }
    DenseView<T> view() const noexcept {
        return {values_.get(), size_, n_features_, static_cast<std::ptrdiff_t>(n_features_)};
    }

    /// For a search of so many rows, not more than the panel was made for.
    void clear(std::size_t n_rows) noexcept {
        size_ = 0;
        capacity_ = std::min(rows_.size(), capacity_for(n_rows));
    }

    /// Adds rows of the problem. Not more than fit.
    void add(const Problem<T>& problem, const RowIndex* rows, std::size_t n_rows,
             ExecutorRef executor) noexcept;

    /// Keeps the rows of the panel for which keep(s) holds, with their scores and entries of
    /// `values`; the last ones move to the places of those that go.
    template <class Keep>
    void retain(double* values, Keep&& keep) noexcept {
        for (std::size_t s = 0; s < size_;) {
            if (keep(s)) {
                ++s;
                continue;
            }
            move(--size_, s);
            values[s] = values[size_];
        }
    }

    /// The same problem with the rows of the panel alone.
    Problem<T> restrict(const Problem<T>& problem) const noexcept;

    /// Takes values per row of the panel to the rows of the problem; the others are zero.
    void scatter(std::vector<double>& values) noexcept;

    std::vector<T> scores;  ///< per row of the panel

  private:
    static constexpr std::align_val_t alignment{64};
    struct Delete {
        void operator()(T* values) const noexcept { ::operator delete[](values, alignment); }
    };

    void move(std::size_t from, std::size_t to) noexcept;

    std::size_t n_features_;
    std::size_t size_ = 0;
    std::size_t capacity_;  // the same whatever there is room for: it decides where searches go
    std::unique_ptr<T[], Delete> values_;  // not initialised: memory is taken as it is needed
    std::vector<RowIndex> rows_;
    std::vector<T> squared_norms_;
    std::vector<T> mean_products_;
    std::vector<double> scratch_;
};

}  // namespace exemplar_svm
