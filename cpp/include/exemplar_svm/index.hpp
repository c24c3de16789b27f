#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "exemplar_svm/certificate.hpp"
#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/matrix_view.hpp"
#include "exemplar_svm/narrow_view.hpp"
#include "exemplar_svm/query.hpp"
#include "exemplar_svm/rows_view.hpp"
#include "exemplar_svm/search_report.hpp"
#include "exemplar_svm/settings.hpp"
#include "exemplar_svm/solver.hpp"
#include "exemplar_svm/stop_condition.hpp"
#include "exemplar_svm/workspace.hpp"

namespace exemplar_svm {

template <Real T>
struct RowStatistics;
template <Real T>
class AddedRows;
template <Real T>
struct SharedSketch;
template <Real T>
class Session;

/// Bytes of what an index keeps about its rows, which themselves are borrowed, but for those that
/// were added.
struct MemoryUsage {
    std::size_t added = 0;  ///< rows
    std::size_t live = 0;   ///< a byte per row, once one has been removed
    std::size_t norms = 0;
    std::size_t mean = 0;            ///< with its products with the rows; the sum of sparse ones
    std::size_t gaussian_model = 0;  ///< mean and main directions of a sample
    std::size_t sign_codes = 0;      ///< one bit per feature, and a scale per row
    std::size_t postings = 0;        ///< sparse rows by their columns
    std::size_t sketch = 0;  ///< eight bits per feature, a scale and an error per row; also the
                             ///< one that sessions have made
    std::size_t gram = 0;    ///< products of the rows with each other
};

/// A part of what an index knows about its rows, in the byte order of the machine. A file that
/// holds all parts and the rows makes opening an index as fast as reading them.
struct IndexPart {
    const char* name;
    const void* data;
    std::size_t bytes;
};

/// Rows to search, and what is computed about them once: their norms, for centring their mean, and
/// what helps to guess which of them matter to a query.
///
/// The rows are borrowed and must outlive the index. Searches are const and noexcept, allocate
/// nothing, and may run at the same time from any number of threads, each with its own Workspace.
///
/// An index does not change, refresh() apart. with_rows() and without_rows() make others, which
/// share with it what has not changed: to searches that are under way, an index is a snapshot. A
/// copy shares everything.
template <Real T>
class Index {
  public:
    /// Reads the rows once, or twice to centre them.
    /// @throws std::invalid_argument for settings out of range, more than 2^32 - 2 rows, rows of no
    ///         features, or (with check_finite) rows that hold NaN or infinity; std::bad_alloc;
    ///         Stopped if the stop condition is reached before the index is complete.
    explicit Index(RowsView<T> embeddings, const IndexSettings& settings = {},
                   ExecutorRef executor = SerialExecutor{}, const StopCondition& stop = {});

    /// With the parts of an index of the same rows and settings, which are borrowed as the rows
    /// are; of the order of n_rows(), and of the entries of sparse rows. Rows that follow others
    /// (RowsView::followed_by) are those that were added to that index, and are copied.
    /// @throws std::invalid_argument if they cannot be that. Not all of what they hold is looked
    /// at:
    ///         other values than those of an index give wrong answers, but no undefined behaviour.
    Index(RowsView<T> embeddings, const IndexSettings& settings, std::span<const IndexPart> parts);

    /// What the constructor takes, borrowed from this index. Empty parts are left out.
    std::vector<IndexPart> parts() const;

    /// An index of these rows and others behind them, with the row numbers from n_rows() on. They
    /// are copied: the index owns them, and shares them with those that are made of it. It stores
    /// them as T, compressed if its own rows are sparse, however they are given: a DenseView, a
    /// CsrView with columns of either type, or one of narrow rows.
    ///
    /// Takes time in the order of the new rows, on average over many calls, and of a pass over the
    /// norms, and over the features of sparse rows; but with settings.center, three readings of all
    /// rows; with a Gram matrix, a copy of it and n_rows() n_features() steps for each new row.
    /// Memory for twice as many rows is reserved when it is full. Where Method::automatic finds
    /// another method better for so many rows, its statistics are computed for all.
    /// @throws as the constructor does, also for another number of features
    Index with_rows(const RowsView<T>& added, ExecutorRef executor = SerialExecutor{},
                    const StopCondition& stop = {}) const;

    /// An index without some of the rows: they are neither in any background nor returned, and
    /// count in no cost; an example that is named by the number of such a row is invalid. All rows
    /// keep their numbers, and stay where they are: n_rows() does not change.
    ///
    /// Takes time in the order of n_rows(), and of the features and the removed rows where rows are
    /// sparse; with settings.center, three readings of all rows.
    /// @throws std::invalid_argument for rows that do not exist or have been removed; Stopped
    Index without_rows(std::span<const RowNumber> removed, ExecutorRef executor = SerialExecutor{},
                       const StopCondition& stop = {}) const;

    /// Computes everything anew after the rows have changed. Not while a search is running. If it
    /// throws, the index is as it was.
    void refresh(ExecutorRef executor = SerialExecutor{}, const StopCondition& stop = {});

    /// Trains one SVM with the query's positives, its negatives and the rows of its background, and
    /// returns the k candidates with the highest scores.
    ///
    /// @param workspace   made for as many examples, positive and negative ones
    /// @param scores_out  k values, best first; -infinity where there are fewer candidates than k
    /// @param rows_out    k row numbers; -1 where there are fewer candidates than k
    /// @param stop        when to answer with the best found so far instead: the status is then
    ///                    `deadline`. Rows that had not been looked at by then are missing;
    ///                    score_error_bound holds for those that are there.
    SearchReport search(const Query<T>& query, std::size_t k, const SearchSettings& settings,
                        Workspace<T>& workspace, T* scores_out, RowNumber* rows_out,
                        ExecutorRef executor = SerialExecutor{},
                        const StopCondition& stop = {}) const noexcept;

    /// With one positive, n_features() values, and every row as a negative and a candidate.
    SearchReport search(const T* query, std::size_t k, Workspace<T>& workspace, T* scores_out,
                        RowNumber* rows_out, ExecutorRef executor = SerialExecutor{},
                        const StopCondition& stop = {}) const noexcept {
        return search_shared(one_row(query), k, workspace, scores_out, rows_out, executor, stop);
    }

    /// The same with several positives in one SVM: what they have in common.
    SearchReport search_shared(DenseView<T> positives, std::size_t k, Workspace<T>& workspace,
                               T* scores_out, RowNumber* rows_out,
                               ExecutorRef executor = SerialExecutor{},
                               const StopCondition& stop = {}) const noexcept {
        return search_shared(positives, k, settings_.search, workspace, scores_out, rows_out,
                             executor, stop);
    }

    /// With other settings than the index's for this search.
    SearchReport search_shared(DenseView<T> positives, std::size_t k,
                               const SearchSettings& settings, Workspace<T>& workspace,
                               T* scores_out, RowNumber* rows_out,
                               ExecutorRef executor = SerialExecutor{},
                               const StopCondition& stop = {}) const noexcept {
        return search(of(positives), k, settings, workspace, scores_out, rows_out, executor, stop);
    }

    /// Trains as search does and leaves the weights and dual coefficients in the workspace.
    /// @param scores_out  n_rows() values: the score of every row; -infinity for removed ones. They
    ///                    and the weights are NaN where the input is invalid. Null: the scores are
    ///                    not wanted.
    /// @param stop        when to give up instead: the status is then `deadline`, and what is left
    ///                    is of no use.
    SearchReport fit(const Query<T>& query, const SearchSettings& settings, Workspace<T>& workspace,
                     T* scores_out, ExecutorRef executor = SerialExecutor{},
                     const StopCondition& stop = {}) const noexcept;

    SearchReport fit(DenseView<T> positives, const SearchSettings& settings,
                     Workspace<T>& workspace, T* scores_out,
                     ExecutorRef executor = SerialExecutor{},
                     const StopCondition& stop = {}) const noexcept {
        return fit(of(positives), settings, workspace, scores_out, executor, stop);
    }

    /// One search per row of `queries`, several at a time: they share the scans of the rows, and
    /// the threads are spread over the rest. Results have the bits of single searches.
    ///
    /// @param common      what the queries have in common: all but the positive vector
    /// @param workspaces  at least one (without any, nothing is done); as many as are given, up to
    ///                    max_batch, are searched at once
    /// @param scores_out  k values per query
    /// @param rows_out    k row numbers per query
    /// @param reports     one per query
    /// @param stop        of all searches together; of those that it leaves no time for no row is
    ///                    returned
    void search_batch(DenseView<T> queries, const Query<T>& common, std::size_t k,
                      const SearchSettings& settings, Workspace<T>* const* workspaces,
                      std::size_t n_workspaces, T* scores_out, RowNumber* rows_out,
                      SearchReport* reports, ExecutorRef executor = SerialExecutor{},
                      const StopCondition& stop = {}) const noexcept;

    /// With every row as a negative and a candidate.
    void search_batch(DenseView<T> queries, std::size_t k, const SearchSettings& settings,
                      Workspace<T>* const* workspaces, std::size_t n_workspaces, T* scores_out,
                      RowNumber* rows_out, SearchReport* reports,
                      ExecutorRef executor = SerialExecutor{},
                      const StopCondition& stop = {}) const noexcept {
        search_batch(queries, Query<T>{}, k, settings, workspaces, n_workspaces, scores_out,
                     rows_out, reports, executor, stop);
    }

    /// The same with the scores of all rows, n_rows() per query, in place of the best; and stopped
    /// as fit() is.
    void score_batch(DenseView<T> queries, const Query<T>& common, const SearchSettings& settings,
                     Workspace<T>* const* workspaces, std::size_t n_workspaces, T* scores_out,
                     SearchReport* reports, ExecutorRef executor = SerialExecutor{},
                     const StopCondition& stop = {}) const noexcept;

    /// Rows that have a number: one more than the largest.
    std::size_t n_rows() const noexcept { return rows_.rows; }
    /// Rows that have not been removed.
    std::size_t n_live() const noexcept;
    /// n_rows() bytes: not 0 for rows that have not been removed; null: none has.
    const std::uint8_t* live() const noexcept;
    std::size_t n_features() const noexcept { return rows_.cols; }
    const RowsView<T>& rows() const noexcept { return rows_; }
    MemoryUsage memory_usage() const noexcept;
    /// What `center` subtracts, n_features() values until the next refresh(); empty without it.
    std::span<const double> mean() const noexcept;
    const IndexSettings& settings() const noexcept { return settings_; }

    /// Differs before and after a refresh(), and between any two indices but copies.
    std::uint64_t revision() const noexcept { return revision_; }

  private:
    friend class Session<T>;
    struct SketchSlot;

    /// The sketch that is scanned in the steps of sessions where the index has none of its own;
    /// made for the first of them, and kept for all. Null for rows that are not searched by working
    /// set. Sessions that begin at the same time make one each, and keep the one that was first.
    std::shared_ptr<const SharedSketch<T>> sketch_for_sessions(ExecutorRef executor,
                                                               const StopCondition& stop) const;

    void change(RowStatistics<T> statistics);

    DenseView<T> one_row(const T* values) const noexcept {
        return {values, 1, rows_.cols, static_cast<std::ptrdiff_t>(rows_.cols)};
    }

    static Query<T> of(DenseView<T> positives) noexcept {
        Query<T> query;
        query.positives = positives;
        return query;
    }

    template <class Finish>
    void search_each(DenseView<T> queries, const Query<T>& common, const SearchSettings& settings,
                     Workspace<T>* const* workspaces, std::size_t n_workspaces, T* scores_out,
                     ExecutorRef executor, const StopCondition& stop,
                     Finish&& finish) const noexcept;

    RowsView<T> rows_;
    IndexSettings settings_;
    std::shared_ptr<const AddedRows<T>> added_;  // null: none
    std::shared_ptr<const RowStatistics<T>> statistics_;
    std::shared_ptr<SketchSlot> session_sketch_;
    std::uint64_t revision_ = 0;
};

template <Real T>
Index(DenseView<T>, const IndexSettings& = {}, ExecutorRef = SerialExecutor{}) -> Index<T>;
template <Narrow U>
Index(NarrowView<U>, const IndexSettings& = {}, ExecutorRef = SerialExecutor{}) -> Index<float>;
Index(ScaledView, const IndexSettings& = {}, ExecutorRef = SerialExecutor{}) -> Index<float>;

}  // namespace exemplar_svm
