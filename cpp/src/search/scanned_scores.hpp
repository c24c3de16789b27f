#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/problem.hpp"
#include "exemplar_svm/rows_view.hpp"
#include "exemplar_svm/stop_condition.hpp"
#include "exemplar_svm/weights.hpp"
#include "model/sketch.hpp"

namespace exemplar_svm {

/// Scratch of ScannedScores.
template <Real T>
struct ScanScratch {
    std::vector<T> block_highest;     ///< highest score of each block of rows
    Weights<T> weights;               ///< of the last scan
    IntegerWeights sketch_weights;    ///< the same, quantised for a sketch
    std::vector<RowIndex> collected;  ///< rows to score again
    std::vector<T> collected_scores;

    explicit ScanScratch(const RowsView<T>& rows);
};

/// The scores of all rows in the last scan, and upper bounds on their present scores. With present
/// weights w, and w_1 in the scan,
///
///     f(x) <= f_1(x) + (w - w_1).mean + b - b_1 + ||w - w_1|| ||x - mean||,
///
/// and a sketch x^ adds ||w_1|| ||x - x^||. The bounds leave few rows to score again.
///
/// A mask has a byte per row, not 0 for rows it selects; a null mask selects all rows.
template <Real T>
class ScannedScores {
  public:
    /// @param sketch            scanned in place of the rows unless it is empty
    /// @param max_sketch_error  upper bound on ||x - x^|| of any row
    /// @param weights           the present weights, borrowed
    /// @param scores            n_rows values
    ScannedScores(const Problem<T>& problem, const Sketch<T>& sketch, double max_sketch_error,
                  const Weights<T>& weights, ScanScratch<T>& scratch, T* scores) noexcept;

    T* scores() noexcept { return scores_; }
    bool reads_sketch() const noexcept { return !sketch_.empty(); }

    /// Bound on the rounding of a score under the present weights.
    void set_rounding(double rounding) noexcept { rounding_ = rounding; }
    double rounding() const noexcept { return rounding_; }

    /// Forgets which blocks have been scanned.
    void forget() noexcept { std::ranges::fill(block_highest(), not_scanned); }
    bool have_all_rows() const noexcept;

    /// Excludes a row from collect(), collect_reaching() and loss_at_most().
    void leave_out(RowIndex row) noexcept { scores_[row] = left_out; }

    /// Upper bound on the loss of the rows of a mask under the present weights.
    double loss_at_most(const std::uint8_t* mask) const noexcept;

    /// The rows of a mask that scored above a threshold in the scan.
    std::span<RowIndex> collect(double threshold, const std::uint8_t* mask) noexcept;

    /// The rows of a mask whose score may exceed a threshold under the present weights.
    std::span<RowIndex> collect_reaching(double threshold, const std::uint8_t* mask) noexcept;

    /// Scores of rows under the present weights.
    void score(std::span<const RowIndex> rows, ExecutorRef executor, T* scores) const noexcept;

  private:
    template <Real U>
    friend double scan_rows(ScannedScores<U>* const* scans, std::size_t n_scans,
                            ExecutorRef executor, const StopCondition& stop) noexcept;

    static constexpr T left_out = -std::numeric_limits<T>::infinity();
    /// The highest score of a block that has not been scanned.
    static constexpr T not_scanned = -std::numeric_limits<T>::infinity();

    /// The score of a row x exceeds that of the scan by at most distance ||x - mean|| + common.
    struct Drift {
        double distance;
        double common;
    };

    void end_scan() noexcept;
    Drift drift() const noexcept;
    double beyond_scan(std::size_t i, const Drift& drift) const noexcept;
    double beyond_scan_at_most(const Drift& drift) const noexcept;
    template <class Test>
    std::span<RowIndex> collect_if(double lowest, Test&& test) noexcept;
    std::span<T> block_highest() const noexcept {
        return std::span(scratch_.block_highest).first(blocks_.count());
    }

    const Problem<T>& problem_;
    const Sketch<T>& sketch_;
    double max_sketch_error_;
    const Weights<T>& weights_;
    ScanScratch<T>& scratch_;
    T* scores_;
    RowBlocks blocks_;
    double largest_norm_;         // upper bound on ||x|| of any row, not centred
    double scan_norm_ = 0.0;      // ||coef|| in the scan
    double scan_rounding_ = 0.0;  // bound on the rounding of a score in the scan
    double rounding_ = 0.0;       // bound on the rounding of a score under the present weights
};

/// Scores all rows for at most max_batch searches of the same rows, each under its present weights,
/// in one pass, with the bits of separate scans. Returns the seconds taken.
template <Real T>
double scan_rows(ScannedScores<T>* const* scans, std::size_t n_scans, ExecutorRef executor,
                 const StopCondition& stop) noexcept;

}  // namespace exemplar_svm
