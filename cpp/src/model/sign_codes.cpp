#include "model/sign_codes.hpp"

#include <algorithm>
#include <cmath>

#include "exemplar_svm/error.hpp"
#include "exemplar_svm/scan.hpp"
#include "kernels/dispatch.hpp"

namespace exemplar_svm {
namespace {

constexpr std::size_t block_rows = kernels::signature_rows;
constexpr double largest_entry = 127.0;  // of a table; the sum of two entries fits into a byte

constexpr std::size_t bytes_per_row(std::size_t n_features) noexcept {
    return (n_features + 7) / 8;
}

constexpr std::size_t count_blocks(std::size_t n_rows) noexcept {
    return (n_rows + block_rows - 1) / block_rows;
}

/// The lane of a row in its block, chosen so that sums come out in row order.
constexpr std::size_t lane(std::size_t row) noexcept {
    const std::size_t half = block_rows / 2, r = row % block_rows;
    return r < half ? 2 * r : 2 * (r - half) + 1;
}

}  // namespace

template <Real T>
SignCodes<T>::SignCodes(const RowsView<T>& rows, const std::vector<T>& mean, ExecutorRef executor) {
    extend(rows, mean, executor);
}

template <Real T>
void SignCodes<T>::extend(const RowsView<T>& rows, const std::vector<T>& mean,
                          ExecutorRef executor) {
    const std::size_t d = rows.cols, bytes = bytes_per_row(d), first = scales_.size();
    const std::size_t block_bytes = block_rows * bytes;
    if (first == rows.rows) return;
    n_features_ = d;
    T* const scales = scales_.extend(rows.rows - first);
    // An incomplete last block is copied, to be filled up among the new ones.
    const std::size_t n_full_before = first / block_rows, n_full = rows.rows / block_rows;
    std::vector<std::uint8_t> last((rows.rows % block_rows == 0 ? 0 : 1) * block_bytes);
    std::uint8_t* const full = bits_.extend((n_full - n_full_before) * block_bytes);
    std::ranges::copy(last_bits_, n_full > n_full_before ? full : last.data());
    last_bits_ = std::move(last);

    const RowsView<T> added = rows.from(first);
    const RowBlocks blocks = row_blocks(added);
    std::vector<T> scratch(added.is_read_in_place() ? 0 : blocks.count() * d);
    for_each_block(executor, blocks,
                   [&](std::size_t begin, std::size_t end, std::size_t block) noexcept {
                       T* const row = scratch.data() + (added.is_read_in_place() ? 0 : block * d);
                       for (std::size_t a = begin; a < end; ++a) {
                           const std::size_t i = first + a, signature_block = i / block_rows;
                           const T* x = added.read(a, row);
                           std::uint8_t* const bits =
                               (signature_block < n_full
                                    ? full + (signature_block - n_full_before) * block_bytes
                                    : last_bits_.data()) +
                               lane(i);
                           T absolute[8] = {}, square[8] = {};  // eight sums, one per bit of a byte
                           for (std::size_t b = 0; b < bytes; ++b) {
                               const std::size_t n = std::min<std::size_t>(8, d - 8 * b);
                               unsigned byte = 0;
                               for (std::size_t k = 0; k < n; ++k) {
                                   const T centred = x[8 * b + k] - mean[8 * b + k];
                                   absolute[k] += std::abs(centred);
                                   square[k] += centred * centred;
                                   byte |= static_cast<unsigned>(centred > 0) << k;
                               }
                               bits[block_rows * b] = static_cast<std::uint8_t>(byte);
                           }
                           T absolutes = 0, squares = 0;
                           for (std::size_t k = 0; k < 8; ++k) {
                               absolutes += absolute[k];
                               squares += square[k];
                           }
                           const T scale = squares / absolutes;
                           // Zero for rows equal to the mean and for rows that are not finite.
                           scales[a] = std::isfinite(scale) ? scale : T(0);
                       }
                   });
}

template <Real T>
void SignCodes<T>::require_valid(std::size_t n_rows, std::size_t n_features) {
    const std::size_t block_bytes = block_rows * bytes_per_row(n_features);
    n_features_ = n_features;
    require(scales_.size() == n_rows && bits_.size() == n_rows / block_rows * block_bytes &&
                last_bits_.size() == (n_rows % block_rows == 0 ? 0 : block_bytes),
            "sign codes must have bits and a scale for every row");
    require(std::ranges::all_of(scales_, [](T scale) { return std::isfinite(scale); }),
            "signature_scales must be finite");
}

template <Real T>
const std::uint8_t* SignCodes<T>::block_bits(std::size_t block) const noexcept {
    const std::size_t place = block * block_rows * bytes_per_row(n_features_);
    return place < bits_.size() ? bits_.data() + place : last_bits_.data();
}

template <Real T>
std::size_t SignCodes<T>::bytes() const noexcept {
    return bits_.bytes() + last_bits_.size() + scales_.bytes();
}

template <Real T>
std::size_t SignCodes<T>::scratch_size(std::size_t n_features) noexcept {
    return 32 * bytes_per_row(n_features);
}

template <Real T>
void SignCodes<T>::guess_scores(const double* coef, ExecutorRef executor, std::uint8_t* scratch,
                                T* scores) const noexcept {
    // With signs s_ij = +1 or -1, sum_j s_ij coef_j is twice the sum of the coef_j whose bit is
    // set, minus the sum of all coef_j. For every four features a table has that sum for each of
    // the 16 patterns of their bits, minus the lowest, in one unit for all tables.
    const std::size_t bytes = bytes_per_row(n_features_);
    const auto four = [&](std::size_t t, std::size_t k) noexcept {
        return 4 * t + k < n_features_ ? coef[4 * t + k] : 0.0;
    };
    double widest = 0.0, lowest = 0.0, sum = 0.0;
    for (std::size_t t = 0; t < 2 * bytes; ++t) {
        double width = 0.0;
        for (std::size_t k = 0; k < 4; ++k) {
            const double c = four(t, k);
            width += std::abs(c);
            lowest += std::min(c, 0.0);
            sum += c;
        }
        widest = std::max(widest, width);
    }
    const double unit = widest > 0.0 ? widest / largest_entry : 1.0;
    for (std::size_t t = 0; t < 2 * bytes; ++t) {
        for (std::size_t set = 0; set < 16; ++set) {
            double value = 0.0;
            for (std::size_t k = 0; k < 4; ++k) {
                value += ((set >> k) & 1u ? four(t, k) : 0.0) - std::min(four(t, k), 0.0);
            }
            const double entry = value / unit + 0.5;
            const bool fits = entry < largest_entry + 1.0;  // false if a weight is not finite
            scratch[16 * t + set] = static_cast<std::uint8_t>(fits ? entry : 0.0);
        }
    }

    const auto constant = static_cast<T>(2.0 * lowest - sum);
    const auto twice_unit = static_cast<T>(2.0 * unit);
    const auto sum_nibbles = kernels::active().sum_nibbles;
    const std::size_t n = scales_.size();
    for_each_block(
        executor, RowBlocks(count_blocks(n), block_rows * bytes),
        [&](std::size_t begin, std::size_t end, std::size_t) noexcept {
            for (std::size_t block = begin; block < end; ++block) {
                const std::uint8_t* const codes = block_bits(block);
                std::uint32_t sums[block_rows] = {};
                for (std::size_t b = 0; b < bytes; b += kernels::signature_run) {
                    std::uint16_t part[block_rows];
                    sum_nibbles(codes + block_rows * b, std::min(kernels::signature_run, bytes - b),
                                scratch + 32 * b, part);
                    for (std::size_t r = 0; r < block_rows; ++r) sums[r] += part[r];
                }
                const std::size_t first = block * block_rows;
                const std::size_t n_here = std::min(block_rows, n - first);
                for (std::size_t r = 0; r < n_here; ++r) {
                    scores[first + r] =
                        scales_[first + r] * (constant + twice_unit * static_cast<T>(sums[r]));
                }
            }
        });
}

template class SignCodes<float>;
template class SignCodes<double>;

}  // namespace exemplar_svm
