#include "examples.hpp"

#include <algorithm>

#include "example_block.hpp"
#include "optimality.hpp"

namespace exemplar_svm {

template <Real T>
DenseView<T> prepare_examples(const Problem<T>& problem, Workspace<T>& workspace) noexcept {
    const std::size_t p = problem.examples.rows, d = problem.examples.cols;
    const double bias_square = problem.intercept_scaling * problem.intercept_scaling;
    const DenseView<T> examples{workspace.examples.data(), p, d, static_cast<std::ptrdiff_t>(d)};
    std::fill(workspace.prior_coef.begin(), workspace.prior_coef.end(), 0.0);
    for (std::size_t j = 0; j < p; ++j) {
        const T* given = problem.examples.row(j);
        T* signed_example = workspace.examples.data() + j * d;
        const double label = example_label(problem, j);
        const double prior = problem.prior > 0.0 ? problem.prior * share_in_mean(problem, j) : 0.0;
        for (std::size_t c = 0; c < d; ++c) {
            const double value = static_cast<double>(given[c]);
            const double mean = problem.mean == nullptr ? 0.0 : problem.mean[c];
            signed_example[c] = static_cast<T>(label * (value - mean));
            workspace.prior_coef[c] += prior * value;
        }
        const double initial =
            problem.initial_example_dual == nullptr ? 0.0 : problem.initial_example_dual[j];
        workspace.example_dual[j] =
            std::clamp(initial, 0.0, penalty(problem.loss, example_cost(problem, j)).upper);
    }

    ExampleBlock& block = *workspace.block;
    double gram[ExampleBlock::capacity * ExampleBlock::capacity];
    double diagonal[ExampleBlock::capacity], upper[ExampleBlock::capacity];
    if (p > ExampleBlock::capacity) {
        block.reset(0, gram, diagonal, upper);
        return examples;
    }
    for (std::size_t j = 0; j < p; ++j) {
        const Penalty bounds = penalty(problem.loss, example_cost(problem, j));
        diagonal[j] = bounds.diagonal;
        upper[j] = bounds.upper;
        std::ranges::fill(workspace.wide_row, 0.0);
        add_example(problem, j, 1.0, workspace.wide_row.data());
        for (std::size_t l = 0; l <= j; ++l) {
            const double bias = example_label(problem, j) * example_label(problem, l) * bias_square;
            gram[j * p + l] = gram[l * p + j] =
                bias + example_product(problem, l, workspace.wide_row.data());
        }
    }
    block.reset(p, gram, diagonal, upper);
    for (std::size_t j = 0; j < p; ++j) block.set_outside(j, workspace.example_dual[j]);
    block.fold();
    return examples;
}

template DenseView<float> prepare_examples(const Problem<float>&, Workspace<float>&) noexcept;
template DenseView<double> prepare_examples(const Problem<double>&, Workspace<double>&) noexcept;

}  // namespace exemplar_svm
