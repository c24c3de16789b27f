#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

namespace exemplar_svm {

/// Element types the solver and the scans are compiled for.
template <class T>
concept Real = std::same_as<T, float> || std::same_as<T, double>;

/// Row numbers as callers see them; -1 pads a ranking that has fewer rows than were asked for.
using RowNumber = std::int64_t;

/// Row numbers as working lists hold them: half the memory, so at most 2^32 - 2 rows.
using RowIndex = std::uint32_t;

}  // namespace exemplar_svm
