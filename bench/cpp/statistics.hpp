#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace exemplar_svm::bench {

/// The smallest value that at least a share q of all values does not exceed. Neither interpolated
/// nor rounded down: the 99.9th percentile of fewer than a thousand values is their largest.
inline double quantile(std::vector<double> values, double q) {
    const double rank = std::ceil(q * static_cast<double>(values.size()));
    const auto place = static_cast<std::ptrdiff_t>(std::max(rank, 1.0)) - 1;
    std::nth_element(values.begin(), values.begin() + place, values.end());
    return values[static_cast<std::size_t>(place)];
}

}  // namespace exemplar_svm::bench
