#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "exemplar_svm/profile.hpp"

namespace exemplar_svm {

enum class SearchStatus : std::uint8_t {
    converged,
    epoch_limit,
    precision_limit,
    deadline,       ///< the stop condition was reached: the rows are the best found so far
    invalid_input,  ///< nothing was searched: see InvalidInput
};

/// What is wrong with the input of a search whose status is invalid_input.
enum class InvalidInput : std::uint8_t {
    none,  ///< the input is valid
    setting_out_of_range,
    no_positives,
    wrong_number_of_features,  ///< in a vector among the examples
    workspace_too_small,       ///< or made for another number of features or another storage
    row_out_of_range,          ///< the row number of an example
    row_removed,               ///< an example names a removed row
    row_on_both_sides,         ///< a row is both a positive and a negative
    wrong_number_of_weights,
    weight_out_of_range,  ///< a weight is not positive and finite
    vector_not_finite,    ///< in a vector among the examples
    vector_too_large,     ///< the squared norm of an example overflows
    rows_not_finite,  ///< a live row or its squared norm is not finite: the index was told not to
                      ///< check, or the row has changed since
};

/// The method of a search. All strategies give the same answer.
enum class Strategy : std::uint8_t {
    full,         ///< coordinate descent over all rows
    gram,         ///< coordinate descent that updates all scores through the Gram matrix
    working_set,  ///< coordinate descent over few rows, and a proof that no other row supports
    primal,       ///< descent on the primal, where many rows support
};

/// The name of a strategy's constant.
constexpr std::string_view to_string(Strategy strategy) noexcept {
    switch (strategy) {
        case Strategy::full: return "full";
        case Strategy::gram: return "gram";
        case Strategy::working_set: return "working_set";
        case Strategy::primal: return "primal";
    }
    return "unknown";
}

/// The name of a status's constant.
constexpr std::string_view to_string(SearchStatus status) noexcept {
    switch (status) {
        case SearchStatus::converged: return "converged";
        case SearchStatus::epoch_limit: return "epoch_limit";
        case SearchStatus::precision_limit: return "precision_limit";
        case SearchStatus::deadline: return "deadline";
        case SearchStatus::invalid_input: return "invalid_input";
    }
    return "unknown";
}

/// The name of a reason's constant.
constexpr std::string_view to_string(InvalidInput reason) noexcept {
    switch (reason) {
        case InvalidInput::none: return "none";
        case InvalidInput::setting_out_of_range: return "setting_out_of_range";
        case InvalidInput::no_positives: return "no_positives";
        case InvalidInput::wrong_number_of_features: return "wrong_number_of_features";
        case InvalidInput::workspace_too_small: return "workspace_too_small";
        case InvalidInput::row_out_of_range: return "row_out_of_range";
        case InvalidInput::row_removed: return "row_removed";
        case InvalidInput::row_on_both_sides: return "row_on_both_sides";
        case InvalidInput::wrong_number_of_weights: return "wrong_number_of_weights";
        case InvalidInput::weight_out_of_range: return "weight_out_of_range";
        case InvalidInput::vector_not_finite: return "vector_not_finite";
        case InvalidInput::vector_too_large: return "vector_too_large";
        case InvalidInput::rows_not_finite: return "rows_not_finite";
    }
    return "unknown";
}

/// What a search did and what it certifies.
struct SearchReport {
    SearchStatus status = SearchStatus::converged;
    InvalidInput reason = InvalidInput::none;  ///< why the status is invalid_input
    Strategy strategy = Strategy::full;        ///< the one that found the answer
    std::uint32_t epochs = 0;
    std::size_t n_support = 0;
    double duality_gap = 0.0;
    /// Bound on the error of any row's score. Infinity if the search stopped without weights.
    double score_error_bound = 0.0;
    /// Number of leading ranks that are proven to be those of the exact optimum.
    std::size_t certified_k = 0;
    SearchProfile profile;
};

}  // namespace exemplar_svm
