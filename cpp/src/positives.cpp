#include "positives.hpp"

#include <algorithm>

#include "optimality.hpp"
#include "positive_block.hpp"

namespace exemplar_svm {

template <Real T>
DenseView<T> prepare_positives(const Problem<T>& problem, Workspace<T>& workspace) noexcept {
    const std::size_t p = problem.positives.rows, d = problem.positives.cols;
    const double bias_square = problem.intercept_scaling * problem.intercept_scaling;
    const DenseView<T> positives{workspace.positives.data(), p, d, static_cast<std::ptrdiff_t>(d)};
    std::fill(workspace.prior_coef.begin(), workspace.prior_coef.end(), 0.0);
    for (std::size_t j = 0; j < p; ++j) {
        const T* given = problem.positives.row(j);
        T* centred = workspace.positives.data() + j * d;
        for (std::size_t c = 0; c < d; ++c) {
            const double value = static_cast<double>(given[c]);
            const double mean = problem.mean == nullptr ? 0.0 : problem.mean[c];
            centred[c] = static_cast<T>(value - mean);
            workspace.prior_coef[c] += problem.prior / static_cast<double>(p) * value;
        }
        const double initial =
            problem.initial_positive_dual == nullptr ? 0.0 : problem.initial_positive_dual[j];
        workspace.positive_dual[j] =
            std::clamp(initial, 0.0, penalty(problem.loss, positive_cost(problem, j)).upper);
    }

    PositiveBlock& block = *workspace.block;
    double gram[PositiveBlock::capacity * PositiveBlock::capacity];
    double diagonal[PositiveBlock::capacity], upper[PositiveBlock::capacity];
    if (p > PositiveBlock::capacity) {
        block.reset(0, gram, diagonal, upper);
        return positives;
    }
    for (std::size_t j = 0; j < p; ++j) {
        const Penalty bounds = penalty(problem.loss, positive_cost(problem, j));
        diagonal[j] = bounds.diagonal;
        upper[j] = bounds.upper;
        for (std::size_t l = 0; l <= j; ++l) {
            double product = bias_square;
            for (std::size_t c = 0; c < d; ++c) {
                product += static_cast<double>(positives.row(j)[c]) *
                           static_cast<double>(positives.row(l)[c]);
            }
            gram[j * p + l] = gram[l * p + j] = product;
        }
    }
    block.reset(p, gram, diagonal, upper);
    for (std::size_t j = 0; j < p; ++j) block.set_outside(j, workspace.positive_dual[j]);
    block.fold();
    return positives;
}

template DenseView<float> prepare_positives(const Problem<float>&, Workspace<float>&) noexcept;
template DenseView<double> prepare_positives(const Problem<double>&, Workspace<double>&) noexcept;

}  // namespace exemplar_svm
