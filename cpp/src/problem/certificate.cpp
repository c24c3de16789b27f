#include "exemplar_svm/certificate.hpp"

#include <algorithm>
#include <cmath>

namespace exemplar_svm {
double weights_error_from_gap(double gap) noexcept { return std::sqrt(std::max(gap, 0.0)); }

double ScoreError::bound(double squared_norm) const noexcept {
    // Squares of tiny elements may have underflowed.
    constexpr double lost = 1e-36;
    return weights_error * std::sqrt(squared_norm + intercept_scaling * intercept_scaling + lost) +
           rounding;
}

template <Real T>
std::size_t certified_ranks(const Ranked<T>* ranking, std::size_t n_ranked, std::size_t n_returned,
                            std::size_t n_candidates, const RowsOf<T>& rows, const T* squared_norms,
                            double max_squared_norm, const ScoreError& error) noexcept {
    const double largest_bound = error.bound(max_squared_norm);
    const bool all_ranked = n_ranked == n_candidates;

    const auto lead = [&](std::size_t rank, std::size_t later) {
        return static_cast<double>(ranking[rank].score) - static_cast<double>(ranking[later].score);
    };
    const auto squared_norm = [&](std::size_t rank) {
        return static_cast<double>(squared_norms[ranking[rank].row]);
    };
    const auto proven_ahead = [&](std::size_t rank, std::size_t later) {
        const double apart = rows.distance(static_cast<std::size_t>(ranking[rank].row),
                                           static_cast<std::size_t>(ranking[later].row));
        // Equal rows have equal exact scores, and the smaller row number goes first.
        if (apart == 0.0) return ranking[rank].row < ranking[later].row;
        return lead(rank, later) > error.weights_error * apart + 2.0 * error.rounding;
    };

    std::size_t proven = 0;
    for (; proven < n_returned; ++proven) {
        // A lead above the sum of both rows' error bounds needs no distance. It ends the loop,
        // since later scores are lower still.
        const double enough = error.bound(squared_norm(proven)) + largest_bound;
        std::size_t later = proven + 1;
        while (later < n_ranked && lead(proven, later) <= enough && proven_ahead(proven, later)) {
            ++later;
        }
        const bool ahead_of_ranked = later == n_ranked || lead(proven, later) > enough;
        if (!ahead_of_ranked) break;
        // Rows outside `ranking` score at most as much as the last ranked row.
        const bool ahead_of_others =
            all_ranked || later < n_ranked || lead(proven, n_ranked - 1) > enough;
        if (!ahead_of_others) break;
    }
    return proven;
}

template std::size_t certified_ranks(const Ranked<float>*, std::size_t, std::size_t, std::size_t,
                                     const RowsView<float>&, const float*, double,
                                     const ScoreError&) noexcept;
template std::size_t certified_ranks(const Ranked<double>*, std::size_t, std::size_t, std::size_t,
                                     const RowsView<double>&, const double*, double,
                                     const ScoreError&) noexcept;

}  // namespace exemplar_svm
