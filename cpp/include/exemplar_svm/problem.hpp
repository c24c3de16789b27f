#pragma once

#include <cstddef>
#include <cstdint>

#include "exemplar_svm/matrix_view.hpp"
#include "exemplar_svm/rows_view.hpp"
#include "exemplar_svm/settings.hpp"

namespace exemplar_svm {

/// One L2-regularised linear SVM with a regularised intercept, as LIBLINEAR and scikit-learn's
/// LinearSVC state it. Everything is borrowed.
///
/// With x~ = [x, s] (s = intercept_scaling) and w~ = [w, b/s], over the rows and the examples,
///
///     minimise   1/2 ||w~ - w~_0||^2 + sum_i C_i loss(y_i w~.x~_i)
///
/// whose dual is, for D_i = 1/(2 C_i) and U_i = infinity (squared hinge) or D_i = 0 and U_i = C_i
/// (hinge),
///
///     minimise   1/2 a'(Q + D)a - sum_i (1 - y_i w~_0.x~_i) a_i   with   0 <= a_i <= U_i,
///
/// Q_ij = y_i y_j x~_i.x~_j, and w~ = w~_0 + sum_i a_i y_i x~_i.
///
/// Examples are separate from rows because they are few and each is coupled to every row: the
/// solver eliminates them (solver.hpp).
template <Real T>
struct Problem {
    RowsView<T> rows;
    const T* squared_norms = nullptr;          ///< ||x_i||^2 per row, or ||x_i - mean||^2
    double max_squared_norm = 0.0;             ///< upper bound on `squared_norms`
    const std::int8_t* labels = nullptr;       ///< +1 or -1 per row; null: every row is a negative
    double cost = 1.0;                         ///< C_i of every row, unless `costs` is given
    const double* costs = nullptr;             ///< C_i per row; a row with cost 0 takes no part
    const std::uint8_t* background = nullptr;  ///< not 0 for rows that take part; null: all rows do

    RowsView<T> examples;
    const std::int8_t* example_labels = nullptr;  ///< +1 or -1 per example; null: all are positives
    double example_cost = 1.0;  ///< C_i of every example, unless `example_costs` is given
    const double* example_costs = nullptr;  ///< C_i per example

    Loss loss = Loss::squared_hinge;
    double intercept_scaling = 1.0;  ///< s; 0 for a decision function without intercept

    /// Use x - mean instead of x, for rows and examples; null: no centring.
    const double* mean = nullptr;
    const T* mean_products = nullptr;  ///< mean . x_i per row; given together with `mean`
    double mean_error = 0.0;  ///< bound on the distance of `mean` from the exact mean of the rows

    /// w_0 = prior * (mean of the positive examples, weighted by cost, not centred); b_0 = 0.
    double prior = 0.0;
};

/// Dual coefficients to start from. The solver clamps them to [0, U_i].
struct WarmStart {
    const double* dual = nullptr;          ///< per row; null: all coefficients are zero
    const double* example_dual = nullptr;  ///< per example; null: those of the examples are zero
};

}  // namespace exemplar_svm
