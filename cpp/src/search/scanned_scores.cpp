#include "search/scanned_scores.hpp"

#include <cmath>

#include "base/stoppable_executor.hpp"
#include "exemplar_svm/profile.hpp"
#include "exemplar_svm/scan.hpp"
#include "exemplar_svm/workspace.hpp"
#include "problem/samples.hpp"

namespace exemplar_svm {
namespace {

template <Real T>
double norm_of(const Weights<T>& weights) noexcept {
    double square = 0.0;
    for (const T w : weights.coef) square += static_cast<double>(w) * static_cast<double>(w);
    return std::sqrt(square);
}

bool is_in(const std::uint8_t* mask, std::size_t i) noexcept {
    return mask == nullptr || mask[i] != 0;
}

}  // namespace

template <Real T>
ScanScratch<T>::ScanScratch(const RowsView<T>& rows)
    : block_highest(row_blocks(rows).count()),
      weights{std::vector<T>(rows.cols), 0.0},
      sketch_weights(rows.is_dense() ? rows.cols : 0),
      collected(rows.rows),
      collected_scores(rows.rows) {}

template <Real T>
ScannedScores<T>::ScannedScores(const Problem<T>& problem, const Sketch<T>& sketch,
                                double max_sketch_error, const Weights<T>& weights,
                                ScanScratch<T>& scratch, T* scores) noexcept
    : problem_(problem),
      sketch_(sketch),
      max_sketch_error_(max_sketch_error),
      weights_(weights),
      scratch_(scratch),
      scores_(scores),
      blocks_(row_blocks(problem.rows)),
      largest_norm_(std::sqrt(problem.max_squared_norm) +
                    std::sqrt(Samples<T>(problem).mean_square())) {
    forget();
}

template <Real T>
bool ScannedScores<T>::have_all_rows() const noexcept {
    return std::ranges::find(block_highest(), not_scanned) == block_highest().end();
}

/// Keeps the weights of the scan, and bounds its rounding.
template <Real T>
void ScannedScores<T>::end_scan() noexcept {
    scratch_.weights = weights_;
    scan_norm_ = norm_of(weights_);
    rounding_ =
        score_rounding_bound<T>(problem_.rows, scan_norm_ * largest_norm_, weights_.intercept);
    scan_rounding_ = reads_sketch() ? Sketch<T>::rounding(weights_.intercept) : rounding_;
}

template <Real T>
double ScannedScores<T>::loss_at_most(const std::uint8_t* mask) const noexcept {
    const Drift moved = drift();
    const double most = beyond_scan_at_most(moved);
    // The Cauchy-Schwarz bound on the score of a row that was not scanned.
    const double highest = norm_of(weights_) * largest_norm_ + weights_.intercept;
    const double unknown = loss_term(problem_.loss, problem_.cost, 1.0 + highest + rounding_);
    double loss = 0.0;
    for (std::size_t b = 0; b < blocks_.count(); ++b) {
        const T block = scratch_.block_highest[b];
        if (block == not_scanned) {
            loss += unknown * static_cast<double>(blocks_.end(b) - blocks_.begin(b));
        } else if (!(static_cast<double>(block) + most <= -1.0)) {
            for (std::size_t i = blocks_.begin(b); i < blocks_.end(b); ++i) {
                if (!is_in(mask, i)) continue;
                const double score = static_cast<double>(scores_[i]) + beyond_scan(i, moved);
                loss += loss_term(problem_.loss, problem_.cost, 1.0 + score);
            }
        }
    }
    return loss;
}

template <Real T>
auto ScannedScores<T>::drift() const noexcept -> Drift {
    const Samples<T> samples(problem_);
    double square = 0.0, common = weights_.intercept - scratch_.weights.intercept;
    for (std::size_t c = 0; c < problem_.rows.cols; ++c) {
        const double change =
            static_cast<double>(weights_.coef[c]) - static_cast<double>(scratch_.weights.coef[c]);
        square += change * change;
        common += change * samples.mean(c);
    }
    return {std::sqrt(square), common + scan_rounding_ + rounding_};
}

/// Upper bound on a row's score under the present weights minus its score in the scan.
template <Real T>
double ScannedScores<T>::beyond_scan(std::size_t i, const Drift& drift) const noexcept {
    const double sketch_error = reads_sketch() ? static_cast<double>(sketch_.error(i)) : 0.0;
    return drift.common + scan_norm_ * sketch_error +
           drift.distance * std::sqrt(static_cast<double>(problem_.squared_norms[i]));
}

/// The largest beyond_scan() of any row.
template <Real T>
double ScannedScores<T>::beyond_scan_at_most(const Drift& drift) const noexcept {
    return drift.common + scan_norm_ * max_sketch_error_ +
           drift.distance * std::sqrt(problem_.max_squared_norm);
}

template <Real T>
template <class Test>
std::span<RowIndex> ScannedScores<T>::collect_if(double lowest, Test&& test) noexcept {
    std::size_t n_collected = 0;
    for (std::size_t b = 0; b < blocks_.count(); ++b) {
        const T highest = scratch_.block_highest[b];
        // A block that was not scanned still holds the guesses of choose_rows().
        if (highest == not_scanned || static_cast<double>(highest) <= lowest) continue;
        for (std::size_t i = blocks_.begin(b); i < blocks_.end(b); ++i) {
            if (static_cast<double>(scores_[i]) <= lowest || scores_[i] == left_out) continue;
            if (test(i)) scratch_.collected[n_collected++] = static_cast<RowIndex>(i);
        }
    }
    return {scratch_.collected.data(), n_collected};
}

template <Real T>
std::span<RowIndex> ScannedScores<T>::collect(double threshold, const std::uint8_t* mask) noexcept {
    return collect_if(threshold, [&](std::size_t i) noexcept { return is_in(mask, i); });
}

template <Real T>
std::span<RowIndex> ScannedScores<T>::collect_reaching(double threshold,
                                                       const std::uint8_t* mask) noexcept {
    const Drift moved = drift();
    return collect_if(threshold - beyond_scan_at_most(moved), [&](std::size_t i) noexcept {
        // Negated, so that NaN is collected.
        return is_in(mask, i) &&
               !(static_cast<double>(scores_[i]) + beyond_scan(i, moved) <= threshold);
    });
}

template <Real T>
void ScannedScores<T>::score(std::span<const RowIndex> rows, ExecutorRef executor,
                             T* scores) const noexcept {
    const RowBlocks blocks(rows.size(), problem_.rows.bytes_per_row());
    for_each_block(executor, blocks, [&](std::size_t begin, std::size_t end, std::size_t) noexcept {
        for (std::size_t s = begin; s < end; ++s) {
            score_block(problem_.rows, rows[s], rows[s] + 1, weights_.view(), scores + s);
        }
    });
}

template <Real T>
double scan_rows(ScannedScores<T>* const* scans, std::size_t n_scans, ExecutorRef executor,
                 const StopCondition& stop) noexcept {
    double seconds = 0.0;
    {
        const Stopwatch stopwatch(seconds);
        WeightsView<T> weights[max_batch];
        T* scores[max_batch];
        const RowsView<T>& rows = scans[0]->problem_.rows;
        const Sketch<T>& sketch = scans[0]->sketch_;
        for (std::size_t q = 0; q < n_scans; ++q) {
            scans[q]->forget();
            weights[q] = scans[q]->weights_.view();
            scores[q] = scans[q]->scores_;
            if (!sketch.empty()) scans[q]->scratch_.sketch_weights.assign(weights[q]);
        }
        const auto scan_block = [&](std::size_t begin, std::size_t end,
                                    std::size_t block) noexcept {
            if (sketch.empty()) {
                score_block_together(rows, begin, end, weights, n_scans, scores);
            }
            for (std::size_t q = 0; q < n_scans; ++q) {
                if (!sketch.empty()) {
                    sketch.score_block(begin, end, scans[q]->scratch_.sketch_weights,
                                       scores[q] + begin);
                }
                scans[q]->scratch_.block_highest[block] =
                    *std::max_element(scores[q] + begin, scores[q] + end);
            }
        };
        for_each_block(StoppableExecutor(executor, stop), row_blocks(rows), scan_block);
        for (std::size_t q = 0; q < n_scans; ++q) scans[q]->end_scan();
    }
    return seconds;
}

template struct ScanScratch<float>;
template struct ScanScratch<double>;
template class ScannedScores<float>;
template class ScannedScores<double>;
template double scan_rows(ScannedScores<float>* const*, std::size_t, ExecutorRef,
                          const StopCondition&) noexcept;
template double scan_rows(ScannedScores<double>* const*, std::size_t, ExecutorRef,
                          const StopCondition&) noexcept;

}  // namespace exemplar_svm
