#pragma once

#include <cstddef>
#include <limits>
#include <span>

#include "base/permutation.hpp"
#include "exemplar_svm/settings.hpp"
#include "exemplar_svm/stop_condition.hpp"
#include "kernels/dispatch.hpp"
#include "problem/samples.hpp"
#include "solve/descent_scratch.hpp"
#include "solve/descent_weights.hpp"
#include "solve/solution.hpp"

namespace exemplar_svm {

/// Epochs of dual coordinate descent over the active rows, in random order, with the shrinking of
/// Hsieh et al. 2008, Algorithm 3. The eliminated examples follow every step; others are visited as
/// ordinary coordinates, one after every few rows.
template <Real T>
class DescentEpochs {
  public:
    /// Everything is borrowed.
    DescentEpochs(const Samples<T>& samples, const SolverSettings& settings,
                  DescentWeights<T>& weights, Solution<T>& solution,
                  DescentScratch<T>& scratch) noexcept;

    /// One epoch, or as much of it as there is time for. Leaves the weights folded.
    EpochSummary run(const StopCondition& stop) noexcept;

    std::span<const RowIndex> active() const noexcept {
        return {scratch_.active.data(), n_active_};
    }
    /// Active rows off zero.
    std::size_t count_inside() const noexcept;

    /// Takes in a row behind all others.
    void add(std::size_t i) noexcept;
    /// Makes active what a verification has found: rows that support, and rows at zero or at their
    /// upper bound whose gradient is within `slack` of pushing them off it.
    void activate_violators(const T* scores, double slack) noexcept;
    void stop_shrinking() noexcept { shrinks_ = false; }

  private:
    void visit_all(const StopCondition& stop, EpochSummary& seen) noexcept;
    void order_visits() noexcept;
    void visit_rows(const RowIndex* rows, std::size_t n_visited, bool* stays,
                    EpochSummary& seen) noexcept;
    double visit_row(RowIndex i, double product, bool& stays, EpochSummary& seen) noexcept;
    void visit_example(std::size_t j, EpochSummary& seen) noexcept;
    bool is_outside(std::size_t j) const noexcept {
        return !weights_.eliminates() || !block_.is_member(j);
    }

    const Samples<T>& samples_;
    DescentWeights<T>& weights_;
    Solution<T>& solution_;
    DescentScratch<T>& scratch_;
    ExampleBlock& block_;
    const kernels::KernelTable<T>& kernels_;
    SplitMix64 random_;
    bool visits_pairs_;  // of rows: dense ones
    bool shrinks_;
    // Gradients beyond which a row at a bound leaves the epochs: the extremes of the epoch before.
    double shrink_above_ = std::numeric_limits<double>::infinity();
    double shrink_below_ = -std::numeric_limits<double>::infinity();
    std::size_t n_active_ = 0;
    std::size_t next_outside_ = 0;
};

}  // namespace exemplar_svm
