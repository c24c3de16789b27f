#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "exemplar_svm/profile.hpp"
#include "exemplar_svm/real.hpp"
#include "exemplar_svm/rows_view.hpp"
#include "exemplar_svm/weights.hpp"

namespace exemplar_svm {

template <Real T>
struct SearchScratch;

/// The most searches of a batch that share a scan.
inline constexpr std::size_t max_batch = 8;

/// Every buffer that a search needs, allocated once. One search uses a workspace at a time.
///
/// A workspace takes about 26 + (2 + p) sizeof(T) bytes per row for p examples, of which at most 32
/// are counted, and at most a megabyte and 1.4 kB per feature besides. The following memory is
/// touched only as searches need it. The working set has room for half of the rows or 16,384,
/// whichever is less; that of sparse rows for half of all. Small values of C take 8 bytes per dense
/// row. Solving for many sparse rows at once takes 48 bytes per row and 72 per feature. Examples of
/// sparse rows take memory for what is not zero in them.
template <Real T>
class Workspace {
  public:
    static constexpr std::size_t any_entries = static_cast<std::size_t>(-1);

    /// @param rows          of the index; it also serves indices of fewer rows
    /// @param max_ranks     the longest ranking a search may ask for
    /// @param max_examples  the most examples a search may have, positive and negative ones
    /// @param max_example_entries  on sparse rows, the most values that are not zero in these
    ///                             together (see count_entries in query.hpp)
    /// @throws std::bad_alloc
    Workspace(const RowsView<T>& rows, std::size_t max_ranks, std::size_t max_examples = 1,
              std::size_t max_example_entries = any_entries);

    /// For dense rows.
    Workspace(std::size_t n_rows, std::size_t n_features, std::size_t max_ranks,
              std::size_t max_examples = 1);

    /// For searches on `index` (any class with rows()).
    template <class AnyIndex>
        requires requires(const AnyIndex& index) { index.rows(); }
    explicit Workspace(const AnyIndex& index, std::size_t max_ranks, std::size_t max_examples = 1,
                       std::size_t max_example_entries = any_entries)
        : Workspace(index.rows(), max_ranks, max_examples, max_example_entries) {}

    ~Workspace();
    Workspace(Workspace&&) noexcept;
    Workspace& operator=(Workspace&&) noexcept;

    std::size_t n_rows() const noexcept;
    std::size_t n_features() const noexcept;
    std::size_t max_ranks() const noexcept;
    std::size_t max_examples() const noexcept;
    std::size_t max_example_entries() const noexcept;  ///< 0 for dense rows

    /// Whether searches among these rows find all that there is per row and per block of rows.
    bool has_room_for(const RowsView<T>& rows) const noexcept;

    // What solve() and Index::fit() leave behind, until the next call that uses the workspace.

    std::span<const double> dual() const noexcept;          ///< per row, of which there may be more
    std::span<const double> example_dual() const noexcept;  ///< per example, likewise
    const Weights<T>& weights() const noexcept;

    /// For the library.
    SearchScratch<T>& scratch() noexcept { return *scratch_; }

  private:
    std::unique_ptr<SearchScratch<T>> scratch_;
};

template <template <class> class AnyIndex, Real T>
Workspace(const AnyIndex<T>&, std::size_t, std::size_t = 1, std::size_t = 0) -> Workspace<T>;

}  // namespace exemplar_svm
