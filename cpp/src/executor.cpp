#include "exemplar_svm/executor.hpp"

#include <cstdint>

// The only file that knows OpenMP.
#if defined(_OPENMP)
#include <omp.h>

#include <atomic>
#include <cstdlib>

#include "cpu_quota.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#define EXEMPLAR_SVM_HAS_FORK 1
#endif
#endif

namespace exemplar_svm {

#if defined(_OPENMP)
namespace {

// A fork copies the calling thread alone. The OpenMP runtime of the child still believes in the
// threads of its parent and waits for them for ever, so a child of a process that has used OpenMP
// must not use it.
std::atomic<bool> threads_lost_in_fork{false};

void watch_for_forks() noexcept {
#if defined(EXEMPLAR_SVM_HAS_FORK)
    static const int registered =
        pthread_atfork(nullptr, nullptr, [] { threads_lost_in_fork.store(true); });
    (void)registered;
#endif
}

struct UnaskedThreads {
    int of_openmp;  // what omp_get_max_threads() says while nobody has asked for a number
    int of_quota;   // what is used instead
};

// Read once: reading the quota opens files, and counting the processors is a system call.
const UnaskedThreads& unasked_threads() noexcept {
    static const UnaskedThreads threads = [] {
        const int processors = omp_get_num_procs();
        // A variable that was set after OpenMP had read it asks nothing: another number than
        // OpenMP's is not looked at.
        const char* asked = std::getenv("OMP_NUM_THREADS");
        const bool asks_for_all = asked != nullptr && std::strtol(asked, nullptr, 10) == processors;
        return UnaskedThreads{processors,
                              asks_for_all ? processors : std::min(processors, cpu_quota())};
    }();
    return threads;
}

}  // namespace

// Whoever may need the quota reads it here, so that no run opens files or allocates.
OpenMpExecutor::OpenMpExecutor(int n_threads) noexcept : n_threads_(n_threads) {
    if (n_threads <= 0) unasked_threads();
}

bool OpenMpExecutor::available() noexcept { return true; }

int OpenMpExecutor::default_threads() noexcept {
    const int threads = omp_get_max_threads();
    const UnaskedThreads& unasked = unasked_threads();
    return threads == unasked.of_openmp ? unasked.of_quota : threads;
}

void OpenMpExecutor::run(std::size_t n_tasks, Task task, void* context) const noexcept {
    const int wanted = n_threads_ > 0 ? n_threads_ : default_threads();
    const int n_threads = static_cast<int>(
        std::min<std::size_t>(n_tasks, static_cast<std::size_t>(std::max(wanted, 1))));
    if (n_threads <= 1 || omp_in_parallel() ||
        threads_lost_in_fork.load(std::memory_order_relaxed)) {
        SerialExecutor{}.run(n_tasks, task, context);
        return;
    }
    watch_for_forks();
    const auto n = static_cast<std::int64_t>(n_tasks);  // MSVC's OpenMP wants a signed counter
#pragma omp parallel for schedule(dynamic, 1) num_threads(n_threads)
    for (std::int64_t i = 0; i < n; ++i) task(context, static_cast<std::size_t>(i));
}

#else

OpenMpExecutor::OpenMpExecutor(int n_threads) noexcept : n_threads_(n_threads) {}

bool OpenMpExecutor::available() noexcept { return false; }

int OpenMpExecutor::default_threads() noexcept { return 1; }

void OpenMpExecutor::run(std::size_t n_tasks, Task task, void* context) const noexcept {
    SerialExecutor{}.run(n_tasks, task, context);
}

#endif

}  // namespace exemplar_svm
