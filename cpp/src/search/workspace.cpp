#include "exemplar_svm/workspace.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <new>

#include "problem/standardization.hpp"
#include "search/scratch.hpp"

namespace exemplar_svm {
namespace {

/// Refuses numbers of rows, features or examples for which buffer sizes would overflow.
/// @throws std::bad_alloc
template <Real T>
void require_countable(const RowsView<T>& rows, std::size_t max_examples) {
    constexpr std::size_t most =
        std::numeric_limits<std::ptrdiff_t>::max() / (2 * ExampleBlock::capacity * sizeof(double));
    if (rows.rows > most || rows.cols > most ||
        max_examples > most / std::max<std::size_t>(rows.cols, 1)) {
        throw std::bad_array_new_length();
    }
}

}  // namespace

template <Real T>
SearchScratch<T>::SearchScratch(const RowsView<T>& rows, std::size_t max_ranks,
                                std::size_t max_examples, std::size_t max_example_entries)
    : query(rows, max_examples, max_example_entries),
      working_set(rows, max_examples),
      descent(rows, std::max(working_set.scan.block_highest.size(), working_set.panel.max_blocks()),
              max_examples, max_example_entries),
      gram(rows, max_examples),
      primal(rows, max_examples),
      solution(rows.rows, rows.cols, max_examples),
      scores(rows.rows),
      sample(std::min(rows.rows, max_standardizing)),
      sample_scores(sample.size()),
      ranking(std::min(max_ranks, rows.rows) + 1) {}

template <Real T>
Workspace<T>::Workspace(std::size_t n_rows, std::size_t n_features, std::size_t max_ranks,
                        std::size_t max_examples)
    : Workspace(RowsView<T>(nullptr, n_rows, n_features, 0), max_ranks, max_examples) {}

template <Real T>
Workspace<T>::Workspace(const RowsView<T>& rows, std::size_t max_ranks, std::size_t max_examples,
                        std::size_t max_example_entries) {
    require_countable(rows, max_examples);
    scratch_ =
        std::make_unique<SearchScratch<T>>(rows, max_ranks, max_examples, max_example_entries);
}

template <Real T>
Workspace<T>::~Workspace() = default;
template <Real T>
Workspace<T>::Workspace(Workspace&&) noexcept = default;
template <Real T>
Workspace<T>& Workspace<T>::operator=(Workspace&&) noexcept = default;

template <Real T>
std::size_t Workspace<T>::n_rows() const noexcept {
    return scratch_->solution.dual.size();
}

template <Real T>
std::size_t Workspace<T>::n_features() const noexcept {
    return scratch_->solution.weights.coef.size();
}

template <Real T>
std::size_t Workspace<T>::max_ranks() const noexcept {
    return scratch_->ranking.size() - 1;
}

template <Real T>
std::size_t Workspace<T>::max_examples() const noexcept {
    return scratch_->solution.example_dual.size();
}

template <Real T>
std::size_t Workspace<T>::max_example_entries() const noexcept {
    return scratch_->query.examples.max_entries();
}

template <Real T>
bool Workspace<T>::has_room_for(const RowsView<T>& rows) const noexcept {
    // As many sparse rows with more entries are cut into more blocks.
    return n_rows() >= rows.rows && n_features() == rows.cols &&
           scratch_->working_set.has_room_for(rows);
}

template <Real T>
std::span<const double> Workspace<T>::dual() const noexcept {
    return scratch_->solution.dual;
}

template <Real T>
std::span<const double> Workspace<T>::example_dual() const noexcept {
    return scratch_->solution.example_dual;
}

template <Real T>
const Weights<T>& Workspace<T>::weights() const noexcept {
    return scratch_->solution.weights;
}

template struct SearchScratch<float>;
template struct SearchScratch<double>;
template class Workspace<float>;
template class Workspace<double>;

}  // namespace exemplar_svm
