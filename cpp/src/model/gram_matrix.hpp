#pragma once

#include <cstddef>

#include "base/buffer.hpp"
#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/real.hpp"
#include "exemplar_svm/rows_view.hpp"
#include "exemplar_svm/stop_condition.hpp"

namespace exemplar_svm {

/// The most rows whose Gram matrix an index keeps: 256 MB of float32.
inline constexpr std::size_t max_gram_rows = 8192;

/// The products x_i . x_j of all pairs of rows: n^2 values, computed in n^2 d / 2 steps.
template <Real T>
class GramMatrix {
  public:
    GramMatrix() = default;

    /// @param mean  subtracted from the rows; null: no centring
    GramMatrix(const RowsView<T>& rows, const double* mean, ExecutorRef executor);

    /// Adds the rows behind those it has, with the same mean: n d steps per new row, and a copy of
    /// the existing products. After a stop the matrix is useless.
    void extend(const RowsView<T>& rows, const double* mean, ExecutorRef executor,
                const StopCondition& stop = {});

    bool empty() const noexcept { return values_.empty(); }
    std::size_t bytes() const noexcept { return values_.bytes(); }
    const T* row(std::size_t i) const noexcept { return values_.data() + i * n_rows_; }

    /// Bound on the error of a product relative to the norms of its two rows; with a mean m,
    /// relative to ||x - m|| + ||m||.
    static double rounding(std::size_t n_features) noexcept;

    /// Calls visit(name, values) for each part that a file keeps (index.hpp).
    template <class Self, class Visit>
    static void visit_parts(Self& self, Visit&& visit) {
        visit("gram", self.values_);
    }

    /// @throws std::invalid_argument if the parts do not fit n_rows
    void require_valid(std::size_t n_rows);

  private:
    std::size_t n_rows_ = 0;
    Buffer<T> values_;
};

}  // namespace exemplar_svm
