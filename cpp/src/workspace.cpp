#include "exemplar_svm/workspace.hpp"

#include <algorithm>
#include <cstdint>

#include "example_block.hpp"
#include "exemplar_svm/scan.hpp"
#include "panel.hpp"
#include "primal_descent.hpp"
#include "signatures.hpp"
#include "sketch.hpp"

namespace exemplar_svm {

namespace {

std::size_t polish_size(std::size_t n_rows, std::size_t max_examples) noexcept {
    return std::min(n_rows + max_examples, max_polished);
}

}  // namespace

template <Real T>
Workspace<T>::Workspace(std::size_t n_rows, std::size_t n_features, std::size_t max_ranks,
                        std::size_t max_examples)
    : dual(n_rows),
      example_dual(max_examples),
      weights{std::vector<T>(n_features), 0.0},
      active(n_rows),
      products(n_rows * std::min(max_examples, ExampleBlock::capacity)),
      coef(n_features),
      wide_coef(n_features),
      prior_coef(n_features),
      examples(max_examples * n_features),
      block(std::make_unique<ExampleBlock>()),
      wide_row(n_features),
      polish(polish_size(n_rows, max_examples) * (polish_size(n_rows, max_examples) + 8)),
      polish_rows(2 * polish_size(n_rows, max_examples)),
      summaries(row_blocks(RowsView<T>(nullptr, n_rows, n_features, 0)).count()),
      primal_scratch(PrimalDescent<T>::scratch_size(n_rows, n_features, max_examples)),
      given_examples(max_examples * n_features),
      example_labels(max_examples),
      example_costs(max_examples),
      background(n_rows),
      candidates(n_rows),
      scores(n_rows),
      row_scores(std::min(n_rows, max_gram_rows)),
      panel(std::make_unique<Panel<T>>(Panel<T>::capacity_for(n_rows), n_features)),
      signature_scratch(Signatures<T>::scratch_size(n_features)),
      scan_weights{std::vector<T>(n_features), 0.0},
      sketch_weights(std::make_unique<IntegerWeights>(n_features)),
      block_highest(summaries.size()),
      collected(n_rows),
      collected_scores(n_rows),
      ranking(std::min(max_ranks, n_rows) + 1) {}

template <Real T>
Workspace<T>::~Workspace() = default;
template <Real T>
Workspace<T>::Workspace(Workspace&&) noexcept = default;
template <Real T>
Workspace<T>& Workspace<T>::operator=(Workspace&&) noexcept = default;

template class Workspace<float>;
template class Workspace<double>;

}  // namespace exemplar_svm
