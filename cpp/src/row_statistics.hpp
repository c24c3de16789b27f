#pragma once

#include <vector>

#include "background.hpp"
#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/rows_view.hpp"
#include "exemplar_svm/settings.hpp"
#include "gram_matrix.hpp"
#include "signatures.hpp"
#include "sketch.hpp"

namespace exemplar_svm {

/// What an index computes from its rows once, for all searches.
template <Real T>
struct RowStatistics {
    std::vector<T> squared_norms;  ///< of the rows, less the mean if it is subtracted
    double max_squared_norm = 0.0;
    double sum_square = -1.0;      ///< ||sum of sparse rows||^2, less the means; of others negative
    std::vector<double> mean;      ///< empty unless centred
    std::vector<T> mean_products;  ///< empty unless centred
    Background<T> background;
    Signatures<T> signatures;       ///< empty unless searches choose working sets
    Sketch<T> sketch;               ///< empty unless asked for
    double max_sketch_error = 0.0;  ///< largest of its rows' errors
    GramMatrix<T> gram;             ///< empty unless searches use it

    /// @throws std::invalid_argument for rows that are not finite, or too many for the method
    RowStatistics(const RowsView<T>& rows, const IndexSettings& settings, ExecutorRef executor);

  private:
    void centre(const RowsView<T>& rows, double inflation, ExecutorRef executor);
};

}  // namespace exemplar_svm
