#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/buffer.hpp"
#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/real.hpp"
#include "exemplar_svm/rows_view.hpp"

namespace exemplar_svm {

/// One bit per feature and row: on which side of the mean it lies. A thirtieth of the bytes of
/// float32 rows, from which every score can be guessed at a small part of the cost of a scan (Gao
/// and Long, SIGMOD 2024, analyse such guesses). They choose which rows a search looks at first;
/// nothing else depends on them.
template <Real T>
class SignCodes {
  public:
    SignCodes() = default;

    /// Reads the rows once. `mean` holds rows.cols values.
    SignCodes(const RowsView<T>& rows, const std::vector<T>& mean, ExecutorRef executor);

    /// Takes in the rows behind those that it has, of the same mean: of order as many.
    void extend(const RowsView<T>& rows, const std::vector<T>& mean, ExecutorRef executor);

    bool empty() const noexcept { return scales_.empty(); }
    std::size_t n_rows() const noexcept { return scales_.size(); }
    std::size_t bytes() const noexcept;

    /// Bytes of scratch for guess_scores.
    static std::size_t scratch_size(std::size_t n_features) noexcept;

    /// scores[i] is about coef . (x_i - mean) for every row, up to a factor common to all.
    void guess_scores(const double* coef, ExecutorRef executor, std::uint8_t* scratch,
                      T* scores) const noexcept;

    /// visit(name, values) of each of the parts that a file keeps (index.hpp).
    template <class Self, class Visit>
    static void visit_parts(Self& self, Visit&& visit) {
        visit("signatures", self.bits_);
        visit("last_signatures", self.last_bits_);
        visit("signature_scales", self.scales_);
    }

    /// @throws std::invalid_argument if the parts are not those of rows of such a shape
    void require_valid(std::size_t n_rows, std::size_t n_features);

  private:
    const std::uint8_t* block_bits(std::size_t block) const noexcept;

    std::size_t n_features_ = 0;
    // In the order that kernels' sum_nibbles reads them. The last block is apart as long as it is
    // not full: it is read as a whole, and others may append to what lies behind whole blocks.
    Buffer<std::uint8_t> bits_;
    std::vector<std::uint8_t> last_bits_;
    Buffer<T> scales_;  // ||x - mean||^2 / ||x - mean||_1
};

}  // namespace exemplar_svm
