// A search on the calling thread makes no system call. It runs in a child process that the kernel
// kills at the first one (a seccomp filter; strict mode would also forbid reading the clock).

#include "catch.hpp"

#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <iterator>
#include <vector>

#include "clustered_data.hpp"
#include "exemplar_svm/index.hpp"

using namespace exemplar_svm;
using reference::ClusteredData;
using reference::Random;

namespace {

/// Lets the kernel kill this process at any system call but exit. Returns false if that is not
/// possible.
bool forbid_system_calls() {
    sock_filter filter[] = {
        {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_exit},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS},
    };
    const sock_fprog program{static_cast<unsigned short>(std::size(filter)), filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/// The fate of a child process that may make no system call while it calls `work`.
enum class Outcome { returned_true, returned_false, killed, not_forbidden };

template <class Work>
Outcome without_system_calls(Work&& work) {
    constexpr int not_forbidden = 2;
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        if (!forbid_system_calls()) _exit(not_forbidden);
        const bool result = work();
        syscall(SYS_exit, result ? 0 : 1);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    if (WIFSIGNALED(status)) return Outcome::killed;
    if (WEXITSTATUS(status) == not_forbidden) return Outcome::not_forbidden;
    return WEXITSTATUS(status) == 0 ? Outcome::returned_true : Outcome::returned_false;
}

/// On some machines, reading the clock takes a system call.
bool can_judge() {
    const Outcome outcome = without_system_calls(
        [] { return std::chrono::steady_clock::now().time_since_epoch().count() != 0; });
    if (outcome != Outcome::returned_true) WARN("not judged: no seccomp, or no clock without it");
    return outcome == Outcome::returned_true;
}

}  // namespace

TEST_CASE("a system call is detected") {
    if (!can_judge()) return;
    CHECK(without_system_calls([] { return syscall(SYS_getppid) != 0; }) == Outcome::killed);
    CHECK(without_system_calls([] { return false; }) == Outcome::returned_false);
}

TEMPLATE_TEST_CASE("a search makes no system call", "", float, double) {
    using T = TestType;
    if (!can_judge()) return;
    constexpr std::size_t k = 10;
    IndexSettings settings;
    settings.method = GENERATE(Method::full, Method::working_set, Method::gram);
    settings.sketch = settings.method == Method::working_set ? SketchType::int8 : SketchType::none;
    Random random(21);
    const ClusteredData<T> data(2000, 40, 3, random);
    const Index<T> index(data.view(), settings);
    Workspace<T> workspace(index, k, 3);
    std::vector<T> scores(k);
    std::vector<RowNumber> rows(k);
    const auto search = [&] {
        const StopCondition stop = StopCondition::after(std::chrono::hours(1));
        const auto one =
            index.search(data.positives.data(), k, workspace, scores.data(), rows.data());
        const auto three =
            index.search_shared(reference::view(data.positives, data.d), k, workspace,
                                scores.data(), rows.data(), SerialExecutor{}, stop);
        return one.status == SearchStatus::converged && three.status == SearchStatus::converged;
    };
    REQUIRE(search());  // touches the reserved memory of the workspace
    CHECK(without_system_calls(search) == Outcome::returned_true);
}

#else

TEST_CASE("system calls cannot be detected here") { SUCCEED(); }

#endif
