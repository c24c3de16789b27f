#pragma once

#include <limits>
#include <string_view>

namespace exemplar_svm {

inline constexpr int no_cpu_quota = std::numeric_limits<int>::max();

/// The processors that Linux's control groups let this process use: quota over period, rounded up,
/// the smallest of its group and of all groups around it. A container's limit is such a quota. It
/// takes no processor away, so neither the affinity nor OpenMP shows it.
///
/// Reads files and allocates. Whatever cannot be read or parsed is no quota, the answer on other
/// systems.
///
/// @param groups the kernel's list of this process's groups, version 1 or 2
/// @param mount the folder with the groups' files
int cpu_quota(std::string_view groups = "/proc/self/cgroup",
              std::string_view mount = "/sys/fs/cgroup") noexcept;

}  // namespace exemplar_svm
