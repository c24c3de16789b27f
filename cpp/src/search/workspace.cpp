#include "exemplar_svm/workspace.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>

#include "exemplar_svm/scan.hpp"
#include "model/sign_codes.hpp"
#include "model/sketch.hpp"
#include "problem/sparse_examples.hpp"
#include "solve/conjugate_gradients.hpp"
#include "solve/example_block.hpp"
#include "solve/panel.hpp"
#include "solve/primal_descent.hpp"
#include "solve/primal_newton.hpp"

namespace exemplar_svm {

namespace {

std::size_t polish_size(std::size_t n_rows, std::size_t max_examples) noexcept {
    return std::min(n_rows + max_examples, max_polished);
}

/// The size of what only searches among dense, or sparse, rows need.
template <Real T>
std::size_t if_dense(const RowsView<T>& rows, std::size_t size) noexcept {
    return rows.is_dense() ? size : 0;
}

template <Real T>
std::size_t if_sparse(const RowsView<T>& rows, std::size_t size) noexcept {
    return rows.is_dense() ? 0 : size;
}

/// The number of rows, unless sizes in the order of rows, features and examples would wrap around.
/// @throws std::bad_alloc
template <Real T>
std::size_t checked_rows(const RowsView<T>& rows, std::size_t max_examples) {
    constexpr std::size_t most =
        std::numeric_limits<std::ptrdiff_t>::max() / (2 * ExampleBlock::capacity * sizeof(double));
    if (rows.rows > most || rows.cols > most ||
        max_examples > most / std::max<std::size_t>(rows.cols, 1)) {
        throw std::bad_array_new_length();
    }
    return rows.rows;
}

}  // namespace

template <Real T>
Workspace<T>::Workspace(std::size_t n_rows, std::size_t n_features, std::size_t max_ranks,
                        std::size_t max_examples)
    : Workspace(RowsView<T>(nullptr, n_rows, n_features, 0), max_ranks, max_examples) {}

template <Real T>
Workspace<T>::Workspace(const RowsView<T>& rows, std::size_t max_ranks, std::size_t max_examples,
                        std::size_t max_example_entries)
    : dual(checked_rows(rows, max_examples)),
      example_dual(max_examples),
      weights{std::vector<T>(rows.cols), 0.0},
      active(rows.rows),
      marks(if_sparse(rows, rows.rows)),
      sorted(marks.size()),
      products(rows.rows * std::min(max_examples, ExampleBlock::capacity)),
      coef(rows.cols),
      wide_coef(rows.cols),
      prior_coef(rows.cols),
      examples(if_dense(rows, max_examples * rows.cols)),
      example_mean_products(max_examples),
      block(std::make_unique<ExampleBlock>()),
      wide_row(rows.cols),
      row_scratch((rows.is_dense() ? 4 : 1) * rows.cols),
      polish(polish_size(rows.rows, max_examples) * (polish_size(rows.rows, max_examples) + 8)),
      polish_rows(2 * polish_size(rows.rows, max_examples)),
      joint_scratch(std::make_unique_for_overwrite<double[]>(
          if_sparse(rows, ConjugateGradients<T>::scratch_size(rows.rows, rows.cols)))),
      newton(std::make_unique<NewtonScratch>(rows.rows, rows.cols, max_examples)),
      primal_scratch(
          if_dense(rows, PrimalDescent<T>::scratch_size(rows.rows, rows.cols, max_examples))),
      given_examples(if_dense(rows, max_examples * rows.cols)),
      example_labels(max_examples),
      example_costs(max_examples),
      background(rows.rows),
      candidates(rows.rows),
      scores(rows.rows),
      row_scores(if_dense(rows, std::min(rows.rows, max_gram_rows))),
      panel(std::make_unique<Panel<T>>(rows)),
      sign_scratch(if_dense(rows, SignCodes<T>::scratch_size(rows.cols))),
      scan_weights{std::vector<T>(rows.cols), 0.0},
      sketch_weights(std::make_unique<IntegerWeights>(if_dense(rows, rows.cols))),
      block_highest(row_blocks(rows).count()),
      collected(rows.rows),
      collected_scores(collected.size()),
      ranking(std::min(max_ranks, rows.rows) + 1) {
    summaries.resize(std::max(block_highest.size(), panel->max_blocks()));
    if (rows.is_dense()) return;
    max_example_entries = std::min(max_example_entries, max_examples * rows.cols);
    sparse_examples =
        std::make_unique<SparseExamples<T>>(max_examples, max_example_entries, rows.cols);
}

template <Real T>
std::size_t Workspace<T>::max_example_entries() const noexcept {
    return sparse_examples == nullptr ? 0 : sparse_examples->max_entries();
}

template <Real T>
bool Workspace<T>::has_room_for(const RowsView<T>& rows) const noexcept {
    // Sparse rows that are longer are cut into more blocks.
    return n_rows() >= rows.rows && n_features() == rows.cols &&
           block_highest.size() >= row_blocks(rows).count() && panel->has_room_for(rows);
}

template <Real T>
Workspace<T>::~Workspace() = default;
template <Real T>
Workspace<T>::Workspace(Workspace&&) noexcept = default;
template <Real T>
Workspace<T>& Workspace<T>::operator=(Workspace&&) noexcept = default;

template class Workspace<float>;
template class Workspace<double>;

}  // namespace exemplar_svm
