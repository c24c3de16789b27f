#include "problem/examples.hpp"

#include <algorithm>

#include "problem/samples.hpp"
#include "problem/sparse_examples.hpp"
#include "solve/example_block.hpp"

namespace exemplar_svm {

namespace {

/// The examples in the workspace, times their label: dense ones less the mean.
template <Real T>
RowsView<T> sign_examples(const Problem<T>& problem, Workspace<T>& workspace) noexcept {
    if (!problem.examples.is_dense()) {
        return workspace.sparse_examples->view_signed(problem.example_labels);
    }
    const std::size_t p = problem.examples.rows, d = problem.examples.cols;
    for (std::size_t j = 0; j < p; ++j) {
        const T* given = problem.examples.row(j);
        T* signed_example = workspace.examples.data() + j * d;
        const double label = example_label(problem, j);
        for (std::size_t c = 0; c < d; ++c) {
            const double mean = problem.mean == nullptr ? 0.0 : problem.mean[c];
            signed_example[c] = static_cast<T>(label * (static_cast<double>(given[c]) - mean));
        }
    }
    return {workspace.examples.data(), p, d, static_cast<std::ptrdiff_t>(d)};
}

}  // namespace

template <Real T>
RowsView<T> prepare_examples(const Problem<T>& problem, Workspace<T>& workspace) noexcept {
    const Samples<T> samples(problem);
    const std::size_t n = problem.rows.rows, p = problem.examples.rows;
    const RowsView<T> examples = sign_examples(problem, workspace);
    samples.copy_prior(workspace.prior_coef.data());
    for (std::size_t j = 0; j < p; ++j) {
        workspace.example_mean_products[j] =
            problem.mean == nullptr ? 0.0 : examples.dot_wide(j, problem.mean);
        const double initial =
            problem.initial_example_dual == nullptr ? 0.0 : problem.initial_example_dual[j];
        workspace.example_dual[j] = std::clamp(initial, 0.0, samples.penalty(n + j).upper);
    }

    ExampleBlock& block = *workspace.block;
    double gram[ExampleBlock::capacity * ExampleBlock::capacity];
    double diagonal[ExampleBlock::capacity], upper[ExampleBlock::capacity];
    if (p > ExampleBlock::capacity) {
        block.reset(0, gram, diagonal, upper);
        return examples;
    }
    for (std::size_t j = 0; j < p; ++j) {
        const Penalty bounds = samples.penalty(n + j);
        diagonal[j] = bounds.diagonal;
        upper[j] = bounds.upper;
        double* const wide = workspace.wide_row.data();
        samples.widen(n + j, wide);
        const double offset = samples.offset(wide, 0.0);
        for (std::size_t l = 0; l <= j; ++l) {
            const double bias = samples.label(n + j) * samples.label(n + l) * samples.bias_square();
            gram[j * p + l] = gram[l * p + j] = bias + samples.product(n + l, wide, offset);
        }
    }
    block.reset(p, gram, diagonal, upper);
    for (std::size_t j = 0; j < p; ++j) block.set_outside(j, workspace.example_dual[j]);
    block.fold();
    return examples;
}

template RowsView<float> prepare_examples(const Problem<float>&, Workspace<float>&) noexcept;
template RowsView<double> prepare_examples(const Problem<double>&, Workspace<double>&) noexcept;

}  // namespace exemplar_svm
