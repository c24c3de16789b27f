#include "exemplar_svm/executor.hpp"

// The only file that includes omp.h.
#if defined(_OPENMP)
#include <omp.h>

#include <cstdlib>

#include "base/cpu_quota.hpp"
#include "base/payoff.hpp"
#include "base/thread_pool.hpp"
#endif

namespace exemplar_svm {

#if defined(_OPENMP)
namespace {

struct UnaskedThreads {
    int of_openmp;  // omp_get_max_threads() as long as nobody has set a number
    int of_quota;   // used in its place
};

// Computed when the library is loaded: reading the quota opens files, counting the processors is a
// system call, and the initialisation of a local static holds a lock, which a fork could copy.
const UnaskedThreads unasked_threads = []() noexcept {
    const int processors = omp_get_num_procs();
    // OpenMP ignores a variable set after it was loaded, so only a value equal to its own number
    // counts.
    const char* asked = std::getenv("OMP_NUM_THREADS");
    const bool asks_for_all = asked != nullptr && std::strtol(asked, nullptr, 10) == processors;
    return UnaskedThreads{processors,
                          asks_for_all ? processors : std::min(processors, cpu_quota())};
}();

Payoff payoff;

}  // namespace

OpenMpExecutor::OpenMpExecutor(int n_threads, WhileWaiting waiting) noexcept
    : n_threads_(n_threads), waiting_(waiting) {}

bool OpenMpExecutor::available() noexcept { return true; }

int OpenMpExecutor::default_threads() noexcept {
    const int threads = omp_get_max_threads();
    return threads == unasked_threads.of_openmp ? unasked_threads.of_quota : threads;
}

void OpenMpExecutor::run(std::size_t n_tasks, Task task, void* context) const noexcept {
    const bool is_asked = n_threads_ > 0;
    const int wanted = is_asked ? n_threads_ : default_threads();
    const int n_threads = static_cast<int>(
        std::min<std::size_t>(n_tasks, static_cast<std::size_t>(std::max(wanted, 1))));
    ThreadPool* pool = nullptr;
    if (n_threads > 1 && !omp_in_parallel() && (is_asked || payoff.expects_gain())) {
        pool = ThreadPool::of_process();
    }
    if (pool == nullptr) return SerialExecutor{}.run(n_tasks, task, context);
    const LoopTimes times = pool->run(n_tasks, n_threads, is_asked, task, context, waiting_);
    if (!is_asked) payoff.learn(times);
}

#else

OpenMpExecutor::OpenMpExecutor(int n_threads, WhileWaiting waiting) noexcept
    : n_threads_(n_threads), waiting_(waiting) {}

bool OpenMpExecutor::available() noexcept { return false; }

int OpenMpExecutor::default_threads() noexcept { return 1; }

void OpenMpExecutor::run(std::size_t n_tasks, Task task, void* context) const noexcept {
    SerialExecutor{}.run(n_tasks, task, context);
}

#endif

}  // namespace exemplar_svm
