#pragma once

// Workspaces for searches, which grow as Python asks for more.

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

/// What a workspace needs room for.
struct Room {
    std::size_t ranks = 0;
    std::size_t examples = 1;
    std::size_t entries = 0;  ///< of all examples together; read for sparse rows
};

template <Real T>
Room room_for(const Query<T>& query, const Index<T>& index, std::size_t n_ranks) {
    return {n_ranks, query.n_positives() + query.n_negatives(),
            index.rows().is_dense() ? 0 : count_entries(query, index.rows())};
}

/// Workspaces that are not in use. With them a search need not allocate, nor the kernel clear,
/// memory in proportion to the rows. Taking and giving back are single exchanges: threads that
/// search at the same time never wait for each other.
template <Real T>
class WorkspacePool {
  public:
    using Owned = std::unique_ptr<Workspace<T>>;

    ~WorkspacePool() {
        for (auto& slot : slots_) delete slot.load();
    }

    /// A workspace with at least this room. A new one has room for the next power of two, so that
    /// searches whose examples or ranks grow one by one make few.
    Owned take(const Index<T>& index, Room room) {
        room.ranks = std::min(room.ranks, index.n_rows());
        for (auto& slot : slots_) {
            Owned found(slot.exchange(nullptr));
            if (found && found->has_room_for(index.rows()) && found->max_ranks() >= room.ranks &&
                found->max_examples() >= room.examples &&
                found->max_example_entries() >= room.entries) {
                return found;
            }
        }
        // An index whose rows have grown will grow again: leave room for that.
        RowsView<T> shape = index.rows();
        if (index.memory_usage().added > 0) shape.rows += shape.rows / 4;
        return std::make_unique<Workspace<T>>(shape, std::bit_ceil(room.ranks),
                                              std::bit_ceil(room.examples),
                                              std::bit_ceil(room.entries));
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

/// Workspaces on loan from a pool, which has them back at the end of the loan.
template <Real T>
class Loan {
  public:
    /// @param n  at most max_batch are lent
    Loan(WorkspacePool<T>& pool, const Index<T>& index, const Room& room, std::size_t n = 1)
        : Loan(pool) {
        while (size_ < std::min(n, max_batch)) {
            workspaces_[size_] = pool.take(index, room).release();
            ++size_;
        }
    }
    ~Loan() {
        for (std::size_t i = 0; i < size_; ++i) {
            pool_.give_back(typename WorkspacePool<T>::Owned(workspaces_[i]));
        }
    }
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;

    Workspace<T>& operator*() const noexcept { return *workspaces_[0]; }
    Workspace<T>* operator->() const noexcept { return workspaces_[0]; }
    Workspace<T>* const* data() const noexcept { return workspaces_.data(); }
    std::size_t size() const noexcept { return size_; }

  private:
    explicit Loan(WorkspacePool<T>& pool) noexcept : pool_(pool) {}

    WorkspacePool<T>& pool_;
    std::array<Workspace<T>*, max_batch> workspaces_{};
    std::size_t size_ = 0;
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
