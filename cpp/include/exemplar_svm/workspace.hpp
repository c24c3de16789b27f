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

/// Every buffer of a search, allocated once. One search uses a workspace at a time.
///
/// A workspace takes about 18 + (2 + p) sizeof(T) bytes per row for p examples (at most 32 count),
/// plus at most 1 MB and 1.4 kB per feature. Further memory is touched only as searches need it:
/// a working set of at most half of the rows, if dense also of at most 16,384; 8 bytes per dense
/// row for small C; 40 bytes per row and 64 per feature for joint steps on many sparse rows; 60
/// bytes per row and at most 32 MB for Newton's method; the nonzero values of sparse examples.
template <Real T>
class Workspace {
  public:
    static constexpr std::size_t any_entries = static_cast<std::size_t>(-1);

    /// @param rows          of the index; the workspace also serves indices of fewer rows
    /// @param max_ranks     the longest ranking a search may ask for
    /// @param max_examples  the most examples of a search, positive and negative together
    /// @param max_example_entries  sparse rows: the most nonzero values of all examples together
    ///                             (count_entries in query.hpp)
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

    /// Whether all buffers per row, per feature and per block of rows are large enough.
    bool has_room_for(const RowsView<T>& rows) const noexcept;

    // The solution of the last solve() or Index::fit(). Spans may be longer than the problem.

    std::span<const double> dual() const noexcept;          ///< per row
    std::span<const double> example_dual() const noexcept;  ///< per example
    const Weights<T>& weights() const noexcept;

    /// For the library.
    SearchScratch<T>& scratch() noexcept { return *scratch_; }

  private:
    std::unique_ptr<SearchScratch<T>> scratch_;
};

template <template <class> class AnyIndex, Real T>
Workspace(const AnyIndex<T>&, std::size_t, std::size_t = 1, std::size_t = 0) -> Workspace<T>;

}  // namespace exemplar_svm
