#include "solve/conjugate_gradients.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "exemplar_svm/profile.hpp"

namespace exemplar_svm {
namespace {

/// Number of rows to prefetch ahead of the one that is read.
constexpr std::size_t ahead = 4;

}  // namespace

template <Real T>
ConjugateGradients<T>::ConjugateGradients(const Samples<T>& samples, const ExampleBlock& block,
                                          ExecutorRef executor, const StopCondition& stop,
                                          RowIndex* rows, double* scratch) noexcept
    : samples_(samples),
      block_(block),
      executor_(executor),
      stop_(stop),
      rows_(rows),
      duals_(scratch),
      diagonals_(duals_ + samples.n_rows()),
      residuals_(diagonals_ + samples.n_rows()),
      directions_(residuals_ + samples.n_rows()),
      products_(directions_ + samples.n_rows()),
      sums_(products_ + samples.n_rows()) {}

template <Real T>
void ConjugateGradients<T>::add(RowIndex row, double dual, double diagonal,
                                double gradient) noexcept {
    rows_[size_] = row;
    duals_[size_] = dual;
    diagonals_[size_] = diagonal;
    residuals_[size_++] = -gradient;
    n_entries_ += samples_.entries(row);
}

template <Real T>
Outcome ConjugateGradients<T>::solve(const Goal& goal) noexcept {
    // Check for negative coordinates once the gap is below this fraction of its initial value, and
    // at convergence.
    constexpr double early_part = 1e-4;
    constexpr int most_looks = 5;
    int n_looks = 0;
    bool restarts = true;
    double first_gap = 0.0, before = 0.0, seconds = 0.0;
    n_free_ = size_;
    for (std::uint32_t iteration = 0; iteration < goal.max_epochs; ++iteration) {
        double square = 0.0, gap = 0.0, largest = 0.0;  // of the residuals
        for (std::size_t s = 0; s < n_free_; ++s) {
            const double r = residuals_[s];
            square += r * r / curvature(s);
            gap += 0.5 * r * r / diagonals_[s];  // C (slack - D a)^2
            largest = std::max(largest, std::abs(r));
        }
        if (iteration == 0) first_gap = gap;
        if (stop_.earlier_by(seconds).reached()) return Outcome::stopped;
        const bool done = !(square > 0.0) || (largest <= goal.tol && gap <= goal.gap);
        if (done || (n_looks == 0 && gap <= early_part * first_gap)) {
            const std::size_t n_below = count_below();
            if (n_below > size_ / held_part || (n_below > 0 && ++n_looks == most_looks)) break;
            if (done && n_below == 0) return Outcome::reached;
            if (n_below > 0) {
                hold_at_zero();
                restarts = true;
                continue;
            }
            n_looks = 1;
        }
        const double share = restarts ? 0.0 : square / before;
        for (std::size_t s = 0; s < n_free_; ++s) {
            directions_[s] =
                residuals_[s] / curvature(s) + (restarts ? 0.0 : share * directions_[s]);
        }
        before = square;
        restarts = false;
        {
            seconds = 0.0;
            const Stopwatch stopwatch(seconds);
            multiply();
        }
        double along = 0.0;
        for (std::size_t s = 0; s < n_free_; ++s) along += directions_[s] * products_[s];
        take(square / along);
    }
    return Outcome::hand_over;
}

template <Real T>
std::size_t ConjugateGradients<T>::count_below() const noexcept {
    return static_cast<std::size_t>(
        std::count_if(duals_, duals_ + n_free_, [](double dual) { return dual < 0.0; }));
}

/// The diagonal of Q + D, without the examples' Schur complement.
template <Real T>
double ConjugateGradients<T>::curvature(std::size_t s) const noexcept {
    return samples_.row_squared_norm(rows_[s]) + diagonals_[s];
}

/// Moves the negative coordinates to zero and removes them from the free ones.
template <Real T>
void ConjugateGradients<T>::hold_at_zero() noexcept {
    for (std::size_t s = 0; s < n_free_; ++s) directions_[s] = std::max(0.0, -duals_[s]);
    multiply();
    take(1.0);
    for (std::size_t s = n_free_; s-- > 0;) {
        if (directions_[s] == 0.0) continue;
        duals_[s] = 0.0;
        swap(s, --n_free_);
    }
}

template <Real T>
void ConjugateGradients<T>::swap(std::size_t s, std::size_t t) noexcept {
    std::swap(rows_[s], rows_[t]);
    for (double* const values : {duals_, diagonals_, residuals_}) std::swap(values[s], values[t]);
}

template <Real T>
void ConjugateGradients<T>::take(double length) noexcept {
    for (std::size_t s = 0; s < n_free_; ++s) {
        duals_[s] += length * directions_[s];
        residuals_[s] -= length * products_[s];
    }
}

template <Real T>
void ConjugateGradients<T>::multiply() noexcept {
    const double offset = samples_.offset(sums_, sum_samples() * samples_.bias_square());
    const RowsView<T>& rows = samples_.problem().rows;
    for_each_block(executor_, RowBlocks(n_free_, rows.bytes_per_row()),
                   [&](std::size_t begin, std::size_t end, std::size_t) noexcept {
                       for (std::size_t s = begin; s < end; ++s) {
                           if (s + ahead < end) rows.prefetch(rows_[s + ahead]);
                           products_[s] = diagonals_[s] * directions_[s] +
                                          samples_.product(rows_[s], sums_, offset);
                       }
                   });
}

/// Sums the rows weighted by the direction, and the examples weighted by their response. Returns
/// the weighted sum of the labels.
template <Real T>
double ConjugateGradients<T>::sum_samples() noexcept {
    // Clearing and adding a group's sum costs as much as a few entries per feature.
    constexpr std::size_t entries_per_feature = 4;
    const std::size_t n_groups =
        std::clamp(n_entries_ / (entries_per_feature * samples_.n_features()), std::size_t{1},
                   Samples<T>::max_groups);
    const RowsView<T>& rows = samples_.problem().rows;
    const double row_labels =
        samples_.sum(executor_, n_free_, n_groups, sums_, sums_ + samples_.n_features(),
                     [&](std::size_t begin, std::size_t end, SampleSum<T>& sum) noexcept {
                         for (std::size_t s = begin; s < end; ++s) {
                             if (s + ahead < end) rows.prefetch(rows_[s + ahead]);
                             sum.add(directions_[s], rows_[s]);
                         }
                     });

    double products[ExampleBlock::capacity], changes[ExampleBlock::capacity];
    const std::size_t n = samples_.n_rows();
    const double offset = samples_.offset(sums_, 0.0);
    for (std::size_t j = 0; j < block_.count(); ++j) {
        products[j] = samples_.product(n + j, sums_, offset) +
                      samples_.label(n + j) * row_labels * samples_.bias_square();
    }
    block_.respond(products, changes);
    SampleSum<T> sum(samples_, sums_);
    for (std::size_t j = 0; j < block_.count(); ++j) sum.add(changes[j], n + j);
    return row_labels + sum.finish();
}

template class ConjugateGradients<float>;
template class ConjugateGradients<double>;

}  // namespace exemplar_svm
