#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/buffer.hpp"
#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/problem.hpp"
#include "exemplar_svm/real.hpp"
#include "exemplar_svm/rows_view.hpp"
#include "exemplar_svm/stop_condition.hpp"

namespace exemplar_svm {

/// Inverted lists: sparse rows by their columns, as in text search (Zobel and Moffat, ACM Computing
/// Surveys 38, 2006). The lists of an example's few columns give its products with all rows without
/// reading the rows. They guess which rows score highest; nothing proven depends on them. They have
/// as many entries as the rows, a value and a row number each.
template <Real T>
class Postings {
  public:
    Postings() = default;

    /// Adds the rows behind those it has. The lists are made once, in time of the order of the
    /// entries, and never appended to: products with later rows are computed from the rows.
    /// @throws Stopped
    void extend(const RowsView<T>& rows, const std::vector<T>& mean, ExecutorRef executor,
                const StopCondition& stop = {});

    bool empty() const noexcept { return mean_products_.empty(); }
    std::size_t bytes() const noexcept;

    /// scores[i] = (mean of the examples, with the sign of the negative ones turned, minus mean of
    /// the rows) . x_i for all rows of the problem.
    /// @param scratch  n_features values
    void guess_scores(const Problem<T>& problem, ExecutorRef executor, T* scratch,
                      T* scores) const noexcept;

    /// Calls visit(name, values) for each part that a file keeps (index.hpp).
    template <class Self, class Visit>
    static void visit_parts(Self& self, Visit&& visit) {
        visit("posting_starts", self.starts_);
        visit("posting_rows", self.rows_);
        visit("posting_values", self.values_);
        visit("posting_mean_products", self.mean_products_);
    }

    /// @throws std::invalid_argument if the parts do not fit rows of this shape
    void require_valid(std::size_t n_rows, std::size_t n_features) const;

  private:
    void list(const RowsView<T>& rows, const StopCondition& stop);
    void add_listed(const Problem<T>& problem, std::size_t j, T factor, std::size_t begin,
                    std::size_t end, T* scores) const noexcept;
    std::size_t n_listed() const noexcept { return starts_[starts_.size() - 1]; }

    // The list of column c has the entries starts_[c] <= e < starts_[c + 1], with ascending rows.
    // The last element of starts_, after the offsets, is the number of listed rows.
    Buffer<std::uint64_t> starts_;
    Buffer<RowIndex> rows_;
    Buffer<T> values_;
    Buffer<T> mean_products_;  // of all rows with the mean
};

}  // namespace exemplar_svm
