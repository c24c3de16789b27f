#pragma once

#include <cstddef>
#include <span>

#include "kernels/dispatch.hpp"
#include "problem/samples.hpp"
#include "solve/prepared_examples.hpp"
#include "solve/solution.hpp"

namespace exemplar_svm {

/// The weights of dual coordinate descent: w = w_0 + sum a_i z_i, recomputed in double precision by
/// refresh() and changed by epochs in the arithmetic of T. During an epoch, row x_i has the score
///
///     coef . x_i + intercept + offset - shift (mean . x_i) + block.pending_score(k_i),
///
/// where coef sums rows that are not centred, and shift is the multiple of the mean to subtract.
/// While refining, coef is only the change from the refreshed weights, and scores[i] is the product
/// of row i with the refreshed weights: a small change has a small rounding.
template <Real T>
class DescentWeights {
  public:
    /// Everything is borrowed. The examples must be prepared.
    /// @param wide    d values, for the weights of the last refresh
    /// @param other   d values
    /// @param scores  n_rows values
    DescentWeights(const Samples<T>& samples, PreparedExamples<T>& examples, Solution<T>& solution,
                   T* coef, double* wide, double* other, T* scores) noexcept;

    // State and error bounds of the weights.

    bool are_fresh() const noexcept { return are_fresh_; }  ///< unchanged, and all in coef
    bool are_refining() const noexcept { return are_refining_; }
    double largest_norm() const noexcept { return largest_norm_; }  ///< of any row's z_i
    double intercept() const noexcept { return intercept_; }        ///< s^2 sum a_i y_i

    /// Bound on ||w - w(a)||, the distance from the weights of the dual coefficients, and the part
    /// of it that rounding does not explain.
    double drift() const noexcept { return drift_; }
    double drift_beyond_rounding() const noexcept;

    double coef_rounding() const noexcept { return coef_rounding_; }    ///< ||w - w rounded to T||
    double score_rounding() const noexcept { return score_rounding_; }  ///< bound, any row, in T
    /// Bounds in double precision, for any row and for sample i.
    double precise_rounding() const noexcept { return precise_rounding_; }
    double precise_rounding(std::size_t i) const noexcept;
    /// The smallest violation that the arithmetic distinguishes from zero.
    double resolution() const noexcept;

    /// In double precision, under the refreshed weights: the score of a row, the product of a
    /// sample, and 1/2 ||w~ - w~_0||^2.
    double precise_score(std::size_t i) const noexcept {
        return samples_.score(i, wide_, intercept_ + offset_);
    }
    double precise_product(std::size_t i) const noexcept {
        return samples_.product(i, wide_, intercept_ + offset_);
    }
    double half_square() const noexcept;
    WeightsView<T> rounded() const noexcept { return solution_.weights.view(); }

    double row_dual(std::size_t i) const noexcept { return solution_.dual[i]; }
    double dual(std::size_t i) const noexcept {
        if (samples_.is_row(i)) return row_dual(i);
        return example_dual(i - samples_.n_rows());
    }
    double example_dual(std::size_t j) const noexcept {
        return eliminates() ? block_.dual(j) : solution_.example_dual[j];
    }
    bool eliminates() const noexcept { return block_.count() > 0; }
    void set_dual(std::size_t i, double dual) noexcept;

    // The weights in double precision.

    /// Recomputes the weights from the dual coefficients, and makes the eliminated examples
    /// optimal.
    /// @param active  rows that epochs visit
    void refresh(std::span<const RowIndex> active) noexcept;
    void set_refining(bool refines) noexcept { are_refining_ = refines; }

    /// Gives all these rows the same, optimal dual coefficient: a step on one coordinate whose
    /// sample is the sum of the rows. From zeros, the first rows visited would take on all rows'
    /// part of the intercept, and two epochs would be spent on redistributing it.
    /// @param products  x~_i . x~_j, row by row, for each example j
    void level(std::span<const RowIndex> rows, const T* products) noexcept;

    /// Replaces the weights by given ones, close to those of the dual coefficients. Sets drift().
    /// @param bias  weight of the constant feature: the intercept divided by s
    void adopt(const double* weights, double bias) noexcept;
    /// Replaces the weights by those that epochs have changed.
    void adopt_changes() noexcept;

    /// Copy the weights as T, and the dual coefficients of the examples, to the solution.
    void leave_weights() noexcept;
    void leave_example_duals() noexcept;
    /// Copies the dual coefficients of the eliminated examples from the solution.
    void take_example_duals() noexcept;

    // The weights during an epoch.

    void begin_epoch() noexcept { are_fresh_ = false; }
    T* coef() noexcept { return coef_; }
    /// @param product  coef . x_i
    double score(std::size_t i, double product, const double* k) const noexcept {
        const double score = product + intercept_ + offset_ -
                             shift_ * samples_.row_mean_product(i) + block_.pending_score(k);
        return are_refining_ ? score + static_cast<double>(scores_[i]) : score;
    }
    /// Updates intercept, shift and offset after the caller has added a row to coef.
    void count_row(std::size_t i, double change) noexcept {
        intercept_ += change * samples_.bias_square();
        shift_ += change * samples_.means_per_row();
        offset_ += change * (samples_.mean_square() - samples_.row_mean_product(i));
    }
    /// z_j . w for an example, in the arithmetic of epochs.
    double example_product(std::size_t j) const noexcept;
    /// Adds `step` times an example that is not eliminated.
    void add_example(std::size_t j, double step) noexcept;
    /// Adds the pending changes of the eliminated examples and of the mean to coef. Folding keeps
    /// pending changes small, so that scores suffer little cancellation.
    void fold() noexcept;

  private:
    double sum_samples(double* weights) noexcept;
    double optimise_examples(double sum) noexcept;
    void round(double sum) noexcept;
    void rebase(std::span<const RowIndex> active) noexcept;

    const Samples<T>& samples_;
    PreparedExamples<T>& examples_;
    ExampleBlock& block_;
    Solution<T>& solution_;
    const kernels::KernelTable<T>& kernels_;
    T* coef_;
    double* wide_;
    double* other_;
    T* scores_;

    bool are_fresh_ = false;
    bool are_refining_ = false;
    double largest_norm_;
    double mean_norm_;
    double prior_norm_;
    double intercept_ = 0.0;
    double offset_ = 0.0;
    double shift_ = 0.0;
    double refreshed_offset_ = 0.0;

    double sum_rounding_ = 0.0;  // bound on the rounding of the last sum_samples()
    double drift_ = 0.0;
    double coef_rounding_ = 0.0;
    double score_rounding_ = 0.0;
    double precise_rounding_ = 0.0;
    double precise_rounding_per_norm_ = 0.0;
};

}  // namespace exemplar_svm
