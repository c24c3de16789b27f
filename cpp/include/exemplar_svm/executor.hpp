#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <memory>
#include <type_traits>

namespace exemplar_svm {

/// One piece of a parallel loop: called with the caller's context and the number of the piece.
using Task = void (*)(void* context, std::size_t index) noexcept;

/// Where the threads come from. `run` calls `task(context, i)` once for every i < n_tasks, in any
/// order and on any threads, and returns when all calls have returned.
template <class E>
concept Executor = requires(const E& executor, std::size_t n_tasks, Task task, void* context) {
    { executor.run(n_tasks, task, context) } noexcept;
};

/// Everything on the calling thread. Never wakes OpenMP.
struct SerialExecutor {
    void run(std::size_t n_tasks, Task task, void* context) const noexcept {
        for (std::size_t i = 0; i < n_tasks; ++i) task(context, i);
    }
};
static_assert(Executor<SerialExecutor>);

/// What a thread does about twenty times a second while it waits for others to end their tasks.
struct WhileWaiting {
    void (*call)(void* context) noexcept = nullptr;
    void* context = nullptr;
};

/// As many threads as OpenMP would use, where the library was built with OpenMP; else the calling
/// thread.
///
/// The threads are the library's own: OpenMP's wait for each other at the end of every loop, also
/// for those that have done nothing, which takes a time slice where other programs keep the
/// processors busy. These sleep between loops, join one with a task or not at all, and serve
/// whichever threads of the program call; a forked child has its own.
///
/// One thread, one task, and loops inside of others run on the calling thread.
class OpenMpExecutor {
  public:
    /// @param n_threads  0 takes default_threads(), anew in every run, but only while several
    ///                   threads are seen to be faster than one: where others keep the processors
    ///                   busy, loops run on the calling thread for a while.
    explicit OpenMpExecutor(int n_threads = 0, WhileWaiting waiting = {}) noexcept;

    void run(std::size_t n_tasks, Task task, void* context) const noexcept;

    /// The number that was asked of OpenMP, by OMP_NUM_THREADS or omp_set_num_threads (which is
    /// what threadpoolctl calls). Where none was, the processors that the affinity allows, but no
    /// more than the quota of the process's control group (a container's limit). 1 without OpenMP.
    ///
    /// The affinity is that of when OpenMP was loaded; the quota is read once, by the first call or
    /// the first executor that takes the default. Asking omp_set_num_threads for exactly as many as
    /// there are processors cannot be told from asking nothing.
    static int default_threads() noexcept;

    /// Whether the library was built with OpenMP.
    static bool available() noexcept;

  private:
    // Not used without OpenMP.
    [[maybe_unused]] int n_threads_;
    [[maybe_unused]] WhileWaiting waiting_;
};
static_assert(Executor<OpenMpExecutor>);

/// Borrows any executor, so that compiled code need not be a template over it. One without a state,
/// as SerialExecutor, need not outlive it.
class ExecutorRef {
  public:
    template <Executor E>
        requires(!std::same_as<E, ExecutorRef>)
    ExecutorRef(const E& executor) noexcept  // NOLINT(google-explicit-constructor): a view
        : executor_(has_no_state<E> ? nullptr : std::addressof(executor)),
          run_([]([[maybe_unused]] const void* object, std::size_t n_tasks, Task task,
                  void* context) noexcept {
              if constexpr (has_no_state<E>) {
                  E{}.run(n_tasks, task, context);
              } else {
                  static_cast<const E*>(object)->run(n_tasks, task, context);
              }
          }) {}

    void run(std::size_t n_tasks, Task task, void* context) const noexcept {
        run_(executor_, n_tasks, task, context);
    }

  private:
    template <class E>
    static constexpr bool has_no_state =
        std::is_empty_v<E> && std::is_nothrow_default_constructible_v<E>;

    const void* executor_;
    void (*run_)(const void*, std::size_t, Task, void*) noexcept;
};

/// Rows cut into fixed blocks. The cut depends on the shape of the rows alone, never on the
/// threads: whatever is reduced per block and then over blocks in order has the same bits on any
/// executor.
class RowBlocks {
  public:
    /// @param row_bytes bytes a scan reads of one row
    RowBlocks(std::size_t n_rows, std::size_t row_bytes) noexcept
        : n_rows_(n_rows),
          rows_per_block_(std::clamp<std::size_t>(block_bytes / std::max<std::size_t>(row_bytes, 1),
                                                  min_rows, max_rows)) {}

    /// Blocks of one row each, for rows that stand for larger pieces of work.
    static RowBlocks one_by_one(std::size_t n_rows) noexcept {
        RowBlocks blocks(n_rows, 0);
        blocks.rows_per_block_ = 1;
        return blocks;
    }

    /// At least as many blocks as any rows are cut into that are no more, and have no more bytes.
    static std::size_t most(std::size_t n_rows, std::size_t n_bytes) noexcept {
        // A block is filled to 16 / 17 at least, but for the last: min_rows or more fit into it.
        static_assert(min_rows >= 16);
        return n_rows / max_rows + n_bytes / block_bytes * 17 / 16 + 3;
    }

    std::size_t count() const noexcept { return (n_rows_ + rows_per_block_ - 1) / rows_per_block_; }
    std::size_t begin(std::size_t block) const noexcept { return block * rows_per_block_; }
    std::size_t end(std::size_t block) const noexcept {
        return std::min(n_rows_, (block + 1) * rows_per_block_);
    }

  private:
    // A block is long enough to hide the cost of handing it out (about a microsecond against tens),
    // and short enough to stay in the second-level cache when it is read more than once.
    static constexpr std::size_t block_bytes = 256 * 1024;
    static constexpr std::size_t min_rows = 16;
    static constexpr std::size_t max_rows = 4096;

    std::size_t n_rows_;
    std::size_t rows_per_block_;
};

/// body(begin, end, block) for every block of rows. The body must not throw: nothing could catch
/// it.
template <class Body>
void for_each_block(ExecutorRef executor, const RowBlocks& blocks, Body&& body) noexcept {
    static_assert(std::is_nothrow_invocable_v<Body&, std::size_t, std::size_t, std::size_t>,
                  "the body of a parallel loop must be noexcept");
    struct Context {
        const RowBlocks& blocks;
        std::remove_reference_t<Body>& body;
    } context{blocks, body};
    executor.run(
        blocks.count(),
        [](void* opaque, std::size_t block) noexcept {
            auto& c = *static_cast<Context*>(opaque);
            c.body(c.blocks.begin(block), c.blocks.end(block), block);
        },
        &context);
}

}  // namespace exemplar_svm
