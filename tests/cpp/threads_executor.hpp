#pragma once

#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

#include "exemplar_svm/executor.hpp"

namespace exemplar_svm::reference {

/// An executor such as a program with its own threads might bring.
struct ThreadsExecutor {
    std::size_t n_threads;

    void run(std::size_t n_tasks, Task task, void* context) const noexcept {
        std::atomic<std::size_t> next{0};
        std::vector<std::thread> threads;
        for (std::size_t t = 0; t < n_threads; ++t) {
            threads.emplace_back([&] {
                for (std::size_t i; (i = next.fetch_add(1)) < n_tasks;) task(context, i);
            });
        }
        for (std::thread& thread : threads) thread.join();
    }
};
static_assert(Executor<ThreadsExecutor>);

}  // namespace exemplar_svm::reference
