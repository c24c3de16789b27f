#pragma once

#include <cstddef>

#include "base/buffer.hpp"
#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/real.hpp"
#include "exemplar_svm/rows_view.hpp"
#include "exemplar_svm/stop_condition.hpp"

namespace exemplar_svm {

/// The most rows whose products with each other an index keeps (Method::gram): 256 MB of float32.
inline constexpr std::size_t max_gram_rows = 8192;

/// The products x_i . x_j of all rows with each other: n^2 values, computed in n^2 d / 2 steps.
template <Real T>
class GramMatrix {
  public:
    GramMatrix() = default;

    /// @param mean  subtracted from the rows; null: the rows as they are
    GramMatrix(const RowsView<T>& rows, const double* mean, ExecutorRef executor);

    /// Takes in the rows behind those that it has, of the same mean: n d steps for each of them,
    /// and a copy of the products that there are. What is there after a stop is of no use.
    void extend(const RowsView<T>& rows, const double* mean, ExecutorRef executor,
                const StopCondition& stop = {});

    bool empty() const noexcept { return values_.empty(); }
    std::size_t bytes() const noexcept { return values_.bytes(); }
    const T* row(std::size_t i) const noexcept { return values_.data() + i * n_rows_; }

    /// Bound on the error of a product, relative to the norms of its rows; where there is a mean m,
    /// to ||x - m|| + ||m||.
    static double rounding(std::size_t n_features) noexcept;

    /// visit(name, values) of each of the parts that a file keeps (index.hpp).
    template <class Self, class Visit>
    static void visit_parts(Self& self, Visit&& visit) {
        visit("gram", self.values_);
    }

    /// @throws std::invalid_argument if the parts are not those of so many rows
    void require_valid(std::size_t n_rows);

  private:
    std::size_t n_rows_ = 0;
    Buffer<T> values_;
};

}  // namespace exemplar_svm
