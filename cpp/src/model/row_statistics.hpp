#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/buffer.hpp"
#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/real.hpp"
#include "exemplar_svm/rows_view.hpp"
#include "exemplar_svm/settings.hpp"
#include "exemplar_svm/stop_condition.hpp"
#include "model/gaussian_model.hpp"
#include "model/gram_matrix.hpp"
#include "model/postings.hpp"
#include "model/sign_codes.hpp"
#include "model/sketch.hpp"

namespace exemplar_svm {

/// Descent on the primal is of no use for fewer rows.
inline constexpr std::size_t fewest_primal_rows = 1024;

/// Everything an index computes about its rows once for all searches, and which rows are live. A
/// copy shares the per-row values.
template <Real T>
struct RowStatistics {
    Buffer<std::uint8_t> live;  ///< not 0 for live rows; empty: all rows are live
    std::size_t n_live = 0;

    Method method = Method::full;  ///< what has been prepared for; never automatic

    Buffer<T> squared_norms;        ///< of the rows, less the mean if centred
    double max_squared_norm = 0.0;  ///< of the live rows
    bool are_finite = true;         ///< the live rows and their squared norms
    std::vector<double> mean;       ///< of the live rows; empty unless centred
    double mean_error = 0.0;        ///< bound on the distance of `mean` from the exact mean
    Buffer<T> mean_products;        ///< empty unless centred
    GaussianModel<T> gaussian;
    SignCodes<T> sign_codes;        ///< empty unless dense rows are searched by working set
    Postings<T> postings;           ///< empty unless sparse rows are searched by working set
    Sketch<T> sketch;               ///< empty unless asked for
    double max_sketch_error = 0.0;  ///< largest error of a live row
    GramMatrix<T> gram;             ///< empty unless searches use it

    RowStatistics() = default;

    /// @throws std::invalid_argument for rows that are not finite, or too many for the method;
    /// Stopped
    RowStatistics(const RowsView<T>& rows, const IndexSettings& settings, ExecutorRef executor) {
        update(rows, settings, executor);
    }

    /// Adds the rows behind those it has; they are live. Takes time in the order of the new rows,
    /// and a pass over the norms. With a mean, all rows are read as if they were new. Throws as the
    /// constructor does; the statistics are then useless.
    void update(const RowsView<T>& rows, const IndexSettings& settings, ExecutorRef executor,
                const StopCondition& stop = {});

    /// Marks rows as removed, before an update(). @throws std::invalid_argument for rows that are
    /// not live
    void remove(const RowsView<T>& rows, std::span<const RowNumber> removed);

    bool is_live(std::size_t i) const noexcept { return live.empty() || live[i] != 0; }

    /// Not 0 for live rows; null: all rows are live.
    const std::uint8_t* live_mask() const noexcept { return live.empty() ? nullptr : live.data(); }

    /// Calls visit(name, values) for each part that a file keeps (index.hpp).
    template <class Self, class Visit>
    static void visit_parts(Self& self, Visit&& visit) {
        visit("live", self.live);
        visit("norms", self.squared_norms);
        visit("mean", self.mean);
        visit("mean_products", self.mean_products);
        GaussianModel<T>::visit_parts(self.gaussian, visit);
        SignCodes<T>::visit_parts(self.sign_codes, visit);
        Postings<T>::visit_parts(self.postings, visit);
        Sketch<T>::visit_parts(self.sketch, visit);
        GramMatrix<T>::visit_parts(self.gram, visit);
    }

    /// Completes statistics assembled from parts.
    /// @throws std::invalid_argument if the parts do not fit the rows and settings
    void require_valid(const RowsView<T>& rows, const IndexSettings& settings);

  private:
    void measure(const RowsView<T>& rows, const IndexSettings& settings, ExecutorRef executor,
                 const StopCondition& stop);
    void centre(const RowsView<T>& rows, double inflation, std::vector<T>& squares,
                ExecutorRef executor, const StopCondition& stop);
    void find_largest();

    std::size_t n_modelled_ = 0;  // rows when the Gaussian model was made
};

}  // namespace exemplar_svm
