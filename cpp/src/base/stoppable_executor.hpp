#pragma once

#include <cstddef>

#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/stop_condition.hpp"

namespace exemplar_svm {

/// Leaves out the tasks that would begin after a stop condition is reached. Who uses it has to look
/// which tasks have run.
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
        // The shortest tasks take so long, and a clock is soon read beside others.
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
