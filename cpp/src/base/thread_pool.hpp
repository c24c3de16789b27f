#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>

#include "exemplar_svm/executor.hpp"

namespace exemplar_svm {

/// The times of one loop, in seconds.
struct LoopTimes {
    double to_call = 0.0;  ///< to call the helpers
    double of_task = 0.0;  ///< per task on the calling thread, on average
    double waiting =
        0.0;  ///< from the end of the calling thread's last task to the end of the loop
    std::size_t n_own = 0;     ///< tasks run by the calling thread
    std::size_t n_helped = 0;  ///< tasks run by helpers
};

/// Threads that sleep until a loop needs help. One pool serves all threads of the process. The
/// thread that calls run() takes part in the loop, and waits only for helpers in the middle of a
/// task.
///
/// The pool is never destroyed, because its threads may outlive static variables. A fork copies
/// only the calling thread: the child has no pool, and makes one when it needs it.
class ThreadPool {
  public:
    /// Null if memory has run out, or if the calling thread is inside a loop.
    static ThreadPool* of_process() noexcept;

    /// The forks between the process that loaded the library and this one.
    static unsigned n_forks() noexcept;

    /// Runs a loop on up to `n_threads` threads, the calling one included; on fewer if the system
    /// has no more. Allocates only to grow the pool.
    /// @param all  use that many threads even if other loops run at the same time; otherwise share
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
    std::size_t n_called_ = 0;   // helpers that these loops still want
    std::size_t n_inside_ = 0;   // helpers that run tasks
    std::size_t n_helpers_ = 0;  // threads of the pool
};

}  // namespace exemplar_svm
