#include "base/cpu_quota.hpp"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <string>

namespace exemplar_svm {
namespace {

int rounded_up(std::int64_t quota, std::int64_t period) noexcept {
    if (quota <= 0 || period <= 0) return no_cpu_quota;  // version 1 writes -1 for no quota
    const std::int64_t n = quota / period + (quota % period != 0 ? 1 : 0);
    return static_cast<int>(std::min<std::int64_t>(n, no_cpu_quota));
}

int quota_of_group(const std::string& folder) {
    std::int64_t quota = 0, period = 0;
    // Version 2 writes "max" for no quota, which does not parse as a number.
    if (std::ifstream(folder + "/cpu.max") >> quota >> period) return rounded_up(quota, period);
    if (std::ifstream(folder + "/cpu.cfs_quota_us") >> quota &&
        std::ifstream(folder + "/cpu.cfs_period_us") >> period) {
        return rounded_up(quota, period);
    }
    return no_cpu_quota;
}

// The smallest quota from `group` up to the root. A container may see its group's name on the host,
// where it has no such folder. The root of its mount is then its group.
int quota_of_groups_around(std::string group, const std::string& root) {
    int quota = no_cpu_quota;
    for (;;) {
        quota = std::min(quota, quota_of_group(root + group));
        const std::size_t slash = group.rfind('/');
        if (slash == std::string::npos) return quota;
        group.resize(slash);
    }
}

}  // namespace

int cpu_quota(std::string_view groups, std::string_view mount) noexcept try {
    const std::string root(mount);
    int quota = no_cpu_quota;
    std::ifstream lines{std::string(groups)};
    for (std::string line; std::getline(lines, line);) {  // number:controllers:group
        const std::size_t first = line.find(':');
        const std::size_t second = line.find(':', first + 1);
        if (first == std::string::npos || second == std::string::npos) continue;
        const std::string controllers = line.substr(first + 1, second - first - 1);
        const std::string group = line.substr(second + 1);
        if (controllers.empty()) {  // version 2: one tree for all controllers
            quota = std::min(quota, quota_of_groups_around(group, root));
        } else if ((',' + controllers + ',').find(",cpu,") != std::string::npos) {
            // The folder is named after all controllers of the tree; usually there is a link "cpu".
            for (const char* name : {"cpu", controllers.c_str()}) {
                quota = std::min(quota, quota_of_groups_around(group, root + '/' + name));
            }
        }
    }
    return quota;
} catch (...) {
    return no_cpu_quota;
}

}  // namespace exemplar_svm
