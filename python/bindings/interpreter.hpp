#pragma once

// Long work without the interpreter's lock, which still answers signals, ends with the process, and
// stops when Python raises.

#include <pybind11/pybind11.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>
#include <variant>

#if !defined(_WIN32)
#include <unistd.h>
#endif

#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/stop_condition.hpp"

namespace exemplar_svm::python {

namespace py = pybind11;

/// Calls a function that may ask for the interpreter's lock. While the interpreter is ending,
/// Python up to 3.13 ends a thread that asks, by unwinding its stack: through destructors that need
/// the lock and noexcept frames, which would abort the process. Such a thread sleeps here instead
/// until the process is gone, as threads do by themselves from Python 3.14 on.
template <class Function>
auto asking_for_lock(Function&& function) noexcept {
    try {
        return function();
    } catch (...) {
        for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
    }
}

/// Releases the interpreter's lock for as long as it lives.
class WithoutLock {
  public:
    WithoutLock() noexcept : thread_(PyEval_SaveThread()) {}
    ~WithoutLock() {
        asking_for_lock([&] { PyEval_RestoreThread(thread_); });
    }
    WithoutLock(const WithoutLock&) = delete;
    WithoutLock& operator=(const WithoutLock&) = delete;

    /// Takes the lock back for one call of the C interface, which must not throw.
    template <class Function>
    auto with_lock(Function&& function) noexcept {
        return asking_for_lock([&] {
            PyEval_RestoreThread(thread_);
            const auto result = function();
            thread_ = PyEval_SaveThread();
            return result;
        });
    }

  private:
    PyThreadState* thread_;
};

/// Work on behalf of a Python thread, without the lock. About ten times a second, the thread checks
/// for signals to handle, as Python itself does between two instructions. An exception in a handler
/// (KeyboardInterrupt) stops the work. Only the main thread checks, since no other handles signals.
class Work {
  public:
    Work() = default;
    Work(const Work&) = delete;
    Work& operator=(const Work&) = delete;

    /// Stops when Python has raised, and when `given` does.
    StopCondition stop(StopCondition given = {}) noexcept {
        given.flag = &stopped_;
        given.lookout = &lookout_;
        return given;
    }

    /// To be called while waiting for other threads.
    WhileWaiting waiting() noexcept {
        return {[](void* work) noexcept { static_cast<Work*>(work)->look(); }, this};
    }

    bool is_on_own_thread() const noexcept { return std::this_thread::get_id() == owner_; }

    /// Calls a function of the C interface with the lock; the function returns false if it has
    /// raised. An exception stops the work, and is left for end(). Only for the thread that owns
    /// the work.
    template <class Function>
    void call_python(Function&& function) noexcept {
        if (stopped_.load(std::memory_order_relaxed)) return;
        const bool well = lock_->with_lock([&] {
            const bool raised_nothing = function();
            if (process() == process_) return raised_nothing;
            // The other threads that worked for this call do not exist in the child.
            PyErr_SetString(PyExc_RuntimeError,
                            "this process was forked during a call, which the child cannot finish");
            return false;
        });
        if (!well) stopped_.store(true, std::memory_order_relaxed);
    }

    /// Takes the lock back, and throws what Python has raised.
    void end() {
        lock_.reset();
        if (stopped_.load(std::memory_order_relaxed)) throw py::error_already_set();
    }

  private:
    using Clock = StopCondition::Clock;

    // Often enough to answer within a second, and seldom enough not to matter: a look waits for the
    // lock, up to five milliseconds if other Python threads are busy.
    static constexpr std::chrono::milliseconds between_looks{100};

    void look() noexcept {
        if (next_look_ == never) return;
        call_python([&] {
            if (!has_looked_ && !find_out_whether_main()) return false;
            return !is_main_ || PyErr_CheckSignals() == 0;
        });
        has_looked_ = true;
        next_look_ = is_main_ ? Clock::now() + between_looks : never;
    }

    /// Returns false if something was raised: Python handles signals on the way.
    bool find_out_whether_main() noexcept {
        PyObject* const threading = PyImport_ImportModule("threading");
        PyObject* const main =
            threading == nullptr ? nullptr : PyObject_CallMethod(threading, "main_thread", nullptr);
        PyObject* const ident = main == nullptr ? nullptr : PyObject_GetAttrString(main, "ident");
        if (ident != nullptr) {
            is_main_ = PyLong_AsUnsignedLong(ident) == PyThread_get_thread_ident();
        }
        Py_XDECREF(ident);
        Py_XDECREF(main);
        Py_XDECREF(threading);
        return PyErr_Occurred() == nullptr;
    }

    static long process() noexcept {
#if defined(_WIN32)
        return 0;  // there is no fork
#else
        return getpid();
#endif
    }

    static constexpr Clock::time_point never = Clock::time_point::max();

    const long process_ = process();
    const std::thread::id owner_ = std::this_thread::get_id();
    std::atomic<bool> stopped_{false};
    bool has_looked_ = false, is_main_ = true;
    Clock::time_point next_look_ = Clock::now() + between_looks;
    Lookout lookout_{[](void* opaque) noexcept {
                         auto& work = *static_cast<Work*>(opaque);
                         if (Clock::now() >= work.next_look_) work.look();
                     },
                     this};
    std::optional<WithoutLock> lock_{std::in_place};
};

/// Work on fewer values than these ends before another thread could have taken the lock.
inline constexpr std::size_t few_values = 100'000;

/// Calls `function()`, without the interpreter's lock if that is worth it. For work that is too
/// short to be interrupted.
template <class Function>
auto without_gil_if(bool worth_it, Function&& function) {
    std::optional<WithoutLock> unlocked;
    if (worth_it) unlocked.emplace();
    return function();
}

/// Frees what a variant of pointers holds: returning much memory to the system takes long.
template <class Held, class CountRows>
void free_without_gil(Held& held, CountRows&& n_rows) {
    std::visit(
        [&](auto& pointer) {
            if (pointer == nullptr) return;
            without_gil_if(n_rows(pointer) > few_values, [&] { pointer.reset(); });
        },
        held);
}

/// Runs `function()` as `work`, and throws what Python has raised meanwhile.
template <class Function>
auto run(Work& work, Function&& function) {
    using Result = std::invoke_result_t<Function&>;
    try {
        if constexpr (std::is_void_v<Result>) {
            function();
            work.end();
        } else {
            Result result = function();
            work.end();
            return result;
        }
    } catch (const Stopped&) {
        work.end();
        throw;
    }
}

/// Runs `function(executor, stop)` without the interpreter's lock, on `n_threads` threads (0:
/// OpenMP's default), and returns its result. The function may not touch Python objects. It should
/// end soon after `stop` is reached, by returning or by throwing Stopped; an exception of a signal
/// handler is then thrown instead.
/// @param given  another reason to stop
template <class Function>
auto without_gil(int n_threads, Function&& function, const StopCondition& given = {}) {
    Work work;
    return run(work, [&] {
        return function(OpenMpExecutor(n_threads, work.waiting()), work.stop(given));
    });
}

}  // namespace exemplar_svm::python
