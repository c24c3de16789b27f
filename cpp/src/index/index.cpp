#include "exemplar_svm/index.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/buffer.hpp"
#include "exemplar_svm/error.hpp"
#include "exemplar_svm/isa.hpp"
#include "rows/added_rows.hpp"
#include "search/exemplar_search.hpp"
#include "search/session_memory.hpp"

namespace exemplar_svm {

/// Holds the sketch that an index shares with the results of its without_rows(). Lock-free:
/// building a sketch takes long, and a process that forks meanwhile must not inherit a held lock.
template <Real T>
struct Index<T>::SketchSlot {
    std::atomic<const SharedSketch<T>*> sketch{nullptr};

    SketchSlot() = default;
    ~SketchSlot() { delete sketch.load(); }
};

namespace {

std::uint64_t next_revision() noexcept {
    static std::atomic<std::uint64_t> last{0};
    return ++last;
}

template <Real T>
void require_valid(const RowsView<T>& rows, const IndexSettings& settings) {
    active_isa();
    exemplar_svm::require_valid(settings);
    require(rows.cols > 0, "embeddings has no features");
    require(rows.rows < std::numeric_limits<RowIndex>::max(),
            "embeddings has more than 2^32 - 2 rows");
}

// Conversions between the values of a part and its bytes.

template <class Values>
std::span<const std::byte> bytes_of(const Values& values) noexcept {
    return std::as_bytes(std::span(values.data(), values.size()));
}

std::span<const std::byte> bytes_of(const double& value) noexcept {
    return std::as_bytes(std::span(&value, 1));
}

template <class V>
std::span<const V> values_of(const IndexPart& part) {
    const auto address = reinterpret_cast<std::uintptr_t>(part.data);
    require(part.bytes % sizeof(V) == 0 && address % alignof(V) == 0,
            std::string(part.name) + " must hold whole, aligned values");
    return {static_cast<const V*>(part.data), part.bytes / sizeof(V)};
}

template <class V>
void take(Buffer<V>& to, const IndexPart& part) {
    const auto values = values_of<V>(part);
    to = Buffer<V>(values.data(), values.size());
}

template <class V>
void take(std::vector<V>& to, const IndexPart& part) {
    const auto values = values_of<V>(part);
    to.assign(values.begin(), values.end());
}

void take(double& to, const IndexPart& part) {
    const auto values = values_of<double>(part);
    require(values.size() == 1, std::string(part.name) + " must hold one value");
    to = values.front();
}

}  // namespace

template <Real T>
Index<T>::Index(RowsView<T> embeddings, const IndexSettings& settings, ExecutorRef executor,
                const StopCondition& stop)
    : rows_(embeddings), settings_(settings) {
    require_valid(rows_, settings);
    refresh(executor, stop);
}

template <Real T>
Index<T>::Index(RowsView<T> embeddings, const IndexSettings& settings,
                std::span<const IndexPart> parts)
    : rows_(embeddings.checked("embeddings")), settings_(settings) {
    require_valid(rows_, settings);
    const RowsView<T> first = rows_.first_part();
    if (first.rows < rows_.rows) {
        AddedRows<T> owned(first);
        owned.append(rows_.from(first.rows), StopCondition{});
        rows_ = owned.behind(first);
        added_ = std::make_shared<const AddedRows<T>>(std::move(owned));
    }
    auto statistics = std::make_shared<RowStatistics<T>>();
    std::size_t n_taken = 0;
    RowStatistics<T>::visit_parts(*statistics, [&](std::string_view name, auto& values) {
        for (const IndexPart& part : parts) {
            if (name != part.name) continue;
            take(values, part);
            ++n_taken;
        }
    });
    require(n_taken == parts.size(), "parts has a name that no part of an index has");
    statistics->require_valid(rows_, settings);
    change(std::move(*statistics));
    session_sketch_ = std::make_shared<SketchSlot>();
}

template <Real T>
std::vector<IndexPart> Index<T>::parts() const {
    std::vector<IndexPart> parts;
    RowStatistics<T>::visit_parts(*statistics_, [&](const char* name, const auto& values) {
        const auto bytes = bytes_of(values);
        if (!bytes.empty()) parts.push_back({name, bytes.data(), bytes.size()});
    });
    return parts;
}

template <Real T>
Index<T> Index<T>::with_rows(const RowsView<T>& added, ExecutorRef executor,
                             const StopCondition& stop) const {
    if (added.rows == 0) return *this;
    require(added.cols == rows_.cols, "added rows must have as many features as the index");
    AddedRows<T> owned = added_ == nullptr ? AddedRows<T>(rows_) : *added_;
    owned.append(added.checked("rows"), stop);
    Index next = *this;
    next.rows_ = owned.behind(rows_.first_part());
    require_valid(next.rows_, settings_);
    RowStatistics<T> statistics = *statistics_;
    statistics.update(next.rows_, settings_, executor, stop);
    next.added_ = std::make_shared<const AddedRows<T>>(std::move(owned));
    next.change(std::move(statistics));
    next.session_sketch_ = std::make_shared<SketchSlot>();
    return next;
}

template <Real T>
Index<T> Index<T>::without_rows(std::span<const RowNumber> removed, ExecutorRef executor,
                                const StopCondition& stop) const {
    if (removed.empty()) return *this;
    RowStatistics<T> statistics = *statistics_;
    statistics.remove(rows_, removed);
    statistics.update(rows_, settings_, executor, stop);
    Index next = *this;
    next.change(std::move(statistics));
    return next;
}

template <Real T>
void Index<T>::refresh(ExecutorRef executor, const StopCondition& stop) {
    RowStatistics<T> statistics;
    if (statistics_ != nullptr) statistics.live = statistics_->live;
    const RowsView<T> rows = rows_.checked("embeddings");
    statistics.update(rows, settings_, executor, stop);
    auto no_sketch = std::make_shared<SketchSlot>();
    change(std::move(statistics));  // nothing throws from here on
    session_sketch_ = std::move(no_sketch);
    rows_ = rows;
}

template <Real T>
void Index<T>::change(RowStatistics<T> statistics) {
    statistics_ = std::make_shared<const RowStatistics<T>>(std::move(statistics));
    revision_ = next_revision();
}

template <Real T>
std::size_t Index<T>::n_live() const noexcept {
    return statistics_->n_live;
}

template <Real T>
const std::uint8_t* Index<T>::live() const noexcept {
    return statistics_->live_mask();
}

template <Real T>
std::shared_ptr<const SharedSketch<T>> Index<T>::sketch_for_sessions(
    ExecutorRef executor, const StopCondition& stop) const {
    if (statistics_->method != Method::working_set || !statistics_->sketch.empty() ||
        !rows_.is_dense()) {
        return nullptr;
    }
    const std::shared_ptr<SketchSlot> slot = session_sketch_;
    const SharedSketch<T>* sketch = slot->sketch.load(std::memory_order_acquire);
    if (sketch == nullptr) {
        auto made = std::make_unique<const SharedSketch<T>>(rows_, executor, stop);
        if (slot->sketch.compare_exchange_strong(sketch, made.get(), std::memory_order_acq_rel,
                                                 std::memory_order_acquire)) {
            sketch = made.release();
        }
    }
    return {slot, sketch};
}

template <Real T>
MemoryUsage Index<T>::memory_usage() const noexcept {
    MemoryUsage usage;
    usage.added = added_ == nullptr ? 0 : added_->bytes();
    usage.live = statistics_->live.bytes();
    usage.norms = statistics_->squared_norms.bytes();
    usage.mean = statistics_->mean.size() * sizeof(double) + statistics_->mean_products.bytes();
    usage.gaussian_model = statistics_->gaussian.bytes();
    usage.sign_codes = statistics_->sign_codes.bytes();
    usage.postings = statistics_->postings.bytes();
    usage.sketch = statistics_->sketch.bytes();
    if (const auto* shared = session_sketch_->sketch.load(std::memory_order_acquire)) {
        usage.sketch += shared->sketch.bytes();
    }
    usage.gram = statistics_->gram.bytes();
    return usage;
}

template <Real T>
std::span<const double> Index<T>::mean() const noexcept {
    return statistics_->mean;
}

template <Real T>
SearchReport Index<T>::search(const Query<T>& query, std::size_t k, const SearchSettings& settings,
                              Workspace<T>& workspace, T* scores_out, RowNumber* rows_out,
                              ExecutorRef executor, const StopCondition& stop) const noexcept {
    ExemplarSearch<T> search(rows_, *statistics_, settings_, settings, query, Purpose::ranking,
                             executor, stop, workspace, workspace.scratch().scores.data());
    search.prepare();
    scan_alone(search, executor);
    return search.rank(k, scores_out, rows_out);
}

template <Real T>
SearchReport Index<T>::fit(const Query<T>& query, const SearchSettings& settings,
                           Workspace<T>& workspace, T* scores_out, ExecutorRef executor,
                           const StopCondition& stop) const noexcept {
    ExemplarSearch<T> search(
        rows_, *statistics_, settings_, settings, query, Purpose::model, executor, stop, workspace,
        scores_out == nullptr ? workspace.scratch().scores.data() : scores_out);
    search.prepare();
    scan_alone(search, executor);
    return search.fit();
}

/// Searches for every query; up to max_batch searches share a scan. finish(search, q) ends one.
/// @param scores_out  n_rows() values per query, for Purpose::model
template <Real T>
template <class Finish>
void Index<T>::search_each(DenseView<T> queries, const Query<T>& common,
                           const SearchSettings& settings, Workspace<T>* const* workspaces,
                           std::size_t n_workspaces, T* scores_out, ExecutorRef executor,
                           const StopCondition& stop, Finish&& finish) const noexcept {
    std::optional<ExemplarSearch<T>> searches[max_batch];
    ExemplarSearch<T>* together[max_batch];
    const Purpose purpose = scores_out == nullptr ? Purpose::ranking : Purpose::model;
    const std::size_t most = std::min(n_workspaces, max_batch);
    if (most == 0) return;
    for (std::size_t first = 0; first < queries.rows; first += most) {
        const std::size_t n = std::min(most, queries.rows - first);
        const RowBlocks one_by_one = RowBlocks::one_by_one(n);
        for_each_block(executor, one_by_one, [&](std::size_t, std::size_t, std::size_t q) noexcept {
            Workspace<T>& workspace = *workspaces[q];
            T* const scores = scores_out == nullptr ? workspace.scratch().scores.data()
                                                    : scores_out + (first + q) * rows_.rows;
            Query<T> query = common;
            query.positives = {queries.row(first + q), 1, queries.cols, queries.stride};
            together[q] = &searches[q].emplace(rows_, *statistics_, settings_, settings, query,
                                               purpose, SerialExecutor{}, stop, workspace, scores);
            together[q]->prepare();
        });
        scan(together, n, executor);
        for_each_block(executor, one_by_one, [&](std::size_t, std::size_t, std::size_t q) noexcept {
            finish(*together[q], first + q);
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
                           ExecutorRef executor, const StopCondition& stop) const noexcept {
    search_each(
        queries, common, settings, workspaces, n_workspaces, scores_out, executor, stop,
        [&](ExemplarSearch<T>& search, std::size_t q) noexcept { reports[q] = search.fit(); });
}

template class Index<float>;
template class Index<double>;

}  // namespace exemplar_svm
