#pragma once

#include <pybind11/pybind11.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <utility>

#include "exemplar_svm/executor.hpp"

namespace exemplar_svm::python {

namespace py = pybind11;

/// OpenMP threads, and a Python function that is told now and then how far a pass over the rows has
/// come: report(pass, part of it), passes counted from 1. What takes less than a fifth of a second
/// is not reported. To be used without the interpreter lock, which it takes to report.
class ReportingExecutor {
  public:
    ReportingExecutor(OpenMpExecutor threads, py::function report)
        : threads_(threads), report_(std::move(report)) {}

    void run(std::size_t n_tasks, Task task, void* context) const noexcept {
        ++pass_;
        Pass pass{*this, task, context, n_tasks};
        threads_.run(
            n_tasks,
            [](void* opaque, std::size_t index) noexcept {
                auto& running = *static_cast<Pass*>(opaque);
                running.task(running.context, index);
                const std::size_t n_done = 1 + running.n_done.fetch_add(1);
                running.executor.report(n_done, running.n_tasks);
            },
            &pass);
    }

  private:
    using Clock = std::chrono::steady_clock;

    struct Pass {
        const ReportingExecutor& executor;
        Task task;
        void* context;
        std::size_t n_tasks;
        std::atomic<std::size_t> n_done{0};
    };

    void report(std::size_t n_done, std::size_t n_tasks) const noexcept {
        constexpr std::chrono::milliseconds pause{200};
        const auto now = (Clock::now() - begin_) / pause;
        auto last = last_.load();
        // One thread reports, and the others go on.
        if (now <= last || !last_.compare_exchange_strong(last, now)) return;
        const py::gil_scoped_acquire locked;
        try {
            report_(pass_.load(), static_cast<double>(n_done) / static_cast<double>(n_tasks));
        } catch (py::error_already_set& error) {
            error.discard_as_unraisable("progress");
        }
    }

    OpenMpExecutor threads_;
    py::function report_;
    Clock::time_point begin_ = Clock::now();
    mutable std::atomic<std::size_t> pass_{0};
    mutable std::atomic<Clock::rep> last_{0};
};
static_assert(Executor<ReportingExecutor>);

}  // namespace exemplar_svm::python
