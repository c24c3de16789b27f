#include "base/cpu_quota.hpp"

#include <filesystem>
#include <fstream>
#include <random>
#include <string>

#include "catch.hpp"

using namespace exemplar_svm;
namespace fs = std::filesystem;

namespace {

// A process's view of its control groups: a list of them, and a mount with their files.
class FakeGroups {
  public:
    explicit FakeGroups(const std::string& list)
        : folder_(fs::temp_directory_path() /
                  ("exemplar_svm_cpu_quota_" + std::to_string(std::random_device{}()))) {
        fs::create_directories(folder_ / "mount");
        std::ofstream(folder_ / "list") << list;
    }
    FakeGroups(const FakeGroups&) = delete;
    FakeGroups& operator=(const FakeGroups&) = delete;
    ~FakeGroups() {
        std::error_code ignored;
        fs::remove_all(folder_, ignored);
    }

    FakeGroups& write(const std::string& group, const char* file, const std::string& text) {
        const fs::path folder = folder_ / "mount" / group;
        fs::create_directories(folder);
        std::ofstream(folder / file) << text;
        return *this;
    }
    FakeGroups& v1(const std::string& group, const std::string& quota, const std::string& period) {
        return write(group, "cpu.cfs_quota_us", quota + '\n')
            .write(group, "cpu.cfs_period_us", period + '\n');
    }
    FakeGroups& v2(const std::string& group, const std::string& max) {
        return write(group, "cpu.max", max + '\n');
    }

    int quota() const {
        return cpu_quota((folder_ / "list").string(), (folder_ / "mount").string());
    }

  private:
    fs::path folder_;
};

FakeGroups version_2(const std::string& group) { return FakeGroups("0::" + group + '\n'); }

FakeGroups version_1(const std::string& group, const std::string& controllers = "cpu,cpuacct") {
    return FakeGroups("12:memory:/elsewhere\n4:" + controllers + ":" + group +
                      "\n3:cpuset:/\n1:name=systemd:/\n0::/\n");
}

}  // namespace

TEST_CASE("version 2: quota over period, rounded up") {
    CHECK(version_2("/job").v2("job", "200000 100000").quota() == 2);
    CHECK(version_2("/job").v2("job", "200001 100000").quota() == 3);
    CHECK(version_2("/job").v2("job", "1000 100000").quota() == 1);
    CHECK(version_2("/job").v2("job", "75000 50000").quota() == 2);
    CHECK(version_2("/job").v2("job", "max 100000").quota() == no_cpu_quota);
}

TEST_CASE("version 1: the folder is the controllers' or a link to it") {
    CHECK(version_1("/job").v1("cpu,cpuacct/job", "150000", "100000").quota() == 2);
    CHECK(version_1("/job").v1("cpu/job", "150000", "100000").quota() == 2);
    CHECK(version_1("/job", "cpu").v1("cpu/job", "400000", "100000").quota() == 4);
    CHECK(version_1("/job", "cpuacct,cpu").v1("cpu/job", "400000", "100000").quota() == 4);
    CHECK(version_1("/job").v1("cpu/job", "-1", "100000").quota() == no_cpu_quota);
    CHECK(version_1("/job", "cpuset,cpuacct").v1("cpu/job", "100000", "100000").quota() ==
          no_cpu_quota);
}

TEST_CASE("the tightest quota counts, at any level") {
    const auto nested = [](const char* root, const char* outer, const char* inner) {
        return version_2("/outer/middle/inner")
            .v2("", root)
            .v2("outer", outer)
            .v2("outer/middle/inner", inner)
            .quota();
    };
    CHECK(nested("max 100000", "200000 100000", "800000 100000") == 2);
    CHECK(nested("max 100000", "800000 100000", "200000 100000") == 2);
    CHECK(nested("100000 100000", "800000 100000", "max 100000") == 1);
    CHECK(nested("max 100000", "300000 100000", "max 100000") == 3);
    CHECK(version_1("/outer/inner")
              .v1("cpu/outer", "300000", "100000")
              .v1("cpu/outer/inner", "-1", "100000")
              .quota() == 3);
    CHECK(FakeGroups("4:cpu:/old\n0::/new\n")
              .v1("cpu/old", "500000", "100000")
              .v2("new", "600000 100000")
              .quota() == 5);
}

TEST_CASE("a container sees its own group as the root, whatever its name on the host") {
    CHECK(version_2("/").v2("", "200000 100000").quota() == 2);
    CHECK(version_2("/docker/0123").v2("", "200000 100000").quota() == 2);
    CHECK(version_1("/docker/0123").v1("cpu,cpuacct", "200000", "100000").quota() == 2);
}

TEST_CASE("a group beside that of the process does not count") {
    CHECK(version_2("/job").v2("other", "100000 100000").v2("job2", "100000 100000").quota() ==
          no_cpu_quota);
}

#if !defined(_WIN32)  // Windows does not allow such file names
TEST_CASE("a group's name may have colons and blanks") {
    CHECK(version_2("/a:b c").v2("a:b c", "200000 100000").quota() == 2);
}
#endif

TEST_CASE("missing or malformed files mean no quota") {
    CHECK(cpu_quota("/nowhere/list", "/nowhere/mount") == no_cpu_quota);
    CHECK(cpu_quota("", "") == no_cpu_quota);
    CHECK(version_2("/job").quota() == no_cpu_quota);
    for (const char* list : {"", "\n", "0", "0:", "0:/job", ":::\n::\n", "cpu"}) {
        CAPTURE(list);
        CHECK(FakeGroups(list).v2("job", "100000 100000").quota() == no_cpu_quota);
    }
    for (const char* max :
         {"", "max", "100000", "two 100000", "100000 two", "0 100000", "100000 0", "-100000 100000",
          "100000 -100000", "99999999999999999999 1", "9223372036854775807 1", "1.5 1"}) {
        CAPTURE(max);
        CHECK(version_2("/job").v2("job", max).quota() == no_cpu_quota);
    }
    CHECK(version_1("/job").v1("cpu/job", "100000", "").quota() == no_cpu_quota);
    CHECK(version_1("/job").write("cpu/job", "cpu.cfs_quota_us", "100000").quota() == no_cpu_quota);
    CHECK(version_2("/job").v2("job/cpu.max", "a folder in the file's place").quota() ==
          no_cpu_quota);
}

TEST_CASE("a malformed group does not hide the quota around it") {
    CHECK(version_2("/job").v2("", "200000 100000").v2("job", "?").quota() == 2);
}

TEST_CASE("this machine's own files are read without harm") { CHECK(cpu_quota() >= 1); }
