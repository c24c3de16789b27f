#pragma once

#include <cstddef>

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

/// What decides how a search is done.
struct Situation {
    Method method = Method::automatic;  ///< what the index was asked for
    Method prepared = Method::full;     ///< what it has prepared: never automatic
    Purpose purpose = Purpose::ranking;
    Loss loss = Loss::squared_hinge;
    bool is_dense = true;
    std::size_t n_rows = 0;
    std::size_t n_examples = 1;
    double cost = 0.0;              ///< of a row
    double expected_support = 0.0;  ///< rows that will support, where the index has a model of them
    bool has_spread = false;        ///< by that model, rows differ from each other
    bool has_time = true;           ///< for two readings of the rows
};

/// The one place that decides how a search is done.
Strategy plan(const Situation& situation) noexcept;

/// Who goes on where a strategy hands over.
Strategy successor(Strategy strategy, const Situation& situation) noexcept;

template <Real T>
Situation situation_of(const Problem<T>& problem, const RowStatistics<T>& statistics, Method method,
                       Purpose purpose, const StopCondition& stop) noexcept;

}  // namespace exemplar_svm
