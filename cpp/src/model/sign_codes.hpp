#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/buffer.hpp"
#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/real.hpp"
#include "exemplar_svm/rows_view.hpp"

namespace exemplar_svm {

/// Sign codes: one bit per feature and row, the side of the mean on which the feature lies. They
/// take a thirtieth of the bytes of float32 rows, and guess every score at a small fraction of the
/// cost of a scan (Gao and Long, SIGMOD 2024, analyse this kind of guess). They choose which rows a
/// search visits first; nothing proven depends on them.
template <Real T>
class SignCodes {
  public:
    SignCodes() = default;

    /// Reads the rows once. `mean` has rows.cols values.
    SignCodes(const RowsView<T>& rows, const std::vector<T>& mean, ExecutorRef executor);

    /// Adds the rows behind those it has, with the same mean, in time of the order of the new rows.
    void extend(const RowsView<T>& rows, const std::vector<T>& mean, ExecutorRef executor);

    bool empty() const noexcept { return scales_.empty(); }
    std::size_t n_rows() const noexcept { return scales_.size(); }
    std::size_t bytes() const noexcept;

    /// Bytes of scratch for guess_scores().
    static std::size_t scratch_size(std::size_t n_features) noexcept;

    /// scores[i] approximates coef . (x_i - mean) for every row, up to a factor common to all.
    void guess_scores(const double* coef, ExecutorRef executor, std::uint8_t* scratch,
                      T* scores) const noexcept;

    /// Calls visit(name, values) for each part that a file keeps (index.hpp).
    template <class Self, class Visit>
    static void visit_parts(Self& self, Visit&& visit) {
        visit("signatures", self.bits_);
        visit("last_signatures", self.last_bits_);
        visit("signature_scales", self.scales_);
    }

    /// @throws std::invalid_argument if the parts do not fit rows of this shape
    void require_valid(std::size_t n_rows, std::size_t n_features);

  private:
    const std::uint8_t* block_bits(std::size_t block) const noexcept;

    std::size_t n_features_ = 0;
    // In the order in which the kernels' sum_nibbles reads them. An incomplete last block is kept
    // apart: kernels read whole blocks, and other snapshots may append after the complete ones.
    Buffer<std::uint8_t> bits_;
    std::vector<std::uint8_t> last_bits_;
    Buffer<T> scales_;  // ||x - mean||^2 / ||x - mean||_1
};

}  // namespace exemplar_svm
