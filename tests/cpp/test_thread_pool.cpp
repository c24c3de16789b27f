#include "base/thread_pool.hpp"

#include <atomic>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <thread>
#include <vector>

#include "catch.hpp"

#if defined(__unix__)
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

using namespace exemplar_svm;

namespace {

using Calls = std::vector<std::atomic<int>>;

void count(void* context, std::size_t i) noexcept { ++(*static_cast<Calls*>(context))[i]; }

bool each_is_called_once(int n_threads, std::size_t n_tasks, bool all) {
    Calls calls(n_tasks);
    ThreadPool::of_process()->run(n_tasks, n_threads, all, count, &calls, {});
    for (const auto& n : calls) {
        if (n != 1) return false;
    }
    return true;
}

/// Tasks that end when a given number of threads are inside at once, or after ten seconds.
struct Meeting {
    int n_expected;
    std::atomic<int> n_present{0};

    static void attend(void* context, std::size_t) noexcept {
        auto& meeting = *static_cast<Meeting*>(context);
        ++meeting.n_present;
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (meeting.n_present < meeting.n_expected && std::chrono::steady_clock::now() < end) {
            std::this_thread::yield();
        }
    }
};

}  // namespace

TEST_CASE("every task of a loop is called exactly once") {
    for (const int n_threads : {2, 3, 5}) {
        for (const std::size_t n_tasks : {2u, 7u, 1000u}) {
            CHECK(each_is_called_once(n_threads, n_tasks, n_tasks % 2 == 0));
        }
    }
}

TEST_CASE("loops of several threads at once do not disturb each other") {
    std::atomic<int> n_wrong{0};
    std::vector<std::thread> callers;
    for (int c = 0; c < 4; ++c) {
        callers.emplace_back([&, c] {
            for (int loop = 0; loop < 300; ++loop) {
                if (!each_is_called_once(2 + c % 3, 20, c % 2 == 0)) ++n_wrong;
            }
        });
    }
    for (std::thread& caller : callers) caller.join();
    CHECK(n_wrong == 0);
}

TEST_CASE("as many threads work as were requested") {
    Meeting meeting{4};
    ThreadPool::of_process()->run(4, 4, true, &Meeting::attend, &meeting, {});
    CHECK(meeting.n_present == 4);
}

TEST_CASE("requested threads are there while other loops run") {
    Meeting meeting{6};
    std::vector<std::thread> callers;
    for (int c = 0; c < 2; ++c) {
        callers.emplace_back(
            [&] { ThreadPool::of_process()->run(3, 3, true, &Meeting::attend, &meeting, {}); });
    }
    for (std::thread& caller : callers) caller.join();
    CHECK(meeting.n_present == 6);
}

#if defined(__linux__)
TEST_CASE("repeated loops make no more threads") {
    const auto count_threads = [] {
        const std::filesystem::directory_iterator threads("/proc/self/task");
        return std::distance(begin(threads), end(threads));
    };
    each_is_called_once(6, 100, true);
    const auto n_threads = count_threads();
    for (int loop = 0; loop < 2000; ++loop) each_is_called_once(6, 12, true);
    CHECK(count_threads() <= n_threads);
}
#endif

TEST_CASE("loops inside a task stay on its thread") {
    std::atomic<int> n_found{0};
    ThreadPool::of_process()->run(50, 3, true,
                                  [](void* context, std::size_t) noexcept {
                                      if (ThreadPool::of_process() != nullptr)
                                          ++*static_cast<std::atomic<int>*>(context);
                                  },
                                  &n_found, {});
    CHECK(n_found == 0);
    CHECK(ThreadPool::of_process() != nullptr);
}

TEST_CASE("a thread that waits for a long task gets a call now and then") {
    struct Context {
        std::thread::id caller = std::this_thread::get_id();
        std::atomic<int> n_begun{0}, n_told{0};
    } context;
    // The caller's task waits for the helper's to begin; the helper's waits until the caller has
    // been called.
    const auto task = [](void* opaque, std::size_t) noexcept {
        auto& c = *static_cast<Context*>(opaque);
        ++c.n_begun;
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        const bool is_caller = std::this_thread::get_id() == c.caller;
        while ((is_caller ? c.n_begun : c.n_told) < 2 && std::chrono::steady_clock::now() < end) {
            std::this_thread::yield();
        }
    };
    const WhileWaiting waiting{
        [](void* opaque) noexcept { ++static_cast<Context*>(opaque)->n_told; }, &context};
    ThreadPool::of_process()->run(2, 2, true, task, &context, waiting);
    CHECK(context.n_told >= 2);
}

TEST_CASE("helpers receive no signals") {
#if defined(__unix__)
    struct Context {
        std::thread::id caller = std::this_thread::get_id();
        Meeting meeting{3};
        std::atomic<int> n_open{0};
    } context;
    ThreadPool::of_process()->run(3, 3, true,
                                  [](void* opaque, std::size_t i) noexcept {
                                      auto& c = *static_cast<Context*>(opaque);
                                      Meeting::attend(&c.meeting, i);
                                      sigset_t blocked;
                                      pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
                                      const bool is_caller = std::this_thread::get_id() == c.caller;
                                      if (!is_caller && sigismember(&blocked, SIGINT) == 0)
                                          ++c.n_open;
                                  },
                                  &context, {});
    CHECK(context.meeting.n_present == 3);
    CHECK(context.n_open == 0);
#endif
}

// The thread sanitizer does not support a child that makes threads.
#if defined(__unix__) && !defined(__SANITIZE_THREAD__)

namespace {

/// Whether a child exits successfully within a minute.
bool child_succeeds(pid_t child) {
    for (int tenth = 0; tenth < 600; ++tenth) {
        int status = 0;
        if (waitpid(child, &status, WNOHANG) == child) {
            return WIFEXITED(status) && WEXITSTATUS(status) == 0;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    return false;
}

}  // namespace

TEST_CASE("a forked child makes its own threads, whatever its parent's threads were doing") {
    std::atomic<bool> stop{false};
    std::vector<std::thread> callers;
    for (int c = 0; c < 3; ++c) {
        callers.emplace_back([&, c] {
            while (!stop) each_is_called_once(2 + c, 50, c > 0);
        });
    }
    int n_failed = 0;
    for (int fork_number = 0; fork_number < 20; ++fork_number) {
        const pid_t child = fork();
        if (child == 0) {
            Meeting meeting{3};
            ThreadPool::of_process()->run(3, 3, true, &Meeting::attend, &meeting, {});
            _exit(meeting.n_present == 3 && each_is_called_once(2, 100, false) ? 0 : 1);
        }
        if (!child_succeeds(child)) ++n_failed;
    }
    stop = true;
    for (std::thread& caller : callers) caller.join();
    CHECK(n_failed == 0);
}

TEST_CASE("a child forked from within a loop does not wait for threads it lacks") {
    struct Context {
        std::thread::id caller = std::this_thread::get_id();
        std::atomic<int> n_present{0};
        std::atomic<pid_t> child{-1};
    } context;
    ThreadPool::of_process()->run(2, 2, true,
                                  [](void* opaque, std::size_t) noexcept {
                                      auto& c = *static_cast<Context*>(opaque);
                                      ++c.n_present;
                                      while (c.n_present < 2) std::this_thread::yield();
                                      if (std::this_thread::get_id() == c.caller) {
                                          c.child = fork();
                                      } else {
                                          while (c.child < 0) std::this_thread::yield();
                                      }
                                  },
                                  &context, {});
    if (context.child == 0) _exit(each_is_called_once(3, 100, true) ? 0 : 1);
    CHECK(child_succeeds(context.child));
}

#endif
