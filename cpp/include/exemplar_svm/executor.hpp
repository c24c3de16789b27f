#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <memory>
#include <type_traits>

namespace exemplar_svm {

/// One iteration of a parallel loop: called with the caller's context and the iteration's number.
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

/// Called about twenty times a second while a thread waits for the others' tasks to end.
struct WhileWaiting {
    void (*call)(void* context) noexcept = nullptr;
    void* context = nullptr;
};

/// As many threads as OpenMP would use, if the library was built with OpenMP; otherwise the calling
/// thread.
///
/// The threads are the library's own, not OpenMP's. OpenMP's threads wait for each other at the end
/// of every loop, even for threads that did nothing, which costs a time slice on busy processors.
/// The library's threads sleep between loops, join a loop only with a task, and serve any thread of
/// the program. A forked child makes its own.
///
/// One thread, one task, and nested loops run on the calling thread.
class OpenMpExecutor {
  public:
    /// @param n_threads  0 asks default_threads() in every run, and uses that number only while
    ///                   several threads are faster than one: on busy processors, loops run on the
    ///                   calling thread for a while.
    explicit OpenMpExecutor(int n_threads = 0, WhileWaiting waiting = {}) noexcept;

    void run(std::size_t n_tasks, Task task, void* context) const noexcept;

    /// The number set by OMP_NUM_THREADS or omp_set_num_threads (which threadpoolctl calls). If
    /// none is set: the processors that the affinity allows, capped by the quota of the control
    /// group (a container's limit). 1 without OpenMP.
    ///
    /// The affinity is read when OpenMP is loaded; the quota once, by the first call or the first
    /// executor that takes the default. The quota also caps omp_set_num_threads with n if n is
    /// exactly the number of processors, because that looks like the default.
    static int default_threads() noexcept;

    /// Whether the library was built with OpenMP.
    static bool available() noexcept;

  private:
    // Unused without OpenMP.
    [[maybe_unused]] int n_threads_;
    [[maybe_unused]] WhileWaiting waiting_;
};
static_assert(Executor<OpenMpExecutor>);

/// Borrows any executor, so that compiled code need not be a template over it. A stateless executor
/// such as SerialExecutor need not outlive it.
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

/// Rows cut into fixed blocks. The cut depends on the shape of the rows only, never on the threads,
/// so a sum per block and then over blocks in order has the same bits on any executor.
class RowBlocks {
  public:
    /// @param row_bytes bytes a scan reads of one row
    RowBlocks(std::size_t n_rows, std::size_t row_bytes) noexcept
        : n_rows_(n_rows),
          rows_per_block_(std::clamp<std::size_t>(block_bytes / std::max<std::size_t>(row_bytes, 1),
                                                  min_rows, max_rows)) {}

    /// Blocks of one row, where each row stands for a larger piece of work.
    static RowBlocks one_by_one(std::size_t n_rows) noexcept {
        RowBlocks blocks(n_rows, 0);
        blocks.rows_per_block_ = 1;
        return blocks;
    }

    /// Bound on count() for at most this many rows with at most this many bytes.
    static std::size_t most(std::size_t n_rows, std::size_t n_bytes) noexcept {
        // min_rows or more fit into a block, so all blocks but the last are at least 16 / 17 full.
        static_assert(min_rows >= 16);
        return n_rows / max_rows + n_bytes / block_bytes * 17 / 16 + 3;
    }

    std::size_t count() const noexcept { return (n_rows_ + rows_per_block_ - 1) / rows_per_block_; }
    std::size_t begin(std::size_t block) const noexcept { return block * rows_per_block_; }
    std::size_t end(std::size_t block) const noexcept {
        return std::min(n_rows_, (block + 1) * rows_per_block_);
    }

  private:
    // A block takes tens of microseconds, which hides the microsecond of handing it out, and stays
    // in the second-level cache when it is read more than once.
    static constexpr std::size_t block_bytes = 256 * 1024;
    static constexpr std::size_t min_rows = 16;
    static constexpr std::size_t max_rows = 4096;

    std::size_t n_rows_;
    std::size_t rows_per_block_;
};

/// Calls body(begin, end, block) for every block of rows. Nothing could catch an exception of the
/// body, so it must be noexcept.
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
