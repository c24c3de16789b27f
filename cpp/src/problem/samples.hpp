#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>

#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/problem.hpp"
#include "exemplar_svm/scan.hpp"
#include "kernels/dispatch.hpp"
#include "problem/optimality.hpp"
#include "rows/row_sum.hpp"

namespace exemplar_svm {

template <Real T>
class SampleSum;

/// The samples of a problem, z_i = y_i [x_i - mean, s]: its rows, then its examples. Products, sums
/// and norms hide whether a sample is a row or an example, its storage, and the mean.
///
/// Weights are d = n_features() values w in double precision. The intercept b, the constant
/// feature's part of a score, is passed separately: b = s v with the weight v of that feature, and
/// b = s^2 sum a_i y_i for weights sum a_i z_i.
///
/// Nothing allocates or throws. A function takes a few operations unless its comment states the
/// cost. To "read" a sample is a pass over its stored values.
template <Real T>
class Samples {
  public:
    /// The most parts of sum().
    static constexpr std::size_t max_groups = 8;

    /// Reads the mean. Copies the problem, not what it borrows.
    Samples(const Problem<T>& problem) noexcept  // NOLINT(google-explicit-constructor): a view
        : problem_(problem),
          bias_square_(problem.intercept_scaling * problem.intercept_scaling),
          common_penalty_(exemplar_svm::penalty(problem.loss, problem.cost)) {
        if (problem.mean == nullptr) return;
        mean_square_ =
            std::inner_product(problem.mean, problem.mean + n_features(), problem.mean, 0.0);
    }

    const Problem<T>& problem() const noexcept { return problem_; }
    std::size_t n_features() const noexcept { return problem_.rows.cols; }
    std::size_t n_rows() const noexcept { return problem_.rows.rows; }
    std::size_t n_examples() const noexcept { return problem_.examples.rows; }
    std::size_t count() const noexcept { return n_rows() + n_examples(); }
    bool is_row(std::size_t i) const noexcept { return i < n_rows(); }
    double bias_square() const noexcept { return bias_square_; }  ///< s^2
    double mean_square() const noexcept { return mean_square_; }  ///< ||mean||^2; 0 without one

    double label(std::size_t i) const noexcept {
        const std::int8_t* const labels = is_row(i) ? problem_.labels : problem_.example_labels;
        if (labels == nullptr) return is_row(i) ? -1.0 : 1.0;
        return static_cast<double>(labels[is_row(i) ? i : i - n_rows()]);
    }

    /// Whether a row is not masked out.
    bool takes_part(std::size_t i) const noexcept {
        return problem_.background == nullptr || problem_.background[i] != 0;
    }

    /// C_i; 0 for a sample that takes no part.
    double cost(std::size_t i) const noexcept {
        if (!is_row(i)) {
            const double* const costs = problem_.example_costs;
            return costs == nullptr ? problem_.example_cost : costs[i - n_rows()];
        }
        if (!takes_part(i)) return 0.0;
        return problem_.costs == nullptr ? problem_.cost : problem_.costs[i];
    }

    // The same for rows only, a few operations faster.

    double row_label(std::size_t i) const noexcept {
        return problem_.labels == nullptr ? -1.0 : static_cast<double>(problem_.labels[i]);
    }
    double row_squared_norm(std::size_t i) const noexcept {
        return static_cast<double>(problem_.squared_norms[i]) + bias_square_;
    }
    double row_cost(std::size_t i) const noexcept {
        if (!takes_part(i)) return 0.0;
        return problem_.costs == nullptr ? problem_.cost : problem_.costs[i];
    }
    Penalty row_penalty(std::size_t i) const noexcept {
        if (problem_.costs == nullptr && takes_part(i)) return common_penalty_;
        return exemplar_svm::penalty(problem_.loss, row_cost(i));
    }
    /// The penalty of every row if problem.costs is null.
    Penalty common_penalty() const noexcept { return common_penalty_; }

    Penalty penalty(std::size_t i) const noexcept {
        return exemplar_svm::penalty(problem_.loss, cost(i));
    }

    /// Number of stored values of a sample.
    std::size_t entries(std::size_t i) const noexcept {
        const RowsView<T>& rows = is_row(i) ? problem_.rows : problem_.examples;
        return rows.is_dense() ? rows.cols : rows.sparse().count(is_row(i) ? i : i - n_rows());
    }

    /// ||z_i||^2: of a row from problem.squared_norms; of an example computed in double precision,
    /// which reads the example and the mean.
    double squared_norm(std::size_t i) const noexcept;

    /// Feature c of the mean; 0 without one.
    double mean(std::size_t c) const noexcept { return is_centred() ? problem_.mean[c] : 0.0; }

    /// mean . w; 0 without a mean. Reads the mean.
    double mean_product(const double* w) const noexcept {
        if (problem_.mean == nullptr) return 0.0;
        return std::inner_product(w, w + n_features(), problem_.mean, 0.0);
    }

    /// mean . x_i of a row, from problem.mean_products; 0 without a mean.
    double row_mean_product(std::size_t i) const noexcept {
        return problem_.mean_products == nullptr ? 0.0
                                                 : static_cast<double>(problem_.mean_products[i]);
    }

    /// How often a row contains the mean: 1, or 0 without a mean.
    double means_per_row() const noexcept { return is_centred() ? 1.0 : 0.0; }
    bool is_centred() const noexcept { return problem_.mean != nullptr; }

    /// w -= multiple mean, rounded to T. Returns mean . w afterwards. Without a mean, does nothing
    /// and returns 0. Reads the mean.
    double centre(double multiple, T* w) const noexcept {
        double product = 0.0;
        for (std::size_t c = 0; problem_.mean != nullptr && c < n_features(); ++c) {
            w[c] = static_cast<T>(static_cast<double>(w[c]) - multiple * problem_.mean[c]);
            product += static_cast<double>(w[c]) * problem_.mean[c];
        }
        return product;
    }

    /// intercept - mean . w: the score of a row minus its product with w. Reads the mean.
    double offset(const double* w, double intercept) const noexcept {
        return intercept - mean_product(w);
    }

    /// x_i . w + offset: the score of a sample. Reads the sample.
    double score(std::size_t i, const double* w, double offset) const noexcept {
        return (is_row(i) ? problem_.rows.dot_wide(i, w)
                          : problem_.examples.dot_wide(i - n_rows(), w)) +
               offset;
    }

    /// z_i . [w, v]: the score times the label. Reads the sample.
    double product(std::size_t i, const double* w, double offset) const noexcept {
        return label(i) * score(i, w, offset);
    }

    /// The products of all samples; 0 for samples of cost 0. Reads all others, in parallel.
    /// @param products  count() values
    void multiply(ExecutorRef executor, const double* w, double offset,
                  double* products) const noexcept {
        const auto multiply_from = [&](std::size_t begin, std::size_t end) noexcept {
            for (std::size_t i = begin; i < end; ++i) {
                products[i] = cost(i) > 0.0 ? product(i, w, offset) : 0.0;
            }
        };
        for_each_block(executor, row_blocks(problem_.rows),
                       [&](std::size_t begin, std::size_t end, std::size_t) noexcept {
                           multiply_from(begin, end);
                       });
        multiply_from(n_rows(), count());
    }

    /// A good number of parts for a sum() of many samples: at most the number of blocks of rows. On
    /// sparse rows, as many passes over d values take no longer than one over all entries.
    std::size_t groups() const noexcept {
        const RowsView<T>& rows = problem_.rows;
        std::size_t most = max_groups;
        if (!rows.is_dense()) {
            most = std::min(most, rows.sparse().entries() / std::max<std::size_t>(rows.cols, 1));
        }
        return std::clamp<std::size_t>(row_blocks(rows).count(), 1, std::max<std::size_t>(most, 1));
    }

    /// A weighted sum of samples, by n items of the caller: body(begin, end, sum) adds the items
    /// [begin, end) to a SampleSum. Threads share n_groups parts, which are then added in order, so
    /// the number of threads changes no bit. Takes 2 n_groups passes over d values besides body.
    /// @param w        d values: receives the sum
    /// @param partial  (n_groups - 1) d values
    /// @returns the weighted sum of the labels
    template <class Body>
    double sum(ExecutorRef executor, std::size_t n, std::size_t n_groups, double* w,
               double* partial, Body&& body) const noexcept {
        const std::size_t d = n_features();
        double labels[max_groups];
        const auto sum_group = [&](std::size_t, std::size_t, std::size_t group) noexcept {
            double* const part = group == 0 ? w : partial + (group - 1) * d;
            std::fill_n(part, d, 0.0);
            SampleSum<T> sum(*this, part);
            body(group * n / n_groups, (group + 1) * n / n_groups, sum);
            labels[group] = sum.flush();
        };
        for_each_block(executor, RowBlocks::one_by_one(n_groups), sum_group);
        for (std::size_t group = 1; group < n_groups; ++group) {
            kernels::active_table<double>().axpy(1.0, partial + (group - 1) * d, w, d);
            labels[0] += labels[group];
        }
        subtract_mean(labels[0], w);
        return labels[0];
    }

    /// w -= multiple mean; does nothing without a mean. Reads the mean.
    void subtract_mean(double multiple, double* w) const noexcept {
        if (problem_.mean == nullptr) return;
        for (std::size_t c = 0; c < n_features(); ++c) w[c] -= multiple * problem_.mean[c];
    }

    /// out = y_i (x_i - mean): z_i without its constant feature. Takes d operations.
    void widen(std::size_t i, double* out) const noexcept;

    /// squares[c] += weight (x_i - mean)[c]^2 for every feature. Reads the sample; with a mean,
    /// also takes d operations.
    /// @param scratch  d values
    void add_squares(std::size_t i, double weight, double* squares, double* scratch) const noexcept;

    /// Weight of example j in the mean of the positives (Problem::prior). Takes n_examples()
    /// operations.
    double share_in_mean(std::size_t j) const noexcept;

    /// w_0. Reads the examples if there is a prior.
    void copy_prior(double* w) const noexcept;

  private:
    Problem<T> problem_;
    double bias_square_;
    Penalty common_penalty_;
    double mean_square_ = 0.0;
};

/// Adds multiples of samples to weights. Adds four dense rows at a time, with the same bits as one
/// by one, and subtracts the mean last. Reads each sample.
template <Real T>
class SampleSum {
  public:
    /// @param w  complete after flush() or finish()
    SampleSum(const Samples<T>& samples, double* w) noexcept
        : samples_(samples), w_(w), rows_(samples.problem().rows, w) {}

    /// w += factor z_i without its mean; a factor of zero reads nothing.
    void add(double factor, std::size_t i) noexcept {
        const double multiple = samples_.label(i) * factor;
        if (multiple == 0.0) return;
        labels_ += multiple;
        if (samples_.is_row(i)) return rows_.add(multiple, i);
        rows_.finish();
        samples_.problem().examples.axpy_wide(multiple, i - samples_.n_rows(), w_);
    }

    /// @returns the weighted sum of the labels: the multiple of the mean still to be subtracted
    double flush() noexcept {
        rows_.finish();
        return labels_;
    }

    /// flush(), then subtracts the mean.
    double finish() noexcept {
        samples_.subtract_mean(flush(), w_);
        return labels_;
    }

  private:
    const Samples<T>& samples_;
    double* w_;
    RowSum<T> rows_;
    double labels_ = 0.0;
};

}  // namespace exemplar_svm
