#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>

#include "exemplar_svm/real.hpp"

namespace exemplar_svm {

/// One place of a ranking.
template <Real T>
struct Ranked {
    T score;
    RowNumber row;
};

/// The order of every ranking: higher scores first, then smaller row numbers. It is a total order,
/// so a ranking does not depend on the order in which rows are offered.
template <Real T>
constexpr bool ranks_before(const Ranked<T>& a, const Ranked<T>& b) noexcept {
    return a.score > b.score || (a.score == b.score && a.row < b.row);
}

/// The best k of the offered rows: a bounded heap in borrowed storage, with the worst row on top.
template <Real T>
class TopK {
  public:
    TopK(Ranked<T>* storage, std::size_t k) noexcept : heap_(storage), k_(k) {}

    void offer(T score, RowNumber row) noexcept {
        const Ranked<T> candidate{score, row};
        if (size_ < k_) {
            heap_[size_++] = candidate;
            std::push_heap(heap_, heap_ + size_, ranks_before<T>);
        } else if (k_ > 0 && ranks_before(candidate, heap_[0])) {
            std::pop_heap(heap_, heap_ + size_, ranks_before<T>);
            heap_[size_ - 1] = candidate;
            std::push_heap(heap_, heap_ + size_, ranks_before<T>);
        }
    }

    /// Rows that score below this are refused; -infinity while there is room.
    T threshold() const noexcept {
        constexpr T infinity = std::numeric_limits<T>::infinity();
        if (k_ == 0) return infinity;
        return size_ < k_ ? -infinity : heap_[0].score;
    }

    /// Ends the selection: sorts the storage, best first, and returns the number of rows in it.
    std::size_t finish() noexcept {
        std::sort_heap(heap_, heap_ + size_, ranks_before<T>);
        return size_;
    }

  private:
    Ranked<T>* heap_;
    std::size_t k_;
    std::size_t size_ = 0;
};

}  // namespace exemplar_svm
