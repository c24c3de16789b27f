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
/// Hsieh et al. 2008, Algorithm 3. Eliminated examples stay optimal after every step. Other
/// examples are visited as ordinary coordinates, one after every few rows.
template <Real T>
class DescentEpochs {
  public:
    /// Everything is borrowed.
    DescentEpochs(const Samples<T>& samples, const SolverSettings& settings,
                  DescentWeights<T>& weights, Solution<T>& solution,
                  DescentScratch<T>& scratch) noexcept;

    /// Runs one epoch, or part of it until the stop. Leaves the weights folded.
    EpochSummary run(const StopCondition& stop) noexcept;

    std::span<const RowIndex> active() const noexcept {
        return {scratch_.active.data(), n_active_};
    }
    /// Number of active rows whose dual coefficient is not zero.
    std::size_t count_inside() const noexcept;

    /// Adds a row, whose number is the next after all others. Active unless its cost is zero.
    void add(std::size_t i) noexcept;
    /// Makes rows active after a verification: those between their bounds, and those at a bound
    /// whose gradient is within `slack` of leaving it.
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
    bool visits_pairs_;  // dense rows are visited in pairs
    bool shrinks_;
    // A row at a bound with a gradient beyond these is shrunk: the extremes of the last epoch.
    double shrink_above_ = std::numeric_limits<double>::infinity();
    double shrink_below_ = -std::numeric_limits<double>::infinity();
    std::size_t n_active_ = 0;
    std::size_t next_outside_ = 0;
};

}  // namespace exemplar_svm
