#pragma once

#include <cstddef>
#include <cstdint>

#include "exemplar_svm/profile.hpp"

namespace exemplar_svm {

enum class SearchStatus : std::uint8_t {
    converged,
    epoch_limit,
    precision_limit,
    deadline,       ///< the stop condition was reached: the best that had been found by then
    invalid_input,  ///< a query that is not finite, or the square of whose norm overflows; a
                    ///< setting out of range; a workspace too small; rows that are not finite,
                    ///< where the index has not been told to check them
};

/// What a search did and what it can prove.
struct SearchReport {
    SearchStatus status = SearchStatus::converged;
    std::uint32_t epochs = 0;
    std::size_t n_support = 0;
    double duality_gap = 0.0;
    /// No score of any row is further than this from its exact value. Infinity where a search was
    /// stopped before it had looked at weights.
    double score_error_bound = 0.0;
    /// How many of the leading ranks are proven to be the exact optimum's.
    std::size_t certified_k = 0;
    SearchProfile profile;
};

}  // namespace exemplar_svm
