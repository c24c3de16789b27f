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

/// Bytes that an index owns. The rows it was built on are borrowed and not counted.
struct MemoryUsage {
    std::size_t added = 0;  ///< rows that were added
    std::size_t live = 0;   ///< a byte per row, once one has been removed
    std::size_t norms = 0;
    std::size_t mean = 0;            ///< with its products with the rows; the sum of sparse ones
    std::size_t gaussian_model = 0;  ///< mean and main directions of a sample
    std::size_t sign_codes = 0;      ///< one bit per feature, and a scale per row
    std::size_t postings = 0;        ///< inverted lists: sparse rows by their columns
    std::size_t sketch = 0;  ///< int8 codes, a scale and an error per row; the sketch of sessions
                             ///< too
    std::size_t gram = 0;    ///< products of the rows with each other
};

/// One of an index's statistics, in the byte order of the machine. A file with all parts and the
/// rows opens as fast as it can be read.
struct IndexPart {
    const char* name;
    const void* data;
    std::size_t bytes;
};

/// Rows to search, and statistics computed once: their norms, their mean if they are centred, and
/// whatever guesses which rows matter to a query.
///
/// The rows are borrowed and must outlive the index. Searches are const and noexcept, allocate
/// nothing, and may run at the same time from any number of threads, each with its own Workspace.
///
/// An index is a snapshot: only refresh() changes it. with_rows() and without_rows() make other
/// indices, which share what has not changed. A copy shares everything.
template <Real T>
class Index {
  public:
    /// Reads the rows once, or twice to centre them.
    /// @throws std::invalid_argument for settings out of range, more than 2^32 - 2 rows, rows of no
    ///         features, or (with check_finite) rows that hold NaN or infinity; std::bad_alloc;
    ///         Stopped if the stop condition is reached before the index is complete.
    explicit Index(RowsView<T> embeddings, const IndexSettings& settings = {},
                   ExecutorRef executor = SerialExecutor{}, const StopCondition& stop = {});

    /// From the parts() of an index of the same rows and settings, borrowed as the rows are. Takes
    /// time in the order of n_rows() and of the entries of sparse rows. Rows that follow others
    /// (RowsView::followed_by) were added to that index, and are copied.
    /// @throws std::invalid_argument if the parts do not fit the rows and settings. Not every value
    ///         is checked: forged values give wrong answers, but no undefined behaviour.
    Index(RowsView<T> embeddings, const IndexSettings& settings, std::span<const IndexPart> parts);

    /// The parts that the constructor takes, borrowed from this index. Empty parts are left out.
    std::vector<IndexPart> parts() const;

    /// An index of these rows and `added` behind them, with row numbers from n_rows() on. The added
    /// rows are copied; the new index owns them, and shares them with indices made from it. They
    /// may be a DenseView, a CsrView with columns of either type, or narrow rows, and are stored as
    /// T, in CSR form if the index is sparse.
    ///
    /// Takes time in the order of the new rows, averaged over many calls, and a pass over the norms
    /// (and the features of sparse rows). settings.center takes three readings of all rows instead.
    /// A Gram matrix is copied, and takes n_rows() n_features() steps per new row. Full memory is
    /// doubled. If Method::automatic prefers another method for the new number of rows, its
    /// statistics are computed for all.
    /// @throws as the constructor does, and for another number of features
    Index with_rows(const RowsView<T>& added, ExecutorRef executor = SerialExecutor{},
                    const StopCondition& stop = {}) const;

    /// An index without some of the rows: no search has them as negatives, returns them or counts
    /// them in a cost, and an example that names one is invalid. All rows keep their numbers and
    /// their place, so n_rows() does not change.
    ///
    /// Takes time in the order of n_rows(), and for sparse rows of the features and the removed
    /// rows. settings.center takes three readings of all rows.
    /// @throws std::invalid_argument for rows that do not exist or were removed before; Stopped
    Index without_rows(std::span<const RowNumber> removed, ExecutorRef executor = SerialExecutor{},
                       const StopCondition& stop = {}) const;

    /// Recomputes all statistics after the rows have changed. No search may be running. If it
    /// throws, the index is as it was.
    void refresh(ExecutorRef executor = SerialExecutor{}, const StopCondition& stop = {});

    /// Trains one SVM on the query's examples and the rows of its background, and returns the k
    /// candidates with the highest scores.
    ///
    /// @param workspace   made for at least as many examples, positive and negative
    /// @param scores_out  k values, best first; -infinity beyond the number of candidates
    /// @param rows_out    k row numbers; -1 beyond the number of candidates
    /// @param stop        when to answer with the best found so far, with status `deadline`. Rows
    ///                    not yet scored are then missing; score_error_bound holds for the others.
    SearchReport search(const Query<T>& query, std::size_t k, const SearchSettings& settings,
                        Workspace<T>& workspace, T* scores_out, RowNumber* rows_out,
                        ExecutorRef executor = SerialExecutor{},
                        const StopCondition& stop = {}) const noexcept;

    /// One positive of n_features() values; every row is a negative and a candidate.
    SearchReport search(const T* query, std::size_t k, Workspace<T>& workspace, T* scores_out,
                        RowNumber* rows_out, ExecutorRef executor = SerialExecutor{},
                        const StopCondition& stop = {}) const noexcept {
        return search_shared(one_row(query), k, workspace, scores_out, rows_out, executor, stop);
    }

    /// The same with several positives in one SVM, which ranks by what they have in common.
    SearchReport search_shared(DenseView<T> positives, std::size_t k, Workspace<T>& workspace,
                               T* scores_out, RowNumber* rows_out,
                               ExecutorRef executor = SerialExecutor{},
                               const StopCondition& stop = {}) const noexcept {
        return search_shared(positives, k, settings_.search, workspace, scores_out, rows_out,
                             executor, stop);
    }

    /// The same with settings for this search in place of the index's.
    SearchReport search_shared(DenseView<T> positives, std::size_t k,
                               const SearchSettings& settings, Workspace<T>& workspace,
                               T* scores_out, RowNumber* rows_out,
                               ExecutorRef executor = SerialExecutor{},
                               const StopCondition& stop = {}) const noexcept {
        return search(of(positives), k, settings, workspace, scores_out, rows_out, executor, stop);
    }

    /// Trains as search() does, and leaves the weights and dual coefficients in the workspace.
    /// @param scores_out  n_rows() values: the score of every row, -infinity for removed rows. With
    ///                    invalid input, scores and weights are NaN. Null: no scores are wanted.
    /// @param stop        when to give up, with status `deadline`; scores and weights are then
    ///                    useless
    SearchReport fit(const Query<T>& query, const SearchSettings& settings, Workspace<T>& workspace,
                     T* scores_out, ExecutorRef executor = SerialExecutor{},
                     const StopCondition& stop = {}) const noexcept;

    SearchReport fit(DenseView<T> positives, const SearchSettings& settings,
                     Workspace<T>& workspace, T* scores_out,
                     ExecutorRef executor = SerialExecutor{},
                     const StopCondition& stop = {}) const noexcept {
        return fit(of(positives), settings, workspace, scores_out, executor, stop);
    }

    /// One search per row of `queries`, several at a time: these share the scans of the rows, and
    /// divide the threads for the rest. Results have the bits of single searches.
    ///
    /// @param common      everything but the positive vector, the same for all queries
    /// @param workspaces  one per search at a time, up to max_batch; without any, nothing is done
    /// @param scores_out  k values per query
    /// @param rows_out    k row numbers per query
    /// @param reports     one per query
    /// @param stop        of the whole batch; queries that it leaves no time for return no row
    void search_batch(DenseView<T> queries, const Query<T>& common, std::size_t k,
                      const SearchSettings& settings, Workspace<T>* const* workspaces,
                      std::size_t n_workspaces, T* scores_out, RowNumber* rows_out,
                      SearchReport* reports, ExecutorRef executor = SerialExecutor{},
                      const StopCondition& stop = {}) const noexcept;

    /// Every row is a negative and a candidate.
    void search_batch(DenseView<T> queries, std::size_t k, const SearchSettings& settings,
                      Workspace<T>* const* workspaces, std::size_t n_workspaces, T* scores_out,
                      RowNumber* rows_out, SearchReport* reports,
                      ExecutorRef executor = SerialExecutor{},
                      const StopCondition& stop = {}) const noexcept {
        search_batch(queries, Query<T>{}, k, settings, workspaces, n_workspaces, scores_out,
                     rows_out, reports, executor, stop);
    }

    /// The same with the scores of all rows, n_rows() per query. A stop has the effect it has on
    /// fit().
    void score_batch(DenseView<T> queries, const Query<T>& common, const SearchSettings& settings,
                     Workspace<T>* const* workspaces, std::size_t n_workspaces, T* scores_out,
                     SearchReport* reports, ExecutorRef executor = SerialExecutor{},
                     const StopCondition& stop = {}) const noexcept;

    /// One more than the largest row number, removed rows included.
    std::size_t n_rows() const noexcept { return rows_.rows; }
    /// Rows that were not removed.
    std::size_t n_live() const noexcept;
    /// n_rows() bytes, 0 for removed rows; null if none was removed.
    const std::uint8_t* live() const noexcept;
    std::size_t n_features() const noexcept { return rows_.cols; }
    const RowsView<T>& rows() const noexcept { return rows_; }
    MemoryUsage memory_usage() const noexcept;
    /// The mean that `center` subtracts: n_features() values, valid until the next refresh(); empty
    /// without it.
    std::span<const double> mean() const noexcept;
    const IndexSettings& settings() const noexcept { return settings_; }

    /// Changes with every refresh(). Two indices have the same only if one is a copy of the other.
    std::uint64_t revision() const noexcept { return revision_; }

  private:
    friend class Session<T>;
    struct SketchSlot;

    /// The sketch that sessions scan if the index has none: made for the first session, and kept
    /// for all. Null if searches use no working set. Sessions that begin at the same time make one
    /// each, and all keep the first.
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
    std::shared_ptr<const AddedRows<T>> added_;  // null: no row was added
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
