#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

namespace exemplar_svm {

/// Element types the solver and the scans are compiled for.
template <class T>
concept Real = std::same_as<T, float> || std::same_as<T, double>;

/// Row numbers as callers see them; -1 pads a ranking with fewer rows than k.
using RowNumber = std::int64_t;

/// Row numbers as internal lists store them: half the memory, and at most 2^32 - 2 rows.
using RowIndex = std::uint32_t;

}  // namespace exemplar_svm
