#include "signatures.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/dispatch.hpp"

namespace exemplar_svm {
namespace {

constexpr std::size_t word_bits = 64;
constexpr std::size_t magnitude_bits = kernels::signature_planes;
constexpr double largest_magnitude = (1u << magnitude_bits) - 1;

constexpr std::size_t words_per_row(std::size_t n_features) noexcept {
    return (n_features + word_bits - 1) / word_bits;
}

RowBlocks signature_blocks(std::size_t n_rows, std::size_t n_features) noexcept {
    return {n_rows, words_per_row(n_features) * sizeof(std::uint64_t)};
}

}  // namespace

template <Real T>
Signatures<T>::Signatures(const DenseView<T>& rows, const std::vector<T>& mean,
                          ExecutorRef executor)
    : n_features_(rows.cols), bits_(rows.rows * words_per_row(rows.cols)), scales_(rows.rows) {
    const std::size_t d = rows.cols, words = words_per_row(d);
    const RowBlocks blocks(rows.rows, d * sizeof(T));
    for_each_block(executor, blocks, [&](std::size_t begin, std::size_t end, std::size_t) noexcept {
        for (std::size_t i = begin; i < end; ++i) {
            const T* x = rows.row(i);
            std::uint64_t* const bits = bits_.data() + i * words;
            T absolute = 0, square = 0;
            for (std::size_t j = 0; j < d; ++j) {
                const T centred = x[j] - mean[j];
                absolute += std::abs(centred);
                square += centred * centred;
                bits[j / word_bits] |= std::uint64_t{centred > 0} << (j % word_bits);
            }
            scales_[i] = absolute > 0 ? square / absolute : T(0);
        }
    });
}

template <Real T>
std::size_t Signatures<T>::bytes() const noexcept {
    return bits_.size() * sizeof(std::uint64_t) + scales_.size() * sizeof(T);
}

template <Real T>
std::size_t Signatures<T>::scratch_size(std::size_t n_features) noexcept {
    return (1 + magnitude_bits) * words_per_row(n_features);
}

template <Real T>
void Signatures<T>::guess_scores(const double* coef, ExecutorRef executor, std::uint64_t* scratch,
                                 T* scores) const noexcept {
    // coef_j is about sign_j * magnitude_j, magnitude_j an integer. With s_ij = +1 or -1 from the
    // signature, sum_j s_ij sign_j magnitude_j = sum of the magnitudes - 2 (those where s_ij and
    // sign_j differ), and the latter is a sum of bit counts, plane by plane.
    const std::size_t words = words_per_row(n_features_);
    std::uint64_t* const signs = scratch;
    std::uint64_t* const planes = scratch + words;
    std::fill_n(scratch, scratch_size(n_features_), std::uint64_t{0});
    double largest = 0.0;
    for (std::size_t j = 0; j < n_features_; ++j) largest = std::max(largest, std::abs(coef[j]));
    const double unit = largest > 0.0 ? largest_magnitude / largest : 0.0;
    double sum = 0.0;
    for (std::size_t j = 0; j < n_features_; ++j) {
        const auto magnitude = static_cast<std::uint64_t>(std::abs(coef[j]) * unit + 0.5);
        const std::size_t word = j / word_bits, bit = j % word_bits;
        signs[word] |= std::uint64_t{coef[j] > 0.0} << bit;
        for (std::size_t p = 0; p < magnitude_bits; ++p) {
            planes[p * words + word] |= ((magnitude >> p) & 1u) << bit;
        }
        sum += static_cast<double>(magnitude);
    }
    const auto count = kernels::active().differing_magnitude;
    for_each_block(executor, signature_blocks(scales_.size(), n_features_),
                   [&](std::size_t begin, std::size_t end, std::size_t) noexcept {
                       constexpr std::size_t batch = 256;
                       std::uint32_t differing[batch];
                       for (std::size_t i = begin; i < end; i += batch) {
                           const std::size_t n = std::min(batch, end - i);
                           count(bits_.data() + i * words, n, words, signs, planes, differing);
                           for (std::size_t r = 0; r < n; ++r) {
                               scores[i + r] =
                                   scales_[i + r] *
                                   (static_cast<T>(sum) - T(2) * static_cast<T>(differing[r]));
                           }
                       }
                   });
}

template class Signatures<float>;
template class Signatures<double>;

}  // namespace exemplar_svm
