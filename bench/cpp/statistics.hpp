#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace exemplar_svm::bench {

/// The smallest value that a share q of all does not exceed.
inline double quantile(std::vector<double> values, double q) {
    const auto place = static_cast<std::ptrdiff_t>(q * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), values.begin() + place, values.end());
    return values[static_cast<std::size_t>(place)];
}

}  // namespace exemplar_svm::bench
