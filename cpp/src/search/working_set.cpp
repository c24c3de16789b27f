#include "search/working_set.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/stoppable_executor.hpp"
#include "exemplar_svm/certificate.hpp"
#include "exemplar_svm/scan.hpp"
#include "exemplar_svm/workspace.hpp"

namespace exemplar_svm {
namespace {

// Largest violation before the scan: the scan changes the working set, so more accuracy would be
// wasted. Scores of sparse rows lie close together: standard deviation 0.02 to 0.04 on TF-IDF.
constexpr double rough_tol_dense = 0.2, rough_tol_sparse = 5e-3;

// Rows this close to the margin in the scan join the panel, since the weights still change. They
// stay in the panel for the next step of a session.
constexpr double slack_dense = 0.02, slack_sparse = 2e-3;

constexpr int most_scans = 4;

// Time per score of a pass over the scan's scores after a stop: about that of reading them.
constexpr double seconds_per_score = 1e-9;

// Time that no Stopwatch sees: reading clocks, the last steps of a block, returning.
constexpr double seconds_to_return = 2e-5;

/// The sketch that a search scans.
template <Real T>
const Sketch<T>& sketch_of(const RowStatistics<T>& statistics, const SharedSketch<T>* shared) {
    return shared == nullptr ? statistics.sketch : shared->sketch;
}

template <Real T>
const SharedSketch<T>* shared_sketch(const SessionMemory<T>* memory) noexcept {
    return memory == nullptr ? nullptr : memory->sketch;
}

}  // namespace

template <Real T>
WorkingSetScratch<T>::WorkingSetScratch(const RowsView<T>& rows, std::size_t max_examples)
    : panel(rows), solution(panel.capacity(), rows.cols, max_examples), choice(rows), scan(rows) {}

template <Real T>
bool WorkingSetScratch<T>::has_room_for(const RowsView<T>& rows) const noexcept {
    return scan.block_highest.size() >= row_blocks(rows).count() && panel.has_room_for(rows);
}

template <Real T>
WorkingSetSearch<T>::WorkingSetSearch(const Problem<T>& problem, const Candidates& candidates,
                                      const SolverSettings& settings,
                                      const RowStatistics<T>& statistics, ExecutorRef executor,
                                      const StopCondition& stop, WorkingSetScratch<T>& scratch,
                                      DescentScratch<T>& descent, SearchProfile& profile, T* scores,
                                      const SessionMemory<T>* memory) noexcept
    : problem_(problem),
      candidates_(candidates),
      settings_(settings),
      statistics_(statistics),
      memory_(memory),
      executor_(executor),
      stop_(stop.earlier_by(seconds_to_return +
                            seconds_per_score * static_cast<double>(problem.rows.rows))),
      scratch_(scratch),
      descent_(descent),
      profile_(profile),
      panel_(scratch.panel),
      scanned_(problem, sketch_of(statistics, shared_sketch(memory)),
               shared_sketch(memory) == nullptr ? statistics.max_sketch_error
                                                : memory->sketch->max_error,
               scratch.solution.weights, scratch.scan, scores) {}

template <Real T>
double WorkingSetSearch<T>::rough_tol() const noexcept {
    return std::max(settings_.tol, problem_.rows.is_dense() ? rough_tol_dense : rough_tol_sparse);
}

template <Real T>
double WorkingSetSearch<T>::slack() const noexcept {
    return problem_.rows.is_dense() ? slack_dense : slack_sparse;
}

template <Real T>
bool WorkingSetSearch<T>::prepare() noexcept {
    const bool resumes = resume();
    if (!resumes && !fill_panel()) return false;
    if (stop_.reached()) return false;
    stage_ = Stage::solving;
    const Stopwatch stopwatch(profile_.solve);
    if (resumes) std::ranges::copy(memory_->example_dual, scratch_.solution.example_dual.begin());
    solver_.emplace(panel_.restrict(problem_), settings_, executor_,
                    resumes ? Start::solution : Start::zeros, scratch_.solution, descent_,
                    panel_.scores.data(), stop_);
    solver_->approach(rough_tol());
    return !has_to_conclude();
}

/// Copies the chosen rows into the panel. Returns false if there was no time to choose.
template <Real T>
bool WorkingSetSearch<T>::fill_panel() noexcept {
    gathered_before_ = 0.0;
    panel_.clear(problem_.rows);
    const StoppableExecutor executor(executor_, stop_);
    std::span<RowIndex> chosen;
    {
        const Stopwatch stopwatch(profile_.choose);
        chosen = choose_rows(problem_, statistics_, panel_.capacity(), executor, scratch_.choice,
                             scanned_.scores(), scratch_.scan.collected.data());
    }
    if (stop_.reached()) return false;
    stage_ = Stage::guessed;
    const Stopwatch stopwatch(profile_.gather);
    panel_.add(problem_, chosen.data(), chosen.size(), executor);
    return true;
}

/// Keeps the rows of the session's last panel that support or lie within slack() of the margin.
/// Returns false if none is left, or if more than half have left the background. Also returns false
/// on sparse rows, where choosing costs less and dual coefficients for other examples are no better
/// a start than equal ones.
template <Real T>
bool WorkingSetSearch<T>::resume() noexcept {
    if (!problem_.rows.is_dense()) return false;
    if (memory_ == nullptr || memory_->holds != SessionMemory<T>::Holds::panel) return false;
    const Stopwatch stopwatch(profile_.choose);
    std::size_t n_lost = 0;
    const std::size_t n_before = panel_.size();
    double* const dual = scratch_.solution.dual.data();
    panel_.retain(dual, [&](std::size_t s) noexcept {
        if (problem_.background != nullptr && problem_.background[panel_.row(s)] == 0) {
            ++n_lost;
            return false;
        }
        return dual[s] > 0.0 || static_cast<double>(panel_.scores[s]) > -1.0 - slack();
    });
    gathered_before_ = memory_->seconds_to_gather * static_cast<double>(panel_.size()) /
                       static_cast<double>(std::max<std::size_t>(n_before, 1));
    return panel_.size() > 0 && 2 * n_lost <= n_before;
}

template <Real T>
Outcome WorkingSetSearch<T>::finish(const Goal& goal, SolveReport& report) noexcept {
    if (stage_ != Stage::solving) {
        constexpr double infinity = std::numeric_limits<double>::infinity();
        report.status = SolveStatus::deadline;
        report.gap = report.weights_error_bound = infinity;
        stopped_ = true;
        return Outcome::stopped;
    }
    if (has_to_conclude()) return conclude(report);
    if (!has_joined_ && join() != Outcome::reached) {
        report.epochs = solver_->epochs();
        return has_to_conclude(seconds_over_all_rows()) ? conclude(report) : Outcome::hand_over;
    }
    has_joined_ = true;
    for (;;) {
        Outcome outcome;
        {
            const Stopwatch stopwatch(profile_.solve);
            solver_->extend(panel_.restrict(problem_));
            outcome = solver_->finish(goal, report);
        }
        scanned_.set_rounding(report.score_rounding_bound);
        if (outcome == Outcome::stopped) {
            add_outside(report);
            return outcome;
        }
        const std::span<RowIndex> joining = collect_violating();
        if (joining.empty()) return outcome;
        if (outcome == Outcome::limit) {
            add_outside(report);
            return outcome;
        }
        const bool overflows = panel_.size() + joining.size() > panel_.capacity();
        const double seconds =
            overflows ? seconds_over_all_rows() : seconds_to_gather(joining.size());
        if (has_to_conclude(seconds)) return conclude(report);
        if (overflows) return Outcome::hand_over;
        add(joining);
    }
}

/// Moves the rows that the scan found near the margin into the panel. Hands over if they are too
/// many, or if there is no time for them.
template <Real T>
Outcome WorkingSetSearch<T>::join() noexcept {
    const auto collect_near = [&]() noexcept {
        const Stopwatch stopwatch(profile_.verify);
        return scanned_.collect(-1.0 - slack(), problem_.background);
    };
    std::span<RowIndex> joining = collect_near();
    for (int scans = 1; joining.size() > most_joining(); ++scans) {
        // The weights of the scan were inaccurate. Adding the highest scoring rows improves them.
        if (scans == most_scans || panel_.size() == panel_.capacity() ||
            has_to_conclude(seconds_to_gather(std::min(joining.size(), panel_.size())))) {
            return Outcome::hand_over;
        }
        add_highest(joining);
        {
            const Stopwatch stopwatch(profile_.solve);
            solver_->extend(panel_.restrict(problem_));
            solver_->approach(rough_tol());
        }
        if (has_to_conclude()) return Outcome::hand_over;
        scan();
        joining = collect_near();
    }
    if (has_to_conclude(seconds_to_gather(joining.size()))) return Outcome::hand_over;
    add(joining);
    return Outcome::reached;
}

/// Above this number, another scan is cheaper: a scan costs about as much as copying and visiting
/// an eighth of the rows.
template <Real T>
std::size_t WorkingSetSearch<T>::most_joining() const noexcept {
    return std::min(panel_.capacity() - panel_.size(),
                    std::max(panel_.size(), problem_.rows.rows / 8));
}

/// Moves the highest scoring rows into the panel, at most doubling it.
template <Real T>
void WorkingSetSearch<T>::add_highest(std::span<RowIndex> rows) noexcept {
    const T* const scores = scanned_.scores();
    const std::size_t n_free = panel_.capacity() - panel_.size();
    const std::size_t n_worst =
        std::min({rows.size(), std::max<std::size_t>(panel_.size(), 1), n_free});
    std::nth_element(rows.data(), rows.data() + n_worst - 1, rows.data() + rows.size(),
                     [&](RowIndex a, RowIndex b) {
                         return scores[a] > scores[b] || (scores[a] == scores[b] && a < b);
                     });
    add(rows.first(n_worst));
}

/// Collects the rows outside of the panel that score above -1.
template <Real T>
std::span<RowIndex> WorkingSetSearch<T>::collect_violating() noexcept {
    const Stopwatch stopwatch(profile_.verify);
    const std::span<RowIndex> rows = scanned_.collect_reaching(-1.0, problem_.background);
    T* const scores = scratch_.scan.collected_scores.data();
    scanned_.score(rows, executor_, scores);
    std::size_t n_violating = 0;
    for (std::size_t s = 0; s < rows.size(); ++s) {
        if (static_cast<double>(scores[s]) + scanned_.rounding() > -1.0) {
            rows[n_violating++] = rows[s];
        }
    }
    return rows.first(n_violating);
}

template <Real T>
void WorkingSetSearch<T>::add(std::span<const RowIndex> rows) noexcept {
    const Stopwatch stopwatch(profile_.gather);
    panel_.add(problem_, rows.data(), rows.size(), executor_);
    for (const RowIndex row : rows) scanned_.leave_out(row);
}

template <Real T>
void WorkingSetSearch<T>::scan() noexcept {
    WorkingSetSearch* const alone[] = {this};
    scan_together(alone, 1, executor_);
}

template <Real T>
void WorkingSetSearch<T>::end_scan(double seconds) noexcept {
    profile_.scan += seconds;
    for (std::size_t s = 0; s < panel_.size(); ++s) scanned_.leave_out(panel_.row(s));
    // In a batch, another search that takes longer to conclude may have cut the scan short.
    cut_short_ = !has_seen_all_rows();
}

template <Real T>
void scan_together(WorkingSetSearch<T>* const* searches, std::size_t n_searches,
                   ExecutorRef executor) noexcept {
    if (n_searches == 0) return;
    ScannedScores<T>* scans[max_batch];
    double seconds_to_conclude = 0.0;
    for (std::size_t q = 0; q < n_searches; ++q) {
        scans[q] = &searches[q]->scanned_;
        seconds_to_conclude = std::max(seconds_to_conclude, searches[q]->seconds_to_conclude());
    }
    const double seconds =
        scan_rows(scans, n_searches, executor, searches[0]->stop_.earlier_by(seconds_to_conclude));
    for (std::size_t q = 0; q < n_searches; ++q) {
        searches[q]->end_scan(seconds / static_cast<double>(n_searches));
    }
}

template <Real T>
bool WorkingSetSearch<T>::has_to_conclude(double seconds) const noexcept {
    return stop_.is_set() &&
           (cut_short_ || stop_.earlier_by(seconds_to_conclude() + seconds).reached());
}

/// The solver's own estimate assumes a panel in cache. Loading the panel again after a scan takes
/// half of the time of copying it.
template <Real T>
double WorkingSetSearch<T>::seconds_to_conclude() const noexcept {
    return solver_->seconds_to_conclude() + 0.5 * seconds_to_gather();
}

/// Estimated from the rows copied so far.
template <Real T>
double WorkingSetSearch<T>::seconds_to_gather(std::size_t n) const noexcept {
    return seconds_to_gather() * static_cast<double>(n) /
           static_cast<double>(std::max<std::size_t>(panel_.size(), 1));
}

/// The least time of a solver over all rows: one scan to start and the time of three to conclude().
/// Scanning float32 rows takes four times as long as scanning a sketch.
template <Real T>
double WorkingSetSearch<T>::seconds_over_all_rows() const noexcept {
    return (scanned_.reads_sketch() ? 16.0 : 4.0) * profile_.scan;
}

/// Ends with the present weights.
template <Real T>
Outcome WorkingSetSearch<T>::conclude(SolveReport& report) noexcept {
    const Stopwatch stopwatch(profile_.verify);
    report = solver_->conclude();
    scanned_.set_rounding(report.score_rounding_bound);
    add_outside(report);
    return Outcome::stopped;
}

/// Extends the solver's report on the panel to all rows, by a bound on the loss outside the panel.
template <Real T>
void WorkingSetSearch<T>::add_outside(SolveReport& report) noexcept {
    stopped_ = true;
    const double loss = scanned_.loss_at_most(problem_.background);
    report.primal += loss;
    report.gap += loss;
    // sqrt(a + b) <= sqrt(a) + sqrt(b).
    report.weights_error_bound += weights_error_from_gap(loss);
}

template <Real T>
bool WorkingSetSearch<T>::has_seen_all_rows() const noexcept {
    if (!stop_.is_set()) return true;
    return stage_ == Stage::solving && scanned_.have_all_rows();
}

template <Real T>
void WorkingSetSearch<T>::rank(TopK<T>& best) noexcept {
    if (stage_ == Stage::guessed) candidates_.offer(scanned_.scores(), problem_.rows.rows, best);
    if (stage_ != Stage::solving) return;
    for (std::size_t s = 0; s < panel_.size(); ++s) {
        const RowIndex row = panel_.row(s);
        if (candidates_.contain(row)) best.offer(panel_.scores[s], static_cast<RowNumber>(row));
    }
    // If every candidate is a background row and the search was not stopped, all candidates outside
    // the panel score at most -1.
    if (!stopped_ && (problem_.background == nullptr || problem_.background == candidates_.mask) &&
        static_cast<double>(best.threshold()) > -1.0 + scanned_.rounding()) {
        return;
    }
    const Stopwatch stopwatch(profile_.verify);
    const std::span<const RowIndex> rows =
        scanned_.collect_reaching(static_cast<double>(best.threshold()), candidates_.mask);
    T* const scores = scratch_.scan.collected_scores.data();
    scanned_.score(rows, executor_, scores);
    for (std::size_t s = 0; s < rows.size(); ++s) {
        best.offer(scores[s], static_cast<RowNumber>(rows[s]));
    }
}

template <Real T>
void WorkingSetSearch<T>::score(std::span<const RowIndex> rows, T* scores) noexcept {
    if (stage_ == Stage::solving) return scanned_.score(rows, executor_, scores);
    std::ranges::transform(rows, scores, [&](RowIndex i) { return scanned_.scores()[i]; });
}

template <Real T>
void WorkingSetSearch<T>::score_all() noexcept {
    const Stopwatch stopwatch(profile_.scan);
    score_rows(problem_.rows, scratch_.solution.weights.view(), StoppableExecutor(executor_, stop_),
               scanned_.scores());
}

template <Real T>
void WorkingSetSearch<T>::deliver_dual(Solution<T>& solution) const noexcept {
    panel_.scatter(scratch_.solution.dual.data(), solution.dual.data(), problem_.rows.rows);
}

template <Real T>
void WorkingSetSearch<T>::deliver_weights(Solution<T>& solution) const noexcept {
    solution.example_dual = scratch_.solution.example_dual;
    solution.weights = scratch_.solution.weights;
}

template void scan_together(WorkingSetSearch<float>* const*, std::size_t, ExecutorRef) noexcept;
template void scan_together(WorkingSetSearch<double>* const*, std::size_t, ExecutorRef) noexcept;
template struct WorkingSetScratch<float>;
template struct WorkingSetScratch<double>;
template class WorkingSetSearch<float>;
template class WorkingSetSearch<double>;

}  // namespace exemplar_svm
