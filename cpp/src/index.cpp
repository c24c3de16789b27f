#include "exemplar_svm/index.hpp"

#include <algorithm>
#include <limits>
#include <optional>

#include "exemplar_search.hpp"
#include "exemplar_svm/error.hpp"
#include "exemplar_svm/isa.hpp"
#include "exemplar_svm/scan.hpp"

namespace exemplar_svm {

template <Real T>
Index<T>::Index(RowsView<T> embeddings, const IndexSettings& settings, ExecutorRef executor)
    : rows_(embeddings), settings_(settings) {
    active_isa();
    require_valid(settings);
    require(rows_.cols > 0, "embeddings has no features");
    require(rows_.rows < std::numeric_limits<RowIndex>::max(),
            "embeddings has more than 2^32 - 2 rows");
    refresh(executor);
}

template <Real T>
Index<T>::~Index() = default;
template <Real T>
Index<T>::Index(Index&&) noexcept = default;
template <Real T>
Index<T>& Index<T>::operator=(Index&&) noexcept = default;

template <Real T>
void Index<T>::refresh(ExecutorRef executor) {
    const RowsView<T> rows = rows_.checked("embeddings");
    statistics_ = std::make_unique<const RowStatistics<T>>(rows, settings_, executor);
    rows_ = rows;
}

template <Real T>
MemoryUsage Index<T>::memory_usage() const noexcept {
    MemoryUsage usage;
    usage.norms = statistics_->squared_norms.size() * sizeof(T);
    usage.mean =
        statistics_->mean.size() * sizeof(double) + statistics_->mean_products.size() * sizeof(T);
    usage.background = statistics_->background.bytes();
    usage.signatures = statistics_->signatures.bytes();
    usage.sketch = statistics_->sketch.bytes();
    usage.gram = statistics_->gram.bytes();
    return usage;
}

template <Real T>
SearchReport Index<T>::search(const Query<T>& query, std::size_t k, const SearchSettings& settings,
                              Workspace<T>& workspace, T* scores_out, RowNumber* rows_out,
                              ExecutorRef executor, const StopCondition& stop) const noexcept {
    ExemplarSearch<T> search(rows_, *statistics_, settings_, settings, query, executor, stop,
                             workspace, workspace.scores.data());
    if (search.begin()) search.working_set().scan();
    return search.rank(k, scores_out, rows_out);
}

template <Real T>
SearchReport Index<T>::fit(const Query<T>& query, const SearchSettings& settings,
                           Workspace<T>& workspace, T* scores_out,
                           ExecutorRef executor) const noexcept {
    ExemplarSearch<T> search(rows_, *statistics_, settings_, settings, query, executor,
                             StopCondition{}, workspace, scores_out);
    if (search.begin()) search.working_set().scan();
    return search.fit();
}

/// Calls finish(search, q) for every query, several queries at a time.
template <Real T>
template <class Finish>
void Index<T>::search_each(DenseView<T> queries, const Query<T>& common,
                           const SearchSettings& settings, Workspace<T>* const* workspaces,
                           std::size_t n_workspaces, T* scores_out, ExecutorRef executor,
                           const StopCondition& stop, Finish&& finish) const noexcept {
    std::optional<ExemplarSearch<T>> searches[max_batch];
    bool scans[max_batch];
    const std::size_t most = std::min(n_workspaces, max_batch);
    if (most == 0) return;
    for (std::size_t first = 0; first < queries.rows; first += most) {
        const std::size_t n = std::min(most, queries.rows - first);
        const RowBlocks one_by_one = RowBlocks::one_by_one(n);
        for_each_block(executor, one_by_one, [&](std::size_t, std::size_t, std::size_t q) noexcept {
            Workspace<T>& workspace = *workspaces[q];
            T* const scores = scores_out == nullptr ? workspace.scores.data()
                                                    : scores_out + (first + q) * rows_.rows;
            Query<T> query = common;
            query.positives = {queries.row(first + q), 1, queries.cols, queries.stride};
            searches[q].emplace(rows_, *statistics_, settings_, settings, query, SerialExecutor{},
                                stop, workspace, scores);
            scans[q] = searches[q]->begin();
        });
        WorkingSetSearch<T>* scanning[max_batch];
        std::size_t n_scanning = 0;
        for (std::size_t q = 0; q < n; ++q) {
            if (scans[q]) scanning[n_scanning++] = &searches[q]->working_set();
        }
        scan_together(scanning, n_scanning, executor);
        for_each_block(executor, one_by_one, [&](std::size_t, std::size_t, std::size_t q) noexcept {
            finish(*searches[q], first + q);
        });
    }
}

template <Real T>
void Index<T>::search_batch(DenseView<T> queries, const Query<T>& common, std::size_t k,
                            const SearchSettings& settings, Workspace<T>* const* workspaces,
                            std::size_t n_workspaces, T* scores_out, RowNumber* rows_out,
                            SearchReport* reports, ExecutorRef executor,
                            const StopCondition& stop) const noexcept {
    search_each(queries, common, settings, workspaces, n_workspaces, static_cast<T*>(nullptr),
                executor, stop, [&](ExemplarSearch<T>& search, std::size_t q) noexcept {
                    reports[q] = search.rank(k, scores_out + q * k, rows_out + q * k);
                });
}

template <Real T>
void Index<T>::score_batch(DenseView<T> queries, const Query<T>& common,
                           const SearchSettings& settings, Workspace<T>* const* workspaces,
                           std::size_t n_workspaces, T* scores_out, SearchReport* reports,
                           ExecutorRef executor) const noexcept {
    search_each(
        queries, common, settings, workspaces, n_workspaces, scores_out, executor, StopCondition{},
        [&](ExemplarSearch<T>& search, std::size_t q) noexcept { reports[q] = search.fit(); });
}

template class Index<float>;
template class Index<double>;

}  // namespace exemplar_svm
