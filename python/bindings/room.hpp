#pragma once

// Room for searches, made as Python asks for more than there was.

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <memory>
#include <utility>

#include "exemplar_svm/index.hpp"
#include "exemplar_svm/query.hpp"
#include "exemplar_svm/session.hpp"
#include "exemplar_svm/workspace.hpp"

namespace exemplar_svm::python {

/// Workspaces that are not in use, so that a search need not allocate (and the kernel need not
/// clear) memory in proportion to the rows. Taking and giving back are single exchanges: threads
/// that search at the same time never wait for each other.
template <Real T>
class WorkspacePool {
  public:
    using Owned = std::unique_ptr<Workspace<T>>;

    ~WorkspacePool() {
        for (auto& slot : slots_) delete slot.load();
    }

    /// A workspace with at least this room. One that is made has room for the next power of two,
    /// so that searches whose examples or ranks become more, one by one, make few.
    /// @param max_entries  in the examples together; read for sparse rows
    Owned take(const Index<T>& index, std::size_t max_ranks, std::size_t max_examples,
               std::size_t max_entries = 0) {
        max_ranks = std::min(max_ranks, index.n_rows());
        for (auto& slot : slots_) {
            Owned found(slot.exchange(nullptr));
            if (found && found->has_room_for(index.rows()) && found->max_ranks() >= max_ranks &&
                found->max_examples() >= max_examples &&
                found->max_example_entries() >= max_entries) {
                return found;
            }
        }
        max_ranks = std::bit_ceil(max_ranks);
        max_examples = std::bit_ceil(max_examples);
        max_entries = std::bit_ceil(max_entries);
        // Where rows are added there will be more, for which this one is to do, too.
        RowsView<T> shape = index.rows();
        if (index.memory_usage().added > 0) shape.rows += shape.rows / 4;
        return std::make_unique<Workspace<T>>(shape, max_ranks, max_examples, max_entries);
    }

    Owned take_for(const Query<T>& query, const Index<T>& index, std::size_t max_ranks) {
        const bool sparse = !index.rows().is_dense();
        return take(index, max_ranks, query.n_positives() + query.n_negatives(),
                    sparse ? count_entries(query, index.rows()) : 0);
    }

    void give_back(Owned workspace) noexcept {
        for (auto& slot : slots_) {
            Workspace<T>* empty = nullptr;
            if (slot.compare_exchange_strong(empty, workspace.get())) {
                (void)workspace.release();
                return;
            }
        }
    }

  private:
    std::array<std::atomic<Workspace<T>*>, 8> slots_{};
};

/// Makes room in a session for so many ranks, and for `n_more` examples beside those it has: for
/// the next power of two, as in a pool.
template <Real T>
void make_room(Session<T>& session, std::size_t n_ranks, std::size_t n_more) {
    const std::size_t n_examples = session.n_positives() + session.n_negatives() + n_more;
    if (n_ranks > session.max_ranks() || n_examples > session.max_examples()) {
        session.reserve(std::bit_ceil(n_ranks), std::bit_ceil(n_examples));
    }
}

}  // namespace exemplar_svm::python
