#pragma once

#include <pybind11/pybind11.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <utility>

#include "exemplar_svm/executor.hpp"
#include "interpreter.hpp"

namespace exemplar_svm::python {

/// OpenMP threads, and a Python function that is called with the progress of a pass over the rows:
/// report(pass, fraction), with passes counted from 1, at most five times a second. The thread that
/// owns the work reports; an exception in the function stops the work.
class ReportingExecutor {
  public:
    ReportingExecutor(OpenMpExecutor threads, py::handle report, Work& work)
        : threads_(threads), report_(report), work_(work) {}

    void run(std::size_t n_tasks, Task task, void* context) const noexcept {
        ++n_passes_;
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
    static constexpr std::chrono::milliseconds pause{200};

    struct Pass {
        const ReportingExecutor& executor;
        Task task;
        void* context;
        std::size_t n_tasks;
        std::atomic<std::size_t> n_done{0};
    };

    void report(std::size_t n_done, std::size_t n_tasks) const noexcept {
        if (!work_.is_on_own_thread() || Clock::now() < next_) return;
        const double part = static_cast<double>(n_done) / static_cast<double>(n_tasks);
        work_.call_python([&] {
            PyObject* const answer = PyObject_CallFunction(
                report_.ptr(), "nd", static_cast<Py_ssize_t>(n_passes_), part);
            Py_XDECREF(answer);
            return answer != nullptr;
        });
        next_ = Clock::now() + pause;
    }

    OpenMpExecutor threads_;
    py::handle report_;
    Work& work_;
    mutable Clock::time_point next_ = Clock::now() + pause;
    mutable std::size_t n_passes_ = 0;
};
static_assert(Executor<ReportingExecutor>);

}  // namespace exemplar_svm::python
