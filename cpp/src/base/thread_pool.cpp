#include "base/thread_pool.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <new>
#include <thread>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#include <signal.h>
#define EXEMPLAR_SVM_HAS_FORK 1
#endif

namespace exemplar_svm {
namespace {

using Clock = std::chrono::steady_clock;

/// Longer than the usual difference between the last tasks of a loop, and far shorter than the time
/// slice that a thread waits for after it has lost its processor.
constexpr std::chrono::microseconds longest_spin{50};
constexpr std::chrono::milliseconds between_calls{50};

double seconds(Clock::duration duration) noexcept {
    return std::chrono::duration<double>(duration).count();
}

// The pool is made without a lock, because a fork could copy a held one.
std::atomic<ThreadPool*> pool{nullptr};
std::atomic<unsigned> forks{0};
thread_local bool inside_loop = false;

#if defined(EXEMPLAR_SVM_HAS_FORK)
// Registered when the library is loaded: a later registration could be under way in one thread
// while another forks. The child does not touch what is left of the parent's pool, whose threads
// are gone and whose locks may be held.
[[maybe_unused]] const int registered = pthread_atfork(nullptr, nullptr, [] {
    pool.store(nullptr, std::memory_order_relaxed);
    forks.fetch_add(1, std::memory_order_relaxed);
});
#endif

/// Signals belong to the program's threads: threads created in this scope inherit a full mask.
class SignalsBlocked {
  public:
#if defined(EXEMPLAR_SVM_HAS_FORK)
    SignalsBlocked() noexcept {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

  private:
    sigset_t before_;
#else
    SignalsBlocked() noexcept {}
    ~SignalsBlocked() {}
#endif
  public:
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;
};

}  // namespace

/// On the stack of the thread that runs the loop. A helper joins only with a task in hand, and
/// leaves after its last task.
struct ThreadPool::Loop {
    std::size_t n_tasks;
    Task task;
    void* context;
    std::size_t n_wanted;       // helpers still wanted; the pool's mutex guards it and the next two
    Loop* following = nullptr;  // in the list of loops that helpers may join
    bool is_open = true;        // whether the loop is in that list
    std::atomic<std::size_t> next{0};    // the first task not yet taken
    std::atomic<std::size_t> inside{0};  // helpers that run its tasks

    /// Returns whether a task was left.
    bool take(std::size_t& index) noexcept {
        index = next.fetch_add(1, std::memory_order_relaxed);
        return index < n_tasks;
    }

    /// Runs tasks, beginning with `index`, which was taken; returns their number.
    std::size_t run(std::size_t index) noexcept {
        std::size_t n = 0;
        inside_loop = true;
        do {
            task(context, index);
            ++n;
        } while (take(index));
        inside_loop = false;
        return n;
    }
};

ThreadPool* ThreadPool::of_process() noexcept {
    if (inside_loop) return nullptr;
    ThreadPool* found = pool.load(std::memory_order_acquire);
    if (found != nullptr) return found;
    auto* const made = new (std::nothrow) ThreadPool();
    if (made == nullptr) return nullptr;
    if (pool.compare_exchange_strong(found, made, std::memory_order_acq_rel)) return made;
    delete made;
    return found;
}

unsigned ThreadPool::n_forks() noexcept { return forks.load(std::memory_order_relaxed); }

LoopTimes ThreadPool::run(std::size_t n_tasks, int n_threads, bool all, Task task, void* context,
                          const WhileWaiting& waiting) noexcept {
    LoopTimes times;
    const unsigned forks_before = n_forks();
    const Clock::time_point begin = Clock::now();
    Loop loop{n_tasks, task, context, static_cast<std::size_t>(n_threads) - 1};
    std::size_t index = 0;
    loop.take(index);
    std::size_t n_to_wake = 0;
    {
        const std::lock_guard lock(mutex_);
        loop.following = first_;
        first_ = &loop;
        n_called_ += loop.n_wanted;
        grow(all ? n_called_ + n_inside_ : loop.n_wanted);
        n_to_wake = std::min(loop.n_wanted, n_helpers_);
    }
    for (std::size_t h = 0; h < n_to_wake; ++h) work_.notify_one();
    const Clock::time_point called = Clock::now();
    times.n_own = loop.run(index);
    const Clock::time_point out_of_tasks = Clock::now();
    // A task or a WhileWaiting may have forked: the child has no helpers.
    const auto is_lost = [&]() noexcept { return n_forks() != forks_before; };
    if (!is_lost()) {
        const std::lock_guard lock(mutex_);
        if (loop.is_open) withdraw(loop);
    }
    const auto is_done = [&]() noexcept {
        return loop.inside.load(std::memory_order_acquire) == 0;
    };
    while (!is_lost() && !is_done()) {
        if (Clock::now() - out_of_tasks < longest_spin) continue;
        std::unique_lock lock(mutex_);
        if (done_.wait_for(lock, between_calls, is_done)) break;
        lock.unlock();
        if (waiting.call != nullptr) waiting.call(waiting.context);
    }
    times.to_call = seconds(called - begin);
    times.of_task = seconds(out_of_tasks - called) / static_cast<double>(times.n_own);
    times.waiting = seconds(Clock::now() - out_of_tasks);
    times.n_helped = n_tasks - times.n_own;
    return times;
}

/// Under the lock. If the system has no more threads, the pool makes do with those it has.
void ThreadPool::grow(std::size_t n_helpers) noexcept {
    if (n_helpers_ >= n_helpers) return;
    const SignalsBlocked blocked;
    try {
        for (; n_helpers_ < n_helpers; ++n_helpers_) std::thread([this] { help(); }).detach();
    } catch (const std::exception&) {}
}

/// The endless loop of a helper.
void ThreadPool::help() noexcept {
    for (;;) {
        Loop* loop = nullptr;
        std::size_t index = 0;
        {
            std::unique_lock lock(mutex_);
            work_.wait(lock, [&]() noexcept { return join(loop, index); });
            ++n_inside_;
        }
        loop->run(index);
        bool was_last = false;
        {
            const std::lock_guard lock(mutex_);
            --n_inside_;
            // The loop may be destroyed as soon as no helper is inside.
            was_last = loop->inside.fetch_sub(1, std::memory_order_acq_rel) == 1;
        }
        if (was_last) done_.notify_all();
    }
}

/// Under the lock. Returns whether a task was left to join with.
bool ThreadPool::join(Loop*& loop, std::size_t& index) noexcept {
    while (first_ != nullptr) {
        loop = first_;
        const bool taken = loop->take(index);
        if (taken) {
            loop->inside.fetch_add(1, std::memory_order_relaxed);
            --loop->n_wanted;
            --n_called_;
        }
        if (!taken || loop->n_wanted == 0) withdraw(*loop);
        if (taken) return true;
    }
    return false;
}

/// Under the lock. No helper joins the loop any more.
void ThreadPool::withdraw(Loop& loop) noexcept {
    n_called_ -= loop.n_wanted;
    Loop** place = &first_;
    while (*place != &loop) place = &(*place)->following;
    *place = loop.following;
    loop.is_open = false;
}

}  // namespace exemplar_svm
