#pragma once

#include <cstddef>

#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/stop_condition.hpp"

namespace exemplar_svm {

/// Skips the tasks that would begin after a stop condition is reached. Callers must check which
/// tasks ran.
class StoppableExecutor {
  public:
    StoppableExecutor(ExecutorRef executor, const StopCondition& stop) noexcept
        : executor_(executor), stop_(stop) {}

    void run(std::size_t n_tasks, Task task, void* context) const noexcept {
        if (!stop_.is_set()) return executor_.run(n_tasks, task, context);
        struct Guarded {
            const StopCondition& stop;
            Task task;
            void* context;
        } guarded{stop_, task, context};
        // About the shortest task, so a lookout that reads a clock costs little beside it.
        static constexpr unsigned microseconds = 50;
        executor_.run(
            n_tasks,
            [](void* opaque, std::size_t index) noexcept {
                const auto& guarded_task = *static_cast<Guarded*>(opaque);
                if (!guarded_task.stop.reached(microseconds))
                    guarded_task.task(guarded_task.context, index);
            },
            &guarded);
    }

  private:
    ExecutorRef executor_;
    StopCondition stop_;
};

}  // namespace exemplar_svm
