#pragma once

#include <cstddef>
#include <cstdint>

#include "exemplar_svm/problem.hpp"
#include "exemplar_svm/search_report.hpp"
#include "exemplar_svm/settings.hpp"
#include "exemplar_svm/stop_condition.hpp"
#include "model/row_statistics.hpp"

namespace exemplar_svm {

/// What a search is for.
enum class Purpose : std::uint8_t {
    ranking,  ///< the best rows
    model,    ///< weights, dual coefficients and the scores of all rows
};

/// Everything that plan() looks at.
struct Situation {
    Method method = Method::automatic;  ///< of the index settings
    Method prepared = Method::full;     ///< what the index has prepared; never automatic
    Purpose purpose = Purpose::ranking;
    Loss loss = Loss::squared_hinge;
    bool is_dense = true;
    std::size_t n_rows = 0;
    std::size_t n_examples = 1;
    double cost = 0.0;              ///< of a row
    double expected_support = 0.0;  ///< number of support vectors by the Gaussian model; 0 without
    bool has_spread = false;        ///< whether rows differ from each other, by that model
    bool has_time = true;           ///< for two passes over the rows before the deadline
};

/// Chooses the strategy that a search begins with. No other function does.
Strategy plan(const Situation& situation) noexcept;

/// The strategy that continues after another one hands over.
Strategy successor(Strategy strategy, const Situation& situation) noexcept;

template <Real T>
Situation situation_of(const Problem<T>& problem, const RowStatistics<T>& statistics, Method method,
                       Purpose purpose, const StopCondition& stop) noexcept;

}  // namespace exemplar_svm
