#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/problem.hpp"
#include "model/row_statistics.hpp"

namespace exemplar_svm {

/// Scratch of choose_rows().
template <Real T>
struct ChoiceScratch {
    std::vector<double> direction;    ///< dense rows: approximate weights
    std::vector<std::uint8_t> signs;  ///< dense rows: the weights in the form that sign codes take
    std::vector<T> example;           ///< sparse rows: one example, decompressed

    explicit ChoiceScratch(const RowsView<T>& rows);
};

/// Chooses the first working set: the background rows with the highest scores under a Gaussian
/// approximation of the weights. A bad choice costs time, never a rank.
/// @param scores  n_rows values: receives the approximate scores, up to a factor
/// @param chosen  room for all rows
/// @returns the chosen rows, at most `most`, in ascending order
template <Real T>
std::span<RowIndex> choose_rows(const Problem<T>& problem, const RowStatistics<T>& statistics,
                                std::size_t most, ExecutorRef executor, ChoiceScratch<T>& scratch,
                                T* scores, RowIndex* chosen) noexcept;

}  // namespace exemplar_svm
