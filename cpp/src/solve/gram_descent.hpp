#pragma once

#include <cstddef>
#include <limits>
#include <vector>

#include "base/permutation.hpp"
#include "exemplar_svm/settings.hpp"
#include "exemplar_svm/solve_report.hpp"
#include "exemplar_svm/stop_condition.hpp"
#include "kernels/dispatch.hpp"
#include "model/gram_matrix.hpp"
#include "problem/samples.hpp"
#include "solve/example_block.hpp"
#include "solve/outcome.hpp"
#include "solve/prepared_examples.hpp"
#include "solve/solution.hpp"

namespace exemplar_svm {

/// Scratch of GramDescent.
template <Real T>
struct GramScratch {
    std::vector<RowIndex> active;    ///< active rows come first
    std::vector<T> products;         ///< x_i . x_j, row by row, for each example j
    std::vector<double> row_scores;  ///< contribution of the prior and the rows to each score

    /// For searches among at most these rows.
    GramScratch(const RowsView<T>& rows, std::size_t max_examples);
};

/// Dual coordinate descent with the Gram matrix, for few rows of many features. Every step updates
/// all scores, at a cost of n instead of 2 d. Visiting a row without a step is then almost free,
/// and the final scores need no scan. Weights are never formed.
template <Real T>
class GramDescent {
  public:
    /// For at most ExampleBlock::capacity examples. All rows must be negatives.
    GramDescent(const Samples<T>& samples, const SolverSettings& settings,
                const GramMatrix<T>& gram, ExecutorRef executor, Solution<T>& solution,
                PreparedExamples<T>& examples, GramScratch<T>& scratch, T* scores,
                const StopCondition& stop = {}) noexcept;

    /// Hands over if coordinate descent progresses slowly, or if the Gram matrix's rounding leaves
    /// too large a score bound. Leaves the primal objective of the report at zero.
    Outcome solve(Start from, const Goal& goal, SolveReport& report) noexcept;

  private:
    void start(Start from) noexcept;
    void multiply_rows_by_examples() noexcept;
    void activate_all() noexcept;
    EpochSummary epoch() noexcept;
    bool visit(RowIndex i, EpochSummary& seen) noexcept;
    void flush() noexcept;
    bool has_to_stop() const noexcept {
        return stop_.is_set() && stop_.earlier_by(seconds_to_verify_).reached();
    }
    void refresh() noexcept;
    double verify(SolveReport& report) noexcept;

    std::size_t n_rows() const noexcept { return samples_.n_rows(); }
    const T* products(std::size_t i) const noexcept {
        return scratch_.products.data() + i * block_.count();
    }

    /// x~_i . x~_j for every example j.
    void products_with_bias(std::size_t i, double* k) const noexcept {
        for (std::size_t j = 0; j < block_.count(); ++j) {
            k[j] = static_cast<double>(products(i)[j]) + bias_[j];
        }
    }

    Samples<T> samples_;
    SolverSettings settings_;
    const GramMatrix<T>& gram_;
    ExecutorRef executor_;
    Solution<T>& solution_;
    PreparedExamples<T>& examples_;
    GramScratch<T>& scratch_;
    ExampleBlock& block_;
    T* scores_;
    StopCondition stop_;
    double seconds_to_verify_ = 0.0;  // estimate for the last refresh() and verify()
    const kernels::KernelTable<T>& kernels_;
    SplitMix64 random_;
    Penalty penalty_;
    double bias_[ExampleBlock::capacity];  // y_j s^2
    double shrink_above_ = std::numeric_limits<double>::infinity();
    double shrink_below_ = -std::numeric_limits<double>::infinity();
    std::size_t n_active_ = 0;

    // The score of row i is scratch.row_scores[i] (last refresh, in double precision) + scores_[i]
    // (change since) + (waiting steps) - s^2 dual_sum_ + a' k_i.
    double dual_sum_ = 0.0;  // of the rows
    static constexpr std::size_t max_waiting = 4;
    std::size_t n_waiting_ = 0;
    RowIndex waiting_[max_waiting];  // rows whose steps are not yet in scores_
    T changes_[max_waiting];         // minus the steps

    double example_scores_[ExampleBlock::capacity];  // of the last refresh, without a' K
};

}  // namespace exemplar_svm
