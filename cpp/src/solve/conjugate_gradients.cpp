#include "solve/conjugate_gradients.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "exemplar_svm/profile.hpp"
#include "kernels/dispatch.hpp"
#include "problem/examples.hpp"

namespace exemplar_svm {

template <Real T>
ConjugateGradients<T>::ConjugateGradients(const Problem<T>& problem, const ExampleBlock& block,
                                          ExecutorRef executor, const StopCondition& stop,
                                          RowIndex* rows, double* scratch) noexcept
    : problem_(problem),
      block_(block),
      executor_(executor),
      stop_(stop),
      bias_square_(problem.intercept_scaling * problem.intercept_scaling),
      rows_(rows),
      duals_(scratch),
      diagonals_(duals_ + problem.rows.rows),
      residuals_(diagonals_ + problem.rows.rows),
      directions_(residuals_ + problem.rows.rows),
      products_(directions_ + problem.rows.rows),
      change_(products_ + problem.rows.rows),
      sums_(change_ + problem.rows.cols) {
    std::fill_n(change_, problem.rows.cols, 0.0);
    std::fill_n(total_example_changes_, block.count(), 0.0);
}

template <Real T>
void ConjugateGradients<T>::add(RowIndex row, double dual, double diagonal,
                                double gradient) noexcept {
    rows_[size_] = row;
    duals_[size_] = dual;
    diagonals_[size_] = diagonal;
    residuals_[size_++] = -gradient;
    n_entries_ += problem_.rows.sparse().count(row);
}

template <Real T>
Outcome ConjugateGradients<T>::solve(double tol, double gap_tol) noexcept {
    constexpr int most_iterations = 100;
    // It is looked for coordinates below zero when the gap has fallen to this part, and in the end.
    constexpr double early_part = 1e-4;
    constexpr int most_looks = 5;
    int n_looks = 0;
    bool restarts = true;
    double first_gap = 0.0, before = 0.0, seconds = 0.0;
    n_free_ = size_;
    for (int iteration = 0; iteration < most_iterations; ++iteration) {
        double square = 0.0, gap = 0.0, largest = 0.0;  // of the residuals
        for (std::size_t s = 0; s < n_free_; ++s) {
            const double r = residuals_[s];
            square += r * r / curvature(s);
            gap += 0.5 * r * r / diagonals_[s];  // C (slack - D a)^2
            largest = std::max(largest, std::abs(r));
        }
        if (iteration == 0) first_gap = gap;
        if (stop_.earlier_by(seconds).reached()) return Outcome::stopped;
        const bool done = !(square > 0.0) || (largest <= tol && gap <= gap_tol);
        if (done || (n_looks == 0 && gap <= early_part * first_gap)) {
            const std::size_t n_below = count_below();
            if (n_below > size_ / held_part || (n_below > 0 && ++n_looks == most_looks)) break;
            if (done && n_below == 0) {
                take_out_examples();
                return Outcome::reached;
            }
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

/// The diagonal of the matrix, but for what the examples take off.
template <Real T>
double ConjugateGradients<T>::curvature(std::size_t s) const noexcept {
    return static_cast<double>(problem_.squared_norms[rows_[s]]) + bias_square_ + diagonals_[s];
}

/// Takes the coordinates below zero there, and out of those that are free.
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

/// A step along the direction.
template <Real T>
void ConjugateGradients<T>::take(double length) noexcept {
    for (std::size_t s = 0; s < n_free_; ++s) {
        duals_[s] += length * directions_[s];
        residuals_[s] -= length * products_[s];
    }
    kernels::active_table<double>().axpy(length, sums_, change_, problem_.rows.cols);
    change_of_sum_ += length * rows_sum_;
    for (std::size_t j = 0; j < block_.count(); ++j) {
        total_example_changes_[j] += length * example_changes_[j];
    }
}

/// The product of the matrix with the direction.
template <Real T>
void ConjugateGradients<T>::multiply() noexcept {
    constexpr std::size_t ahead = 4;
    sum_rows();
    respond();
    const double offset = sum_ * bias_square_ - mean_product(problem_, sums_);
    const RowBlocks blocks(n_free_, problem_.rows.bytes_per_row());
    for_each_block(executor_, blocks,
                   [&](std::size_t begin, std::size_t end, std::size_t) noexcept {
                       for (std::size_t s = begin; s < end; ++s) {
                           if (s + ahead < end) problem_.rows.prefetch(rows_[s + ahead]);
                           products_[s] = diagonals_[s] * directions_[s] -
                                          (problem_.rows.dot_wide(rows_[s], sums_) + offset);
                       }
                   });
}

/// Adds up the rows, less the mean, times minus their parts in the direction.
template <Real T>
void ConjugateGradients<T>::sum_rows() noexcept {
    // To clear and to add up a group's sum costs as much as a few entries per feature.
    constexpr std::size_t entries_per_feature = 4, ahead = 4;
    const std::size_t d = problem_.rows.cols;
    const std::size_t n_groups =
        std::clamp(n_entries_ / (entries_per_feature * d), std::size_t{1}, max_groups);
    const RowBlocks groups = RowBlocks::one_by_one(n_groups);
    for_each_block(executor_, groups, [&](std::size_t, std::size_t, std::size_t group) noexcept {
        double* const part = sums_ + group * d;
        std::fill_n(part, d, 0.0);
        const std::size_t end = (group + 1) * n_free_ / n_groups;
        for (std::size_t s = group * n_free_ / n_groups; s < end; ++s) {
            if (s + ahead < end) problem_.rows.prefetch(rows_[s + ahead]);
            if (directions_[s] != 0.0) problem_.rows.axpy_wide(-directions_[s], rows_[s], part);
        }
    });
    for (std::size_t group = 1; group < n_groups; ++group) {
        kernels::active_table<double>().axpy(1.0, sums_ + group * d, sums_, d);
    }
    rows_sum_ = 0.0;
    for (std::size_t s = 0; s < n_free_; ++s) rows_sum_ -= directions_[s];
    subtract_mean(problem_, rows_sum_, sums_);
}

/// Adds the examples, as they follow, to the sum of the rows.
template <Real T>
void ConjugateGradients<T>::respond() noexcept {
    double products[ExampleBlock::capacity];
    const double mean_part = mean_product(problem_, sums_);
    for (std::size_t j = 0; j < block_.count(); ++j) {
        products[j] = example_product(problem_, j, sums_, mean_part) +
                      example_label(problem_, j) * rows_sum_ * bias_square_;
    }
    block_.respond(products, example_changes_);
    double labels = 0.0;
    for (std::size_t j = 0; j < block_.count(); ++j) {
        if (example_changes_[j] == 0.0) continue;
        add_raw_example(problem_, j, example_changes_[j], sums_);
        labels += example_label(problem_, j) * example_changes_[j];
    }
    subtract_mean(problem_, labels, sums_);
    sum_ = rows_sum_ + labels;
}

/// Out of the change of the weights.
template <Real T>
void ConjugateGradients<T>::take_out_examples() noexcept {
    double labels = 0.0;
    for (std::size_t j = 0; j < block_.count(); ++j) {
        if (total_example_changes_[j] == 0.0) continue;
        add_raw_example(problem_, j, -total_example_changes_[j], change_);
        labels -= example_label(problem_, j) * total_example_changes_[j];
    }
    subtract_mean(problem_, labels, change_);
}

template class ConjugateGradients<float>;
template class ConjugateGradients<double>;

}  // namespace exemplar_svm
