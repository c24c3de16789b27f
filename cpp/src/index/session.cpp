#include "exemplar_svm/session.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "exemplar_svm/error.hpp"
#include "search/exemplar_search.hpp"
#include "search/session_memory.hpp"
#include "solve/panel.hpp"

namespace exemplar_svm {
namespace {

/// Whether the squared norm is a finite T, as searches require.
template <Real T>
bool has_finite_norm(std::span<const T> vector) noexcept {
    double square = 0.0;
    for (const T value : vector) square += static_cast<double>(value) * static_cast<double>(value);
    return square <= static_cast<double>(std::numeric_limits<T>::max());
}

bool is_weight(double weight) noexcept { return weight > 0.0 && std::isfinite(weight); }

}  // namespace

template <Real T>
void Session<T>::Examples::reserve(std::size_t n_examples, std::size_t n_features) {
    values.reserve(n_examples * n_features);
    rows.reserve(n_examples);
    weights.reserve(n_examples);
    dual.reserve(n_examples);
}

template <Real T>
void Session<T>::Examples::add(std::span<const T> vector, double weight) noexcept {
    const auto place = static_cast<std::ptrdiff_t>(n_vectors());
    values.insert(values.end(), vector.begin(), vector.end());
    weights.insert(weights.begin() + place, weight);
    dual.insert(dual.begin() + place, 0.0);
}

template <Real T>
void Session<T>::Examples::add(RowNumber row, double weight) noexcept {
    rows.push_back(row);
    weights.push_back(weight);
    dual.push_back(0.0);
}

template <Real T>
bool Session<T>::Examples::remove(std::span<const T> vector) noexcept {
    const auto d = static_cast<std::ptrdiff_t>(vector.size());
    bool found = false;
    for (auto j = static_cast<std::ptrdiff_t>(n_vectors()); j-- > 0;) {
        const auto first = values.begin() + j * d;
        if (!std::equal(vector.begin(), vector.end(), first)) continue;
        values.erase(first, first + d);
        weights.erase(weights.begin() + j);
        dual.erase(dual.begin() + j);
        found = true;
    }
    return found;
}

template <Real T>
bool Session<T>::Examples::remove(RowNumber row) noexcept {
    const auto found = std::ranges::find(rows, row);
    if (found == rows.end()) return false;
    const auto j = static_cast<std::ptrdiff_t>(n_vectors()) + (found - rows.begin());
    rows.erase(found);
    weights.erase(weights.begin() + j);
    dual.erase(dual.begin() + j);
    return true;
}

template <Real T>
Session<T>::Session(const Index<T>& index, std::size_t max_ranks, std::size_t max_examples,
                    SketchType sketch, ExecutorRef executor, const StopCondition& stop)
    : index_(&index),
      sketch_type_(sketch),
      revision_(index.revision()),
      workspace_(index, max_ranks, std::max<std::size_t>(max_examples, 1)),
      memory_(std::make_unique<SessionMemory<T>>()) {
    reserve_examples(workspace_.max_examples(), index.n_features());
    renew(executor, stop);
}

template <Real T>
Session<T>::~Session() = default;
template <Real T>
Session<T>::Session(Session&&) noexcept = default;
template <Real T>
Session<T>& Session<T>::operator=(Session&&) noexcept = default;

template <Real T>
void Session<T>::reserve_examples(std::size_t max_examples, std::size_t n_features) {
    positives_.reserve(max_examples, n_features);
    negatives_.reserve(max_examples, n_features);
    memory_->example_dual.reserve(max_examples);
}

template <Real T>
void Session<T>::reserve(std::size_t max_ranks, std::size_t max_examples) {
    max_ranks = std::max(max_ranks, workspace_.max_ranks());
    max_examples = std::max(max_examples, workspace_.max_examples());
    Workspace<T> larger(*index_, max_ranks, max_examples);
    reserve_examples(max_examples, index_->n_features());
    if (larger.n_rows() == workspace_.n_rows()) {
        SearchScratch<T>&to = larger.scratch(), &from = workspace_.scratch();
        std::swap(to.working_set.panel, from.working_set.panel);
        std::swap(to.working_set.solution.dual, from.working_set.solution.dual);
        std::swap(to.solution.dual, from.solution.dual);
    } else {
        memory_->holds = SessionMemory<T>::Holds::nothing;
    }
    workspace_ = std::move(larger);
}

template <Real T>
void Session<T>::renew(ExecutorRef executor, const StopCondition& stop) {
    begin_afresh(*index_, executor, stop);
}

template <Real T>
void Session<T>::follow(const Index<T>& index, ExecutorRef executor, const StopCondition& stop) {
    require(index.n_features() == index_->n_features(),
            "a session can only follow an index with the same number of features");
    if (revision_ != index.revision()) begin_afresh(index, executor, stop);
    index_ = &index;
}

/// Continues with the present state of an index. Does all that may throw before changing a member.
template <Real T>
void Session<T>::begin_afresh(const Index<T>& index, ExecutorRef executor,
                              const StopCondition& stop) {
    std::shared_ptr<const SharedSketch<T>> sketch;
    if (sketch_type_ == SketchType::int8) sketch = index.sketch_for_sessions(executor, stop);
    if (workspace_.n_rows() != index.n_rows() || !workspace_.has_room_for(index.rows())) {
        workspace_ = Workspace<T>(index, workspace_.max_ranks(), workspace_.max_examples());
    }
    index_ = &index;
    sketch_ = std::move(sketch);
    memory_->sketch = sketch_.get();
    memory_->holds = SessionMemory<T>::Holds::nothing;
    revision_ = index.revision();
}

template <Real T>
bool Session<T>::add(std::span<const T> vector, double weight, Examples& to) noexcept {
    if (vector.size() != index_->n_features() || !has_finite_norm(vector) || !is_weight(weight) ||
        !has_room()) {
        return false;
    }
    to.add(vector, weight);
    return true;
}

template <Real T>
bool Session<T>::add(RowNumber row, double weight, Examples& to, Examples& other) noexcept {
    const bool is_row = row >= 0 && static_cast<std::size_t>(row) < index_->n_rows() &&
                        (index_->live() == nullptr || index_->live()[row] != 0);
    if (!is_row || !is_weight(weight)) return false;
    const bool was_named = to.remove(row) || other.remove(row);
    if (!was_named && !has_room()) return false;
    to.add(row, weight);
    return true;
}

template <Real T>
bool Session<T>::like(std::span<const T> vector, double weight) noexcept {
    return add(vector, weight, positives_);
}
template <Real T>
bool Session<T>::like(RowNumber row, double weight) noexcept {
    return add(row, weight, positives_, negatives_);
}
template <Real T>
bool Session<T>::dislike(std::span<const T> vector, double weight) noexcept {
    return add(vector, weight, negatives_);
}
template <Real T>
bool Session<T>::dislike(RowNumber row, double weight) noexcept {
    return add(row, weight, negatives_, positives_);
}

template <Real T>
bool Session<T>::forget(std::span<const T> vector) noexcept {
    if (vector.size() != index_->n_features()) return false;
    const bool was_positive = positives_.remove(vector);
    return negatives_.remove(vector) || was_positive;
}
template <Real T>
bool Session<T>::forget(RowNumber row) noexcept {
    return positives_.remove(row) || negatives_.remove(row);
}

template <Real T>
SearchReport Session<T>::search(const Query<T>& common, std::size_t k,
                                const SearchSettings& settings, T* scores_out, RowNumber* rows_out,
                                ExecutorRef executor, const StopCondition& stop) noexcept {
    if (is_outdated()) {
        // The memory is about rows that have changed.
        memory_->holds = SessionMemory<T>::Holds::nothing;
        memory_->sketch = nullptr;
        sketch_.reset();
        revision_ = index_->revision();
    }
    const auto d = static_cast<std::ptrdiff_t>(index_->n_features());
    const auto vectors = [&](const Examples& examples) noexcept {
        return DenseView<T>{examples.values.data(), examples.n_vectors(), index_->n_features(), d};
    };
    Query<T> query = common;
    query.positives = vectors(positives_);
    query.positive_rows = positives_.rows;
    query.positive_weights = positives_.weights;
    query.negatives = vectors(negatives_);
    query.negative_rows = negatives_.rows;
    query.negative_weights = negatives_.weights;
    auto& dual = memory_->example_dual;
    dual.assign(positives_.dual.begin(), positives_.dual.end());
    dual.insert(dual.end(), negatives_.dual.begin(), negatives_.dual.end());

    ExemplarSearch<T> search(index_->rows_, *index_->statistics_, index_->settings_, settings,
                             query, Purpose::ranking, executor, stop, workspace_,
                             workspace_.scratch().scores.data(), memory_.get());
    search.prepare();
    scan_alone(search, executor);
    const SearchReport report = search.rank(k, scores_out, rows_out);
    if (report.status != SearchStatus::invalid_input) {
        const double* const solved = workspace_.scratch().solution.example_dual.data();
        std::copy_n(solved, n_positives(), positives_.dual.begin());
        std::copy_n(solved + n_positives(), n_negatives(), negatives_.dual.begin());
    }
    return report;
}

template class Session<float>;
template class Session<double>;

}  // namespace exemplar_svm
