#pragma once

#include <cstddef>
#include <vector>

#include "exemplar_svm/profile.hpp"
#include "exemplar_svm/rows_view.hpp"
#include "exemplar_svm/top_k.hpp"
#include "problem/query_problem.hpp"
#include "search/working_set.hpp"
#include "solve/descent_scratch.hpp"
#include "solve/gram_descent.hpp"
#include "solve/primal_descent.hpp"
#include "solve/solution.hpp"

namespace exemplar_svm {

/// Scratch of a search: that of its parts, and the data that pass between parts.
template <Real T>
struct SearchScratch {
    QueryScratch<T> query;
    WorkingSetScratch<T> working_set;
    DescentScratch<T> descent;
    GramScratch<T> gram;
    PrimalScratch<T> primal;

    Solution<T> solution;
    std::vector<T> scores;           ///< per row
    std::vector<RowIndex> sample;    ///< rows that standardize the scores
    std::vector<T> sample_scores;    ///< scores of the rows in `sample`
    std::vector<Ranked<T>> ranking;  ///< one place more than is returned, for the certificate
    SearchProfile profile;

    /// @throws std::bad_alloc
    SearchScratch(const RowsView<T>& rows, std::size_t max_ranks, std::size_t max_examples,
                  std::size_t max_example_entries);
};

}  // namespace exemplar_svm
