#include "base/buffer.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "catch.hpp"

using namespace exemplar_svm;

namespace {

std::vector<int> values_of(const Buffer<int>& buffer) { return {buffer.begin(), buffer.end()}; }

Buffer<int> with(Buffer<int> buffer, std::vector<int> values) {
    buffer.append(values.data(), values.size());
    return buffer;
}

}  // namespace

TEST_CASE("a buffer holds appended values, and zeros elsewhere") {
    Buffer<int> buffer;
    CHECK(buffer.empty());
    CHECK(buffer.extend(0) == nullptr);
    int* const added = buffer.extend(3);
    CHECK(values_of(buffer) == std::vector<int>{0, 0, 0});
    added[1] = 7;
    for (int i = 0; i < 100; ++i) buffer.append(&i, 1);
    CHECK(buffer.size() == 103);
    CHECK(buffer.bytes() == 103 * sizeof(int));
    CHECK(buffer[1] == 7);
    CHECK(buffer[102] == 99);
}

TEST_CASE("copies share memory and see the values that were there when they were made") {
    const Buffer<int> first = with(Buffer<int>(), {1, 2, 3});
    const Buffer<int> second = with(first, {4});  // full: doubles
    const Buffer<int> third = with(second, {5});
    CHECK(second.data() != first.data());
    CHECK(third.data() == second.data());
    CHECK(values_of(first) == std::vector<int>{1, 2, 3});
    CHECK(values_of(second) == std::vector<int>{1, 2, 3, 4});
    CHECK(values_of(third) == std::vector<int>{1, 2, 3, 4, 5});
}

TEST_CASE("two buffers that append to the same values do not see each other's") {
    const Buffer<int> common = with(with(Buffer<int>(), {1, 2, 3}), {4});
    const Buffer<int> one = with(common, {5}), other = with(common, {6});
    CHECK(one.data() == common.data());
    CHECK(other.data() != common.data());
    CHECK(values_of(one) == std::vector<int>{1, 2, 3, 4, 5});
    CHECK(values_of(other) == std::vector<int>{1, 2, 3, 4, 6});
}

TEST_CASE("memory that was given up is zeroed before reuse") {
    Buffer<int> base = with(Buffer<int>(), {1, 2, 3, 4});
    base = with(base, {5});
    with(base, {9, 9});
    int* const again = base.extend(3);
    CHECK(std::count(again, again + 3, 0) == 3);
}

TEST_CASE("borrowed values are copied on an append, and never written") {
    const std::vector<int> memory{1, 2, 3};
    Buffer<int> buffer(memory.data(), memory.size());
    CHECK(buffer.data() == memory.data());
    buffer = with(buffer, {4});
    CHECK(values_of(buffer) == std::vector<int>{1, 2, 3, 4});
    CHECK(memory == std::vector<int>{1, 2, 3});
}
