#pragma once

#include <limits>
#include <string_view>

namespace exemplar_svm {

inline constexpr int no_cpu_quota = std::numeric_limits<int>::max();

/// The processors that Linux's control groups let this process use: quota over period, rounded up,
/// the smallest of its group and of all groups around it. A container's limit is such a quota; it
/// takes no processor away, so that neither the affinity nor OpenMP knows of it.
///
/// Reads files and allocates. Whatever cannot be read or understood is no quota, which is the
/// answer on other systems.
///
/// @param groups where the kernel lists the groups of this process, of versions 1 and 2
/// @param mount where their files are
int cpu_quota(std::string_view groups = "/proc/self/cgroup",
              std::string_view mount = "/sys/fs/cgroup") noexcept;

}  // namespace exemplar_svm
