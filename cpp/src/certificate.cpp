#include "exemplar_svm/certificate.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace exemplar_svm {
namespace {

template <Real T>
double distance(const T* a, const T* b, std::size_t n) noexcept {
    constexpr std::size_t lanes = 8;  // as many sums at once as hide the latency of an addition
    double sums[lanes] = {};
    const auto add = [&](std::size_t lane, std::size_t j) {
        const double difference = static_cast<double>(a[j]) - static_cast<double>(b[j]);
        sums[lane] += difference * difference;
    };
    std::size_t j = 0;
    for (; j + lanes <= n; j += lanes) {
        for (std::size_t lane = 0; lane < lanes; ++lane) add(lane, j + lane);
    }
    for (; j < n; ++j) add(0, j);
    return std::sqrt(std::accumulate(sums, sums + lanes, 0.0));
}

}  // namespace

double weights_error_from_gap(double gap) noexcept { return std::sqrt(std::max(gap, 0.0)); }

double ScoreError::bound(double squared_norm) const noexcept {
    return weights_error * std::sqrt(squared_norm + intercept_scaling * intercept_scaling) +
           rounding;
}

template <Real T>
std::size_t certified_ranks(const Ranked<T>* ranking, std::size_t n_ranked, std::size_t n_returned,
                            std::size_t n_candidates, const DenseView<T>& rows,
                            const T* squared_norms, double max_squared_norm,
                            const ScoreError& error) noexcept {
    const double largest_bound = error.bound(max_squared_norm);
    const bool all_ranked = n_ranked == n_candidates;

    const auto lead = [&](std::size_t rank, std::size_t later) {
        return static_cast<double>(ranking[rank].score) - static_cast<double>(ranking[later].score);
    };
    const auto squared_norm = [&](std::size_t rank) {
        return static_cast<double>(squared_norms[ranking[rank].row]);
    };
    const auto proven_ahead = [&](std::size_t rank, std::size_t later) {
        const double apart =
            distance(rows.row(static_cast<std::size_t>(ranking[rank].row)),
                     rows.row(static_cast<std::size_t>(ranking[later].row)), rows.cols);
        return apart == 0.0 ||
               lead(rank, later) > error.weights_error * apart + 2.0 * error.rounding;
    };

    std::size_t proven = 0;
    for (; proven < n_returned; ++proven) {
        // A lead that exceeds both rows' own errors needs no look at their distance, and there the
        // look ends: the scores only fall from here.
        const double enough = error.bound(squared_norm(proven)) + largest_bound;
        std::size_t later = proven + 1;
        while (later < n_ranked && lead(proven, later) <= enough && proven_ahead(proven, later)) {
            ++later;
        }
        const bool ahead_of_ranked = later == n_ranked || lead(proven, later) > enough;
        if (!ahead_of_ranked) break;
        // Rows that are not in `ranking` score at most as much as its last place.
        const bool ahead_of_others =
            all_ranked || later < n_ranked || lead(proven, n_ranked - 1) > enough;
        if (!ahead_of_others) break;
    }
    return proven;
}

template std::size_t certified_ranks(const Ranked<float>*, std::size_t, std::size_t, std::size_t,
                                     const DenseView<float>&, const float*, double,
                                     const ScoreError&) noexcept;
template std::size_t certified_ranks(const Ranked<double>*, std::size_t, std::size_t, std::size_t,
                                     const DenseView<double>&, const double*, double,
                                     const ScoreError&) noexcept;

}  // namespace exemplar_svm
