#pragma once

// The kernels include this header (see cpp/src/kernels/table.hpp), so it has types and no code.
#include <concepts>
#include <cstdint>

namespace exemplar_svm {

/// IEEE 754 binary16: a sign, 5 bits of exponent, 10 of fraction. Every value is a float.
struct float16 {
    std::uint16_t bits;
};

/// The upper half of a float: a sign, 8 bits of exponent, 7 of fraction.
struct bfloat16 {
    std::uint16_t bits;
};

/// Element types of stored rows that are widened where they are read.
template <class U>
concept Narrow =
    std::same_as<U, float16> || std::same_as<U, bfloat16> || std::same_as<U, std::int8_t>;

}  // namespace exemplar_svm
