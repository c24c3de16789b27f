#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/buffer.hpp"
#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/real.hpp"
#include "exemplar_svm/rows_view.hpp"
#include "exemplar_svm/weights.hpp"

namespace exemplar_svm {

/// Weights quantised for the scan of a sketch: coef_j is about unit * code_j, code_j an integer.
class IntegerWeights {
  public:
    IntegerWeights() = default;
    explicit IntegerWeights(std::size_t n_features);

    /// @param weights  with n_features values
    template <Real T>
    void assign(WeightsView<T> weights) noexcept;

    const std::int16_t* codes() const noexcept { return codes_.data(); }
    double unit() const noexcept { return unit_; }
    double intercept() const noexcept { return intercept_; }

  private:
    std::size_t n_features_ = 0;
    std::vector<std::int16_t> codes_;  // zero after n_features_, like the codes of the rows
    double unit_ = 0.0;
    double intercept_ = 0.0;
};

/// Scalar quantisation (SQ8) with an error bound per row: x_i is about x^_i = s_i c_i, with
/// integers c_i of magnitude at most 127. A quarter of the bytes of float32 rows gives every row's
/// score up to the row's bound; only rows that the bound cannot decide are read. The vector
/// approximation file works the same way (Weber, Schek and Blott, VLDB 1998).
template <Real T>
class Sketch {
  public:
    Sketch() = default;

    /// Reads the rows once.
    Sketch(const RowsView<T>& rows, ExecutorRef executor);

    /// Adds the rows behind those it has, in time of the order of the new rows.
    void extend(const RowsView<T>& rows, ExecutorRef executor);

    bool empty() const noexcept { return scales_.empty(); }
    std::size_t bytes() const noexcept;

    /// scores[i - begin] approximates coef . x_i + intercept for begin <= i < end. The bits depend
    /// neither on the other rows of the call nor on the instruction set. The error is at most
    /// error(i) ||coef|| + rounding(intercept), apart from underflow of the products.
    void score_block(std::size_t begin, std::size_t end, const IntegerWeights& weights,
                     T* scores) const noexcept;

    /// Infinite for a row that is not finite.
    T error(std::size_t i) const noexcept { return errors_[i]; }

    static double rounding(double intercept) noexcept;

    /// Calls visit(name, values) for each part that a file keeps (index.hpp).
    template <class Self, class Visit>
    static void visit_parts(Self& self, Visit&& visit) {
        visit("sketch", self.codes_);
        visit("sketch_scales", self.scales_);
        visit("sketch_errors", self.errors_);
    }

    /// @throws std::invalid_argument if the parts do not fit rows of this shape
    void require_valid(std::size_t n_rows, std::size_t n_features);

  private:
    std::size_t row_codes_ = 0;  // codes per row; those after the last feature are zero
    Buffer<std::int8_t> codes_;
    Buffer<T> scales_;
    Buffer<T> errors_;
};

}  // namespace exemplar_svm
