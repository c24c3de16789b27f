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

/// Sparse rows by their columns, the inverted lists of text search (Zobel and Moffat, ACM Computing
/// Surveys 38, 2006): what an example has in common with all rows is found in the lists of its few
/// columns, without reading the rows. It guesses which rows score highest; nothing else depends on
/// it. As many entries as the rows have, of a value and a row number each.
template <Real T>
class Postings {
  public:
    Postings() = default;

    /// Takes in the rows behind those that it knows. Lists are made once, of order the entries, and
    /// not appended to: later rows are read as they are.
    /// @throws Stopped
    void extend(const RowsView<T>& rows, const std::vector<T>& mean, ExecutorRef executor,
                const StopCondition& stop = {});

    bool empty() const noexcept { return mean_products_.empty(); }
    std::size_t bytes() const noexcept;

    /// scores[i] = (the examples' mean, negative ones with their sign turned, less the mean of the
    /// rows) . x_i for all rows of the problem.
    /// @param scratch  n_features values
    void guess_scores(const Problem<T>& problem, ExecutorRef executor, T* scratch,
                      T* scores) const noexcept;

    /// visit(name, values) of each of the parts that a file keeps (index.hpp).
    template <class Self, class Visit>
    static void visit_parts(Self& self, Visit&& visit) {
        visit("posting_starts", self.starts_);
        visit("posting_rows", self.rows_);
        visit("posting_values", self.values_);
        visit("posting_mean_products", self.mean_products_);
    }

    /// @throws std::invalid_argument if the parts are not those of such rows
    void require_valid(std::size_t n_rows, std::size_t n_features) const;

  private:
    void list(const RowsView<T>& rows, const StopCondition& stop);
    void add_listed(const Problem<T>& problem, std::size_t j, T factor, std::size_t begin,
                    std::size_t end, T* scores) const noexcept;
    std::size_t n_listed() const noexcept { return starts_[starts_.size() - 1]; }

    // The list of column c is what starts_[c] <= e < starts_[c + 1], rows ascending. One more
    // start behind those of the columns is the number of rows that are listed.
    Buffer<std::uint64_t> starts_;
    Buffer<RowIndex> rows_;
    Buffer<T> values_;
    Buffer<T> mean_products_;  // of all rows with the mean
};

}  // namespace exemplar_svm
