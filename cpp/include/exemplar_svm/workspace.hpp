#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "exemplar_svm/profile.hpp"
#include "exemplar_svm/real.hpp"
#include "exemplar_svm/rows_view.hpp"
#include "exemplar_svm/top_k.hpp"
#include "exemplar_svm/weights.hpp"

namespace exemplar_svm {

class ExampleBlock;
class IntegerWeights;
struct NewtonScratch;
template <Real T>
class Panel;
template <Real T>
class SparseExamples;

/// The most coordinates that a Newton step of the solver takes together (see solver.hpp).
inline constexpr std::size_t max_polished = 256;

/// The most searches of a batch that share a scan.
inline constexpr std::size_t max_batch = 8;

/// The most rows whose products with each other an index keeps (Method::gram): 256 MB of float32.
inline constexpr std::size_t max_gram_rows = 8192;

/// What the verification of one block of rows adds up; summed over the blocks in order.
struct BlockSummary {
    double violation = 0.0;  ///< largest
    double loss = 0.0;
    double gap = 0.0;
    double quadratic_rounding = 0.0;  ///< how the rounding of scores enters the gap:
    double linear_rounding = 0.0;     ///< see DualCoordinateDescent::gap_with_rounding
    std::size_t n_support = 0;
};

/// Every buffer that a search needs, allocated once. One search uses a workspace at a time; about
/// 18 + (2 + p) sizeof(T) bytes per row for p examples, of which at most 32 are counted, and at
/// most a megabyte and 1.4 kB per feature besides. The working set takes as much memory as the rows
/// it copies, of which there is room for half of all or 16,384, whichever is less; it is touched as
/// it is needed. Of sparse rows it may be half of all; solving for many of these at once takes 48
/// bytes per row and 72 per feature besides, and examples take memory for what is not zero in them.
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

    std::size_t n_rows() const noexcept { return dual.size(); }
    std::size_t n_features() const noexcept { return weights.coef.size(); }
    std::size_t max_ranks() const noexcept { return ranking.size() - 1; }
    std::size_t max_examples() const noexcept { return example_dual.size(); }
    std::size_t max_example_entries() const noexcept;  ///< 0 for dense rows

    /// Whether searches among these rows find all that there is per row and per block of rows.
    bool has_room_for(const RowsView<T>& rows) const noexcept;

    // What a solve leaves behind.
    std::vector<double> dual;          ///< per row of the index, of which there may be fewer
    std::vector<double> example_dual;  ///< per example
    Weights<T> weights;

    SearchProfile profile;  ///< of the last search

    // What a solve works with.
    std::vector<RowIndex> active;               ///< rows the next epoch visits come first
    std::vector<std::uint8_t> marks;            ///< per sparse row, 0 between uses
    std::vector<RowIndex> sorted;               ///< sparse rows in order
    std::vector<T> products;                    ///< x~_i . x~_j, row by row, for each example j
    std::vector<T> coef;                        ///< weights while they change
    std::vector<double> wide_coef;              ///< weights recomputed in double precision
    std::vector<double> prior_coef;             ///< w_0
    std::vector<T> examples;                    ///< the examples of dense rows, less the mean
    std::vector<double> example_mean_products;  ///< mean . those, or the sparse examples
    std::unique_ptr<ExampleBlock> block;        ///< the eliminated examples
    std::vector<double> wide_row;               ///< one row in double precision
    std::vector<T> row_scratch;                 ///< four dense rows not in place, or a sparse one
    std::vector<double> polish;                 ///< the small quadratic of a Newton step
    std::vector<std::size_t> polish_rows;       ///< its coordinates
    std::vector<BlockSummary> summaries;        ///< one per block of rows, or of the panel
    std::unique_ptr<double[]> joint_scratch;    ///< of ConjugateGradients, touched as it is needed
    std::unique_ptr<NewtonScratch> newton;      ///< of PrimalNewton, likewise
    std::vector<double> primal_scratch;         ///< of PrimalDescent

    // What a query is made into, where its problem does not borrow from it.
    std::vector<T> given_examples;                       ///< positives first, of dense rows
    std::unique_ptr<SparseExamples<T>> sparse_examples;  ///< of sparse rows; else null
    std::vector<std::int8_t> example_labels;
    std::vector<double> example_costs;
    std::vector<std::uint8_t> background;  ///< per row
    std::vector<std::uint8_t> candidates;  ///< per row

    // What a search works with.
    std::vector<T> scores;                           ///< per row
    std::vector<double> row_scores;                  ///< what scores owe to the rows (Gram matrix)
    std::unique_ptr<Panel<T>> panel;                 ///< the working set
    std::vector<std::uint8_t> sign_scratch;          ///< weights as sign codes are multiplied with
    Weights<T> scan_weights;                         ///< those of the last scan
    std::unique_ptr<IntegerWeights> sketch_weights;  ///< the same, for the scan of a sketch
    std::vector<T> block_highest;                    ///< best score of each block of rows in it
    std::vector<RowIndex> collected;                 ///< rows to look at again
    std::vector<T> collected_scores;
    std::vector<Ranked<T>> ranking;  ///< one place more than is returned, for the certificate
};

template <template <class> class AnyIndex, Real T>
Workspace(const AnyIndex<T>&, std::size_t, std::size_t = 1, std::size_t = 0) -> Workspace<T>;

}  // namespace exemplar_svm
