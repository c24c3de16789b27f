#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>

#include "exemplar_svm/executor.hpp"

namespace exemplar_svm {

/// How a loop went, in seconds.
struct LoopTimes {
    double to_call = 0.0;      ///< what calling the helpers took
    double of_task = 0.0;      ///< what a task took on the calling thread, on average
    double waiting = 0.0;      ///< from the end of its last task to that of the loop
    std::size_t n_own = 0;     ///< tasks that the calling thread has run
    std::size_t n_helped = 0;  ///< tasks that others have run
};

/// Threads that sleep until there is a loop to help with. One pool serves all threads of the
/// process: who calls run() takes part in the loop, and waits for no helper but those that are in
/// the middle of a task.
///
/// The pool is never destroyed, since its threads may outlive the static variables. A fork copies
/// the calling thread alone: the child has no pool, and makes another when it needs one.
class ThreadPool {
  public:
    /// Null if there is no memory for it, or if the calling thread is inside a loop.
    static ThreadPool* of_process() noexcept;

    /// How often the process has become a child since the library was loaded.
    static unsigned n_forks() noexcept;

    /// Runs a loop on up to `n_threads`, the calling one included; on fewer if the system has no
    /// more threads to give. Allocates only where the pool has to grow.
    /// @param all  has so many threads even if others run loops at the same time; else they share
    LoopTimes run(std::size_t n_tasks, int n_threads, bool all, Task task, void* context,
                  const WhileWaiting& waiting) noexcept;

  private:
    struct Loop;

    ThreadPool() = default;

    void grow(std::size_t n_helpers) noexcept;
    void help() noexcept;
    bool join(Loop*& loop, std::size_t& index) noexcept;
    void withdraw(Loop& loop) noexcept;

    std::mutex mutex_;
    std::condition_variable work_, done_;
    Loop* first_ = nullptr;      // of the loops that helpers may join
    std::size_t n_called_ = 0;   // helpers that these loops ask for, and have not got
    std::size_t n_inside_ = 0;   // helpers that are inside of loops
    std::size_t n_helpers_ = 0;  // threads
};

}  // namespace exemplar_svm
