#pragma once

#include <algorithm>
#include <atomic>
#include <exemplar_svm/executor.hpp>
#include <latch>

#include "thread_pool.hpp"

/// Runs a search on the threads of a pool. The calling thread takes part and waits for the pool's
/// threads, so it must not be one of them.
class PoolExecutor {
  public:
    explicit PoolExecutor(ThreadPool& pool) : pool_(pool) {}

    void run(std::size_t n_tasks, exemplar_svm::Task task, void* context) const noexcept {
        std::atomic<std::size_t> next{0};
        const auto work = [&] {
            for (std::size_t i; (i = next.fetch_add(1)) < n_tasks;) task(context, i);
        };
        const std::size_t n_helpers = n_tasks > 1 ? std::min(n_tasks - 1, pool_.size()) : 0;
        std::latch done(static_cast<std::ptrdiff_t>(n_helpers));
        for (std::size_t t = 0; t < n_helpers; ++t) {
            pool_.submit([&] { work(), done.count_down(); });
        }
        work();
        done.wait();
    }

  private:
    ThreadPool& pool_;
};
static_assert(exemplar_svm::Executor<PoolExecutor>);
