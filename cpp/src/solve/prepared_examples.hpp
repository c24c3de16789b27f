#pragma once

#include <cstddef>
#include <vector>

#include "exemplar_svm/rows_view.hpp"
#include "problem/example_rows.hpp"
#include "problem/samples.hpp"
#include "solve/example_block.hpp"

namespace exemplar_svm {

/// The examples of a problem in the form that solvers read: y [x - mean, s], a positive whatever
/// its label y.
template <Real T>
class PreparedExamples {
  public:
    /// @param rows         of the problems
    /// @param max_entries  the most nonzero values of sparse examples
    PreparedExamples(const RowsView<T>& rows, std::size_t max_examples, std::size_t max_entries);

    /// Starts a solve. Clamps the examples' dual coefficients to their bounds. Puts the examples
    /// into the block if they are at most its capacity.
    void prepare(const Samples<T>& samples, double* example_dual) noexcept;

    /// The examples times their labels. Dense ones are centred; sparse ones stay sparse.
    const RowsView<T>& rows() const noexcept { return rows_; }
    /// mean . x of example j in rows(); 0 without a mean
    double mean_product(std::size_t j) const noexcept { return mean_products_[j]; }
    /// The multiple of the mean to subtract from example j in rows(); 0 for dense ones.
    double shift(std::size_t j) const noexcept { return shifts_[j]; }
    /// w_0, the weights that the prior pulls toward
    const std::vector<double>& prior() const noexcept { return prior_; }
    /// The eliminated examples; empty if there are more than its capacity.
    ExampleBlock& block() noexcept { return block_; }

  private:
    void fill_block(const Samples<T>& samples, const double* example_dual) noexcept;

    ExampleRows<T> signed_;
    RowsView<T> rows_{};
    std::vector<double> mean_products_;
    std::vector<double> shifts_;
    std::vector<double> prior_;
    std::vector<double> wide_;  // one example in double precision
    ExampleBlock block_;
};

}  // namespace exemplar_svm
