#include "solve/descent_scratch.hpp"

#include <algorithm>

#include "solve/conjugate_gradients.hpp"

namespace exemplar_svm {

template <Real T>
DescentScratch<T>::DescentScratch(const RowsView<T>& view, std::size_t max_blocks,
                                  std::size_t max_examples, std::size_t max_example_entries)
    : examples(view, max_examples, max_example_entries),
      active(view.rows),
      marks(view.is_dense() ? 0 : view.rows),
      sorted(marks.size()),
      products(view.rows * std::min(max_examples, ExampleBlock::capacity)),
      coef(view.cols),
      wide_coef(view.cols),
      wide(view.cols),
      rows((view.is_dense() ? 2 : 1) * view.cols),
      summaries(max_blocks),
      polish(view.rows + max_examples),
      newton(view.rows, view.cols, max_examples),
      joint(std::make_unique_for_overwrite<double[]>(
          view.is_dense() ? 0 : ConjugateGradients<T>::scratch_size(view.rows, view.cols))) {}

template struct DescentScratch<float>;
template struct DescentScratch<double>;

}  // namespace exemplar_svm
