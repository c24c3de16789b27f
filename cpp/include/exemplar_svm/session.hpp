#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/index.hpp"
#include "exemplar_svm/query.hpp"
#include "exemplar_svm/search_report.hpp"
#include "exemplar_svm/settings.hpp"
#include "exemplar_svm/stop_condition.hpp"
#include "exemplar_svm/workspace.hpp"

namespace exemplar_svm {

template <Real T>
struct SessionMemory;

/// Relevance feedback: a search whose examples come one after the other. Every step solves the SVM
/// of all examples so far to convergence, as Index::search does, but starts from the working set
/// and dual coefficients of the last step. If searches use a working set and the index has no
/// sketch, its sessions share one, so a step reads a quarter of the rows' bytes.
///
/// A session owns its workspace and copies of its example vectors, and serves one thread at a time.
/// The index must outlive the session and not move. Steps allocate nothing and throw nothing.
template <Real T>
class Session {
  public:
    /// @param max_ranks     the longest ranking a step may ask for
    /// @param max_examples  the most examples, positive and negative, that it may have
    /// @param sketch        none: steps scan the rows, unless the index has a sketch. int8: the
    ///                      first session of an index makes a sketch, which takes as long as about
    ///                      ten searches
    /// @throws std::bad_alloc; Stopped if the stop condition is reached before the session is made
    Session(const Index<T>& index, std::size_t max_ranks, std::size_t max_examples,
            SketchType sketch = SketchType::int8, ExecutorRef executor = SerialExecutor{},
            const StopCondition& stop = {});
    ~Session();
    Session(Session&&) noexcept;
    Session& operator=(Session&&) noexcept;

    /// Adds a positive or a negative example: a vector of n_features() values, which is copied, or
    /// a row number, whose row leaves the background as in a Query. A row is one example however
    /// often it is named; the last call decides its side and weight.
    /// @param weight  factor on its cost
    /// @returns true if there was room, the vector or row number fits the index, and the weight is
    ///          positive and finite; otherwise false, and nothing has changed
    bool like(std::span<const T> vector, double weight = 1.0) noexcept;
    bool like(RowNumber row, double weight = 1.0) noexcept;
    bool dislike(std::span<const T> vector, double weight = 1.0) noexcept;
    bool dislike(RowNumber row, double weight = 1.0) noexcept;

    /// Removes an example; of vectors, all that equal this one, element by element.
    /// @returns whether there was one
    bool forget(std::span<const T> vector) noexcept;
    bool forget(RowNumber row) noexcept;

    /// Trains on the examples so far and ranks, as Index::search does. The status is
    /// `invalid_input` while there is no positive.
    /// @param common  masks and options; it has no examples
    SearchReport search(const Query<T>& common, std::size_t k, const SearchSettings& settings,
                        T* scores_out, RowNumber* rows_out, ExecutorRef executor = SerialExecutor{},
                        const StopCondition& stop = {}) noexcept;

    SearchReport search(std::size_t k, T* scores_out, RowNumber* rows_out,
                        ExecutorRef executor = SerialExecutor{},
                        const StopCondition& stop = {}) noexcept {
        return search(Query<T>{}, k, index_->settings().search, scores_out, rows_out, executor,
                      stop);
    }

    /// Makes room for longer rankings or more examples. The last solution is kept.
    /// @throws std::bad_alloc
    void reserve(std::size_t max_ranks, std::size_t max_examples);

    /// Call after Index::refresh(); the next step solves afresh. Without the call, steps also solve
    /// afresh, but scan the rows, and are `invalid_input` if there are more rows than before.
    /// @throws std::bad_alloc; Stopped
    void renew(ExecutorRef executor = SerialExecutor{}, const StopCondition& stop = {});

    /// Continues with another index of as many features, made by with_rows() or without_rows(). The
    /// next step solves afresh, unless the index is a copy. Steps are `invalid_input` while an
    /// example names a removed row.
    /// @throws std::invalid_argument for another number of features, std::bad_alloc, Stopped; the
    ///         session then keeps its index
    void follow(const Index<T>& index, ExecutorRef executor = SerialExecutor{},
                const StopCondition& stop = {});

    /// Whether the index was refreshed after the session was made or renewed.
    bool is_outdated() const noexcept { return revision_ != index_->revision(); }

    /// The row numbers among the examples.
    std::span<const RowNumber> positive_rows() const noexcept { return positives_.rows; }
    std::span<const RowNumber> negative_rows() const noexcept { return negatives_.rows; }

    std::size_t n_rows() const noexcept { return workspace_.n_rows(); }
    std::size_t n_positives() const noexcept { return positives_.size(); }
    std::size_t n_negatives() const noexcept { return negatives_.size(); }
    std::size_t max_ranks() const noexcept { return workspace_.max_ranks(); }
    std::size_t max_examples() const noexcept { return workspace_.max_examples(); }

  private:
    /// The examples of one label: vectors first, then rows.
    struct Examples {
        std::vector<T> values;
        std::vector<RowNumber> rows;
        std::vector<double> weights;
        std::vector<double> dual;  ///< in the last solution

        std::size_t size() const noexcept { return weights.size(); }
        std::size_t n_vectors() const noexcept { return weights.size() - rows.size(); }
        void reserve(std::size_t n_examples, std::size_t n_features);
        void add(std::span<const T> vector, double weight) noexcept;
        void add(RowNumber row, double weight) noexcept;
        bool remove(std::span<const T> vector) noexcept;
        bool remove(RowNumber row) noexcept;
    };

    bool add(std::span<const T> vector, double weight, Examples& to) noexcept;
    bool add(RowNumber row, double weight, Examples& to, Examples& other) noexcept;
    bool has_room() const noexcept {
        return n_positives() + n_negatives() < workspace_.max_examples();
    }
    void reserve_examples(std::size_t max_examples, std::size_t n_features);
    void begin_afresh(const Index<T>& index, ExecutorRef executor, const StopCondition& stop);

    const Index<T>* index_;
    SketchType sketch_type_;
    std::uint64_t revision_;
    std::shared_ptr<const SharedSketch<T>> sketch_;
    Workspace<T> workspace_;
    std::unique_ptr<SessionMemory<T>> memory_;
    Examples positives_, negatives_;
};

}  // namespace exemplar_svm
