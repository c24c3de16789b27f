#pragma once

#include <cstddef>
#include <vector>

#include "exemplar_svm/rows_view.hpp"
#include "problem/samples.hpp"
#include "problem/sparse_examples.hpp"
#include "solve/example_block.hpp"

namespace exemplar_svm {

/// The examples of a problem as solvers read them. A sample y [x - mean, s] is a positive example
/// to a solver, whatever its label y is.
template <Real T>
class PreparedExamples {
  public:
    /// @param rows         of the problems to come
    /// @param max_entries  of sparse examples, the most values that are not zero
    PreparedExamples(const RowsView<T>& rows, std::size_t max_examples, std::size_t max_entries);

    /// Begins a solve at dual coefficients of the examples, which are moved into their bounds.
    /// Puts the examples into the block, if they are few enough.
    void prepare(const Samples<T>& samples, double* example_dual) noexcept;

    /// The examples times their labels: dense ones less the mean, sparse ones as they are, so that
    /// they stay sparse.
    const RowsView<T>& rows() const noexcept { return rows_; }
    /// mean . x of example j in rows(); 0 without a mean
    double mean_product(std::size_t j) const noexcept { return mean_products_[j]; }
    /// How many means example j brings along: none if it is dense, being centred itself.
    double shift(std::size_t j) const noexcept { return shifts_[j]; }
    /// w_0, the weights that the prior pulls toward
    const std::vector<double>& prior() const noexcept { return prior_; }
    /// The eliminated examples; empty if there are more than its capacity.
    ExampleBlock& block() noexcept { return block_; }

  private:
    void sign(const Samples<T>& samples) noexcept;
    void fill_block(const Samples<T>& samples, const double* example_dual) noexcept;

    RowsView<T> rows_{};
    std::vector<T> dense_;
    SparseExamples<T> sparse_;
    std::vector<double> mean_products_;
    std::vector<double> shifts_;
    std::vector<double> prior_;
    std::vector<double> wide_;  // one example in double precision
    ExampleBlock block_;
};

}  // namespace exemplar_svm
