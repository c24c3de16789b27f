#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/real.hpp"
#include "exemplar_svm/rows_view.hpp"

namespace exemplar_svm {

/// One bit per feature and row: on which side of the mean it lies. A thirtieth of the bytes of
/// float32 rows, from which every score can be guessed at a small part of the cost of a scan (Gao
/// and Long, SIGMOD 2024, analyse such guesses). They choose which rows a search looks at first;
/// nothing else depends on them.
template <Real T>
class Signatures {
  public:
    Signatures() = default;

    /// Reads the rows once. `mean` holds rows.cols values.
    Signatures(const RowsView<T>& rows, const std::vector<T>& mean, ExecutorRef executor);

    bool empty() const noexcept { return scales_.empty(); }
    std::size_t bytes() const noexcept;

    /// Bytes of scratch for guess_scores.
    static std::size_t scratch_size(std::size_t n_features) noexcept;

    /// scores[i] is about coef . (x_i - mean) for every row, up to a factor common to all.
    void guess_scores(const double* coef, ExecutorRef executor, std::uint8_t* scratch,
                      T* scores) const noexcept;

  private:
    std::size_t n_features_ = 0;
    std::vector<std::uint8_t> bits_;  // in the order that kernels' sum_nibbles reads them
    std::vector<T> scales_;           // ||x - mean||^2 / ||x - mean||_1
};

}  // namespace exemplar_svm
