#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "exemplar_svm/certificate.hpp"
#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/matrix_view.hpp"
#include "exemplar_svm/profile.hpp"
#include "exemplar_svm/settings.hpp"
#include "exemplar_svm/solver.hpp"
#include "exemplar_svm/workspace.hpp"

namespace exemplar_svm {

enum class SearchStatus : std::uint8_t {
    converged,
    epoch_limit,
    precision_limit,
    invalid_input,  ///< a query that is not finite, a setting out of range, a workspace too small
};

/// Bytes of what an index keeps about its rows, which themselves are borrowed.
struct MemoryUsage {
    std::size_t norms = 0;
    std::size_t mean = 0;        ///< with its products with the rows
    std::size_t background = 0;  ///< mean and main directions of a sample
    std::size_t signatures = 0;  ///< one bit per feature, and a scale per row
    std::size_t gram = 0;        ///< products of the rows with each other
};

/// What a search did and what it can prove.
struct SearchReport {
    SearchStatus status = SearchStatus::converged;
    std::uint32_t epochs = 0;
    std::size_t n_support = 0;
    double duality_gap = 0.0;
    /// No score of any row is further than this from its exact value.
    double score_error_bound = 0.0;
    /// How many of the leading ranks are proven to be the exact optimum's.
    std::size_t certified_k = 0;
    SearchProfile profile;
};

/// Rows to search, and what is computed about them once: their norms, for centring their mean, and
/// what helps to guess which of them matter to a query.
///
/// The rows are borrowed and must outlive the index. Searches are const and noexcept, allocate
/// nothing, and may run at the same time from any number of threads, each with its own Workspace.
template <Real T>
class Index {
  public:
    /// Reads the rows once, or twice to centre them.
    /// @throws std::invalid_argument for settings out of range, more than 2^32 - 2 rows, rows of no
    ///         features, or (with check_finite) rows that hold NaN or infinity; std::bad_alloc.
    explicit Index(DenseView<T> embeddings, const IndexSettings& settings = {},
                   ExecutorRef executor = SerialExecutor{});
    ~Index();
    Index(Index&&) noexcept;
    Index& operator=(Index&&) noexcept;

    /// Computes everything anew after the rows have changed. Not while a search is running. If it
    /// throws, the index is as it was.
    void refresh(ExecutorRef executor = SerialExecutor{});

    /// Trains one SVM with `query` as its positive and every row as a negative, and returns the k
    /// rows with the highest scores.
    ///
    /// @param query       n_features() values
    /// @param scores_out  k values, best first; -infinity where there are fewer than k rows
    /// @param rows_out    k row numbers; -1 where there are fewer than k rows
    SearchReport search(const T* query, std::size_t k, Workspace<T>& workspace, T* scores_out,
                        RowNumber* rows_out,
                        ExecutorRef executor = SerialExecutor{}) const noexcept {
        return search_shared(one_row(query), k, workspace, scores_out, rows_out, executor);
    }

    /// The same with several positives in one SVM: what they have in common.
    SearchReport search_shared(DenseView<T> positives, std::size_t k, Workspace<T>& workspace,
                               T* scores_out, RowNumber* rows_out,
                               ExecutorRef executor = SerialExecutor{}) const noexcept {
        return search_shared(positives, k, settings_.search, workspace, scores_out, rows_out,
                             executor);
    }

    /// With other settings than the index's for this search.
    SearchReport search_shared(DenseView<T> positives, std::size_t k,
                               const SearchSettings& settings, Workspace<T>& workspace,
                               T* scores_out, RowNumber* rows_out,
                               ExecutorRef executor = SerialExecutor{}) const noexcept;

    /// Trains as search_shared does and leaves the weights and dual coefficients in the workspace.
    /// @param scores_out  n_rows() values: the score of every row
    SearchReport fit(DenseView<T> positives, const SearchSettings& settings,
                     Workspace<T>& workspace, T* scores_out,
                     ExecutorRef executor = SerialExecutor{}) const noexcept;

    std::size_t n_rows() const noexcept { return rows_.rows; }
    std::size_t n_features() const noexcept { return rows_.cols; }
    const DenseView<T>& rows() const noexcept { return rows_; }
    MemoryUsage memory_usage() const noexcept;
    const IndexSettings& settings() const noexcept { return settings_; }

  private:
    struct Statistics;  // what is computed from the rows

    DenseView<T> one_row(const T* values) const noexcept {
        return {values, 1, rows_.cols, static_cast<std::ptrdiff_t>(rows_.cols)};
    }

    bool solve_with_gram_matrix(Problem<T>& problem, const SolverSettings& settings,
                                Workspace<T>& workspace, T* scores, TopK<T>* best,
                                ExecutorRef executor, SolveReport& report) const noexcept;
    bool solve_with_working_set(Problem<T>& problem, const SolverSettings& settings,
                                Workspace<T>& workspace, T* scores, TopK<T>* best,
                                ExecutorRef executor, SolveReport& report) const noexcept;
    SearchReport train(DenseView<T> positives, const SearchSettings& settings,
                       Workspace<T>& workspace, T* scores, TopK<T>* best, ExecutorRef executor,
                       ScoreError& error) const noexcept;

    DenseView<T> rows_;
    IndexSettings settings_;
    std::unique_ptr<const Statistics> statistics_;
};

}  // namespace exemplar_svm
