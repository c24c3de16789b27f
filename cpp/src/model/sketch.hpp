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

/// Weights as the scan of a sketch takes them: coef_j is about unit * code_j, code_j an integer.
class IntegerWeights {
  public:
    IntegerWeights() = default;
    explicit IntegerWeights(std::size_t n_features);

    /// @param weights  of as many features as these
    template <Real T>
    void assign(WeightsView<T> weights) noexcept;

    const std::int16_t* codes() const noexcept { return codes_.data(); }
    double unit() const noexcept { return unit_; }
    double intercept() const noexcept { return intercept_; }

  private:
    std::size_t n_features_ = 0;
    std::vector<std::int16_t> codes_;  // zero after n_features_, as those of the rows are
    double unit_ = 0.0;
    double intercept_ = 0.0;
};

/// Eight bits per feature and row, and a bound on what they miss: x_i is about x^_i = s_i c_i, c_i
/// integers of magnitude at most 127. A quarter of the bytes of float32 rows, from which the score
/// of every row follows up to a bound of its own; only rows that the bound cannot decide have to be
/// read. The vector approximation file works in the same way (Weber, Schek and Blott, VLDB 1998).
template <Real T>
class Sketch {
  public:
    Sketch() = default;

    /// Reads the rows once.
    Sketch(const RowsView<T>& rows, ExecutorRef executor);

    /// Takes in the rows behind those that it has: of order as many.
    void extend(const RowsView<T>& rows, ExecutorRef executor);

    bool empty() const noexcept { return scales_.empty(); }
    std::size_t bytes() const noexcept;

    /// scores[i - begin] approximates coef . x_i + intercept for begin <= i < end, with the same
    /// bits whichever rows are scored with it and on every instruction set. It is off by at most
    /// error(i) ||coef|| + rounding(intercept), underflow of the products apart.
    void score_block(std::size_t begin, std::size_t end, const IntegerWeights& weights,
                     T* scores) const noexcept;

    /// Infinite for a row that is not finite.
    T error(std::size_t i) const noexcept { return errors_[i]; }

    static double rounding(double intercept) noexcept;

    /// visit(name, values) of each of the parts that a file keeps (index.hpp).
    template <class Self, class Visit>
    static void visit_parts(Self& self, Visit&& visit) {
        visit("sketch", self.codes_);
        visit("sketch_scales", self.scales_);
        visit("sketch_errors", self.errors_);
    }

    /// @throws std::invalid_argument if the parts are not those of rows of such a shape
    void require_valid(std::size_t n_rows, std::size_t n_features);

  private:
    std::size_t row_codes_ = 0;  // codes per row, those after the last feature being zero
    Buffer<std::int8_t> codes_;
    Buffer<T> scales_;
    Buffer<T> errors_;
};

}  // namespace exemplar_svm
