#pragma once

#include <cstddef>
#include <span>

#include "kernels/dispatch.hpp"
#include "problem/samples.hpp"
#include "solve/prepared_examples.hpp"
#include "solve/solution.hpp"

namespace exemplar_svm {

/// The weights of dual coordinate descent: w = w_0 + sum a_i z_i in double precision, as of the
/// last refresh, and what epochs make of them in the arithmetic of T.
///
/// While they change, the score of a row x_i is
///
///     coef . x_i + intercept + offset - shift (mean . x_i) + block.pending_score(k_i),
///
/// where coef holds the rows as they are and shift counts the means they have brought along. While
/// refining, coef holds only what changes from the weights of the last refresh, and scores[i] the
/// product of row i with those: what is small is rounded by little.
template <Real T>
class DescentWeights {
  public:
    /// Everything is borrowed; examples have been prepared.
    /// @param wide    d values, for the weights of the last refresh
    /// @param other   d values
    /// @param scores  n_rows values
    DescentWeights(const Samples<T>& samples, PreparedExamples<T>& examples, Solution<T>& solution,
                   T* coef, double* wide, double* other, T* scores) noexcept;

    // What is known of the weights.

    bool are_fresh() const noexcept { return are_fresh_; }  ///< just those of the coefficients
    bool are_refining() const noexcept { return are_refining_; }
    double largest_norm() const noexcept { return largest_norm_; }  ///< of the rows' z_i
    double intercept() const noexcept { return intercept_; }        ///< s^2 sum a_i y_i

    /// Bound on ||w - w(a)||, the distance from the weights of the dual coefficients, and its part
    /// beyond what rounding accounts for.
    double drift() const noexcept { return drift_; }
    double drift_beyond_rounding() const noexcept;

    double coef_rounding() const noexcept { return coef_rounding_; }    ///< ||coef, rounded to T||
    double score_rounding() const noexcept { return score_rounding_; }  ///< of any row, in T
    /// In double precision: of any row, and of sample i.
    double precise_rounding() const noexcept { return precise_rounding_; }
    double precise_rounding(std::size_t i) const noexcept;
    /// The smallest violation that the arithmetic can tell from zero.
    double resolution() const noexcept;

    /// Of the refreshed weights, in double precision: the score of a row, the product of a sample,
    /// and 1/2 ||w~ - w~_0||^2.
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

    /// Recomputes them from the dual coefficients, and makes the eliminated examples optimal.
    /// @param active  rows that epochs visit
    void refresh(std::span<const RowIndex> active) noexcept;
    void set_refining(bool refines) noexcept { are_refining_ = refines; }

    /// The same dual coefficient for all these rows: the best one, the block following, as of a
    /// coordinate whose sample is the sum of the rows. From zero the first rows to be visited would
    /// take over what is all rows' part in the intercept, and two epochs would be spent on giving
    /// it back.
    /// @param products  x~_i . x~_j, row by row, for each example j
    void level(std::span<const RowIndex> rows, const T* products) noexcept;

    /// Takes over weights that are nearly those of the dual coefficients.
    /// @param bias  of the constant feature: the intercept divided by s
    void adopt(const double* weights, double bias) noexcept;
    /// Takes over the weights that epochs have left.
    void adopt_changes() noexcept;

    /// Leaves the weights, rounded to T, and the coefficients of the examples in the solution.
    void leave_weights() noexcept;
    void leave_example_duals() noexcept;
    /// Takes the coefficients of the eliminated examples from there.
    void take_example_duals() noexcept;

    // The weights while epochs change them.

    void begin_epoch() noexcept { are_fresh_ = false; }
    T* coef() noexcept { return coef_; }
    /// The score of a row, from coef . x_i.
    double score(std::size_t i, double product, const double* k) const noexcept {
        const double score = product + intercept_ + offset_ -
                             shift_ * samples_.row_mean_product(i) + block_.pending_score(k);
        return are_refining_ ? score + static_cast<double>(scores_[i]) : score;
    }
    /// Counts a row that has been added to coef.
    void count_row(std::size_t i, double change) noexcept {
        intercept_ += change * samples_.bias_square();
        shift_ += change * samples_.means_per_row();
        offset_ += change * (samples_.mean_square() - samples_.row_mean_product(i));
    }
    /// z_j . w for an example, in the arithmetic of epochs.
    double example_product(std::size_t j) const noexcept;
    /// Adds an example that is not eliminated.
    void add_example(std::size_t j, double step) noexcept;
    /// Brings the changes of the eliminated examples and of the mean into coef. Between two folds a
    /// score is the sum of a product with coef and of these changes; folding keeps the changes
    /// small, so that little cancels.
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

    double sum_rounding_ = 0.0;  // bound on that of the last sum of samples
    double drift_ = 0.0;
    double coef_rounding_ = 0.0;
    double score_rounding_ = 0.0;
    double precise_rounding_ = 0.0;
    double precise_rounding_per_norm_ = 0.0;
};

}  // namespace exemplar_svm
