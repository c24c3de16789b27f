#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "exemplar_svm/rows_view.hpp"
#include "problem/optimality.hpp"
#include "solve/polish.hpp"
#include "solve/prepared_examples.hpp"
#include "solve/primal_newton.hpp"

namespace exemplar_svm {

/// Scratch of DualCoordinateDescent.
template <Real T>
struct DescentScratch {
    PreparedExamples<T> examples;
    std::vector<RowIndex> active;         ///< active rows come first
    std::vector<std::uint8_t> marks;      ///< per sparse row, 0 between uses
    std::vector<RowIndex> sorted;         ///< sparse rows in order; or the rows of a
                                          ///< step by conjugate gradients
    std::vector<T> products;              ///< x~_i . x~_j, row by row, for each example j
    std::vector<T> coef;                  ///< weights that epochs change
    std::vector<double> wide_coef;        ///< weights recomputed in double precision
    std::vector<double> wide;             ///< other weights, or a sample, in double precision
    std::vector<T> rows;                  ///< two dense rows as T, or one sparse row, decompressed
    std::vector<BlockSummary> summaries;  ///< one per block of rows
    PolishScratch polish;
    NewtonScratch newton;
    std::unique_ptr<double[]> joint;  ///< of ConjugateGradients, touched as needed

    /// For problems of at most view.rows rows in at most max_blocks blocks.
    DescentScratch(const RowsView<T>& view, std::size_t max_blocks, std::size_t max_examples,
                   std::size_t max_example_entries);
};

}  // namespace exemplar_svm
