#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "exemplar_svm/real.hpp"

namespace exemplar_svm {

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): one word of state. Every solve has its own
/// generator, and equal seeds give equal orders on every platform.
class SplitMix64 {
  public:
    explicit SplitMix64(std::uint64_t seed) noexcept : state_(seed) {}

    std::uint64_t next() noexcept {
        state_ += 0x9e3779b97f4a7c15u;
        std::uint64_t z = state_;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }

    /// Uniform below n < 2^32, by multiplication; the bias of n / 2^32 does not matter here.
    RowIndex below(std::size_t n) noexcept {
        return static_cast<RowIndex>(((next() >> 32) * static_cast<std::uint64_t>(n)) >> 32);
    }

  private:
    std::uint64_t state_;
};

/// Fisher-Yates shuffle.
inline void permute(RowIndex* values, std::size_t n, SplitMix64& random) noexcept {
    for (std::size_t i = n; i > 1; --i) std::swap(values[i - 1], values[random.below(i)]);
}

}  // namespace exemplar_svm
