#include "solve/primal_newton.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "kernels/dispatch.hpp"
#include "problem/examples.hpp"
#include "rows/row_sum.hpp"

namespace exemplar_svm {
namespace {

constexpr double epsilon = std::numeric_limits<double>::epsilon();

/// Samples are summed in at most so many groups, each of which has a sum per feature of its own.
constexpr std::size_t max_groups = 8;

/// Up to so many weights, the Hessian is factored at once.
constexpr std::size_t small = 64;

/// After so many steps that improved nothing, rounding is taken to keep them from it: single ones
/// may be in vain where samples come and go.
constexpr int patience_with_rounding = 10;

/// Samples that are added to the Hessian together, so that they stay in a cache.
std::size_t panel_rows(std::size_t n_weights) noexcept {
    return std::clamp<std::size_t>(32768 / n_weights, 32, 512) / 4 * 4;
}

template <Real T>
std::size_t count_groups(const RowsView<T>& rows) noexcept {
    std::size_t most = max_groups;
    if (!rows.is_dense()) {  // the sums are not to be more work than the entries
        most = std::min(most, rows.sparse().entries() / std::max<std::size_t>(rows.cols, 1));
    }
    const std::size_t blocks = RowBlocks(rows.rows, rows.bytes_per_row()).count();
    return std::clamp<std::size_t>(blocks, 1, std::max<std::size_t>(most, 1));
}

double dot(const std::vector<double>& a, const std::vector<double>& b) noexcept {
    return kernels::active_table<double>().dot(a.data(), b.data(), a.size());
}

void axpy(double alpha, const std::vector<double>& x, std::vector<double>& y) noexcept {
    kernels::active_table<double>().axpy(alpha, x.data(), y.data(), y.size());
}

/// row += sign * sum over the n rows r of panel[r][j] * panel[r][j ...], for the rows j of an upper
/// triangle with m columns. n is a multiple of 4.
void add_products(double sign, const double* panel, std::size_t n, std::size_t m, std::size_t j,
                  double* row) noexcept {
    const auto& kernels = kernels::active_table<double>();
    for (std::size_t r = 0; r < n; r += 4) {
        double factors[4];
        const double* values[4];
        for (std::size_t k = 0; k < 4; ++k) {
            values[k] = panel + (r + k) * m + j;
            factors[k] = sign * *values[k];
        }
        kernels.axpy_four(factors, values, row + j, m - j);
    }
}

template <Real T>
class PrimalNewton {
  public:
    PrimalNewton(const Problem<T>& problem, const SolverSettings& settings, ExecutorRef executor,
                 PrimalNewtonScratch& scratch, const StopCondition& stop) noexcept
        : problem_(problem),
          settings_(settings),
          executor_(executor),
          s_(scratch),
          stop_(stop),
          d_(problem.rows.cols),
          n_rows_(problem.rows.rows),
          n_samples_(n_rows_ + problem.examples.rows) {}

    SolveReport run() noexcept;

  private:
    /// What is known of a point on the line along a step.
    struct Slope {
        double derivative = 0.0;
        double curvature = 0.0;
    };

    bool is_row(std::size_t sample) const noexcept { return sample < n_rows_; }

    double label(std::size_t sample) const noexcept {
        if (is_row(sample)) return problem_.labels == nullptr ? -1.0 : problem_.labels[sample];
        const std::int8_t* const labels = problem_.example_labels;
        return labels == nullptr ? 1.0 : labels[sample - n_rows_];
    }

    double curvature(std::size_t sample) const noexcept { return 2.0 * s_.costs[sample]; }

    double mean(std::size_t feature) const noexcept {
        return problem_.mean == nullptr ? 0.0 : problem_.mean[feature];
    }

    /// What weights add to every score: that of the constant feature, less mean . weights.
    double shift_of(const std::vector<double>& weights) const noexcept {
        double shift = problem_.intercept_scaling * weights[d_];
        if (problem_.mean != nullptr) {
            shift -= std::inner_product(weights.begin(), weights.end() - 1, problem_.mean, 0.0);
        }
        return shift;
    }

    void begin() noexcept;
    double goal() noexcept;
    void multiply_samples(const std::vector<double>& weights, std::vector<double>& out) noexcept;
    void compute_slacks() noexcept;
    bool find_active() noexcept;
    void compute_gradient() noexcept;
    template <class Factor>
    void sum_active(Factor&& factor, std::vector<double>& out) noexcept;
    void multiply_by_hessian(const std::vector<double>& in, std::vector<double>& out) noexcept;
    void find_diagonal() noexcept;
    void form_factor() noexcept;
    void fill_panel(std::size_t first, std::size_t n) noexcept;
    void decompose() noexcept;
    void precondition() noexcept;
    std::size_t patience() const noexcept;
    bool solve_for_step(double accuracy) noexcept;
    Slope slope_at(double length, double linear, double square) noexcept;
    double search_line() noexcept;
    double largest_change(double length) const noexcept;
    double objective_here() const noexcept;
    void conclude(SolveReport& report) noexcept;

    const Problem<T>& problem_;
    const SolverSettings& settings_;
    ExecutorRef executor_;
    PrimalNewtonScratch& s_;
    StopCondition stop_;
    std::size_t d_, n_rows_, n_samples_;
    bool has_factor_ = false;
    bool was_cut_short_ = false;      // the last step
    bool factor_is_current_ = false;  // of the samples that are active now
};

template <Real T>
void PrimalNewton<T>::begin() noexcept {
    for (std::size_t i = 0; i < n_samples_; ++i) {
        double cost = problem_.cost;
        if (is_row(i)) {
            if (problem_.costs != nullptr) cost = problem_.costs[i];
            if (problem_.background != nullptr && problem_.background[i] == 0) cost = 0.0;
        } else {
            const double* const costs = problem_.example_costs;
            cost = costs == nullptr ? problem_.example_cost : costs[i - n_rows_];
        }
        s_.costs[i] = cost;
    }
    std::fill(s_.start.begin(), s_.start.end(), 0.0);
    if (problem_.prior > 0.0) {
        for (std::size_t j = 0; j < problem_.examples.rows; ++j) {
            if (label(n_rows_ + j) < 0) continue;
            problem_.examples.axpy_wide(problem_.prior * share_in_mean(problem_, j), j,
                                        s_.start.data());
        }
    }
    s_.weights = s_.start;
}

/// The largest norm of the gradient at which LIBLINEAR's trust region method ends.
template <Real T>
double PrimalNewton<T>::goal() noexcept {
    std::size_t positives = 0, negatives = 0;
    for (std::size_t i = 0; i < n_samples_; ++i) {
        if (s_.costs[i] > 0.0) ++(label(i) > 0.0 ? positives : negatives);
    }
    const double rarer =
        static_cast<double>(std::max<std::size_t>(std::min(positives, negatives), 1));
    const double all = static_cast<double>(std::max<std::size_t>(positives + negatives, 1));
    std::fill(s_.slacks.begin(), s_.slacks.end(), 1.0);
    find_active();
    std::fill(s_.weights.begin(), s_.weights.end(), 0.0);
    compute_gradient();
    s_.weights = s_.start;
    return settings_.tol * rarer / all * std::sqrt(dot(s_.gradient, s_.gradient));
}

/// out = y x~.weights for every sample.
template <Real T>
void PrimalNewton<T>::multiply_samples(const std::vector<double>& weights,
                                       std::vector<double>& out) noexcept {
    const double shift = shift_of(weights);
    const auto multiply = [&](const RowsView<T>& rows, std::size_t row,
                              std::size_t sample) noexcept {
        if (s_.costs[sample] > 0.0) {
            out[sample] = label(sample) * (rows.dot_wide(row, weights.data()) + shift);
        } else {
            out[sample] = 0.0;
        }
    };
    for_each_block(executor_, RowBlocks(n_rows_, problem_.rows.bytes_per_row()),
                   [&](std::size_t begin, std::size_t end, std::size_t) noexcept {
                       for (std::size_t i = begin; i < end; ++i) multiply(problem_.rows, i, i);
                   });
    for (std::size_t j = 0; j < problem_.examples.rows; ++j) {
        multiply(problem_.examples, j, n_rows_ + j);
    }
}

template <Real T>
void PrimalNewton<T>::compute_slacks() noexcept {
    multiply_samples(s_.weights, s_.slacks);
    for (double& slack : s_.slacks) slack = 1.0 - slack;
}

/// Lists the samples with a loss. Whether they are those of the last time, up to rounding.
template <Real T>
bool PrimalNewton<T>::find_active() noexcept {
    s_.active.clear();  // there is room for all
    bool same = true;
    for (std::size_t i = 0; i < n_samples_; ++i) {
        const bool is_active = s_.costs[i] > 0.0 && s_.slacks[i] > 0.0;
        if (is_active) s_.active.push_back(i);
        const bool has_changed = is_active != (s_.was_active[i] != 0);
        same = same && !(has_changed && std::abs(s_.slacks[i]) > 4.0 * epsilon);
        s_.was_active[i] = is_active ? 1 : 0;
    }
    return same;
}

/// out = sum over the active samples of factor(rows, row, sample) x~.
template <Real T>
template <class Factor>
void PrimalNewton<T>::sum_active(Factor&& factor, std::vector<double>& out) noexcept {
    const std::size_t n_active = s_.active.size(), width = d_ + 1;
    const std::size_t n_groups = s_.n_groups;
    auto sum_group = [&](std::size_t, std::size_t, std::size_t group) noexcept {
        double* const sums = s_.sums.data() + group * width;
        std::fill_n(sums, width, 0.0);
        RowSum<T> rows(problem_.rows, sums), examples(problem_.examples, sums);
        double total = 0.0;
        const std::size_t end = (group + 1) * n_active / n_groups;
        for (std::size_t a = group * n_active / n_groups; a < end; ++a) {
            const std::size_t sample = s_.active[a];
            if (is_row(sample)) {
                const double alpha = factor(problem_.rows, sample, sample);
                rows.add(alpha, sample);
                total += alpha;
            } else {
                const std::size_t j = sample - n_rows_;
                const double alpha = factor(problem_.examples, j, sample);
                examples.add(alpha, j);
                total += alpha;
            }
        }
        rows.finish();
        examples.finish();
        sums[d_] = total;
    };
    for_each_block(executor_, RowBlocks::one_by_one(n_groups), sum_group);
    std::copy_n(s_.sums.data(), width, out.data());
    for (std::size_t group = 1; group < n_groups; ++group) {
        const double* const sums = s_.sums.data() + group * width;
        for (std::size_t c = 0; c < width; ++c) out[c] += sums[c];
    }
    if (problem_.mean != nullptr) {
        for (std::size_t c = 0; c < d_; ++c) out[c] -= out[d_] * problem_.mean[c];
    }
    out[d_] *= problem_.intercept_scaling;
}

template <Real T>
void PrimalNewton<T>::compute_gradient() noexcept {
    sum_active(
        [this](const RowsView<T>&, std::size_t, std::size_t sample) noexcept {
            return -curvature(sample) * s_.slacks[sample] * label(sample);
        },
        s_.gradient);
    for (std::size_t c = 0; c <= d_; ++c) s_.gradient[c] += s_.weights[c] - s_.start[c];
}

template <Real T>
void PrimalNewton<T>::multiply_by_hessian(const std::vector<double>& in,
                                          std::vector<double>& out) noexcept {
    const double shift = shift_of(in);
    sum_active(
        [&](const RowsView<T>& rows, std::size_t row, std::size_t sample) noexcept {
            return curvature(sample) * (rows.dot_wide(row, in.data()) + shift);
        },
        out);
    for (std::size_t c = 0; c <= d_; ++c) out[c] += in[c];
}

/// The square roots of the diagonal of the Hessian, by which conjugate gradients are scaled.
template <Real T>
void PrimalNewton<T>::find_diagonal() noexcept {
    std::vector<double>& squares = s_.scales;
    std::fill(squares.begin(), squares.end(), 0.0);
    const bool is_sparse = !problem_.rows.is_dense() && problem_.mean == nullptr;
    for (const std::size_t sample : s_.active) {
        const double weight = curvature(sample);
        const RowsView<T>& rows = is_row(sample) ? problem_.rows : problem_.examples;
        const std::size_t row = is_row(sample) ? sample : sample - n_rows_;
        if (is_sparse && !rows.is_dense()) {
            rows.sparse().for_each_entry(row, [&](std::size_t c, T value) noexcept {
                squares[c] += weight * static_cast<double>(value) * static_cast<double>(value);
            });
        } else {
            rows.widen(row, s_.panel.data());
            for (std::size_t c = 0; c < d_; ++c) {
                const double x = s_.panel[c] - mean(c);
                squares[c] += weight * x * x;
            }
        }
        squares[d_] += weight * problem_.intercept_scaling * problem_.intercept_scaling;
    }
    for (double& square : squares) square = std::sqrt(1.0 + square);
}

/// Active samples, each times the square root of its curvature, as rows of the panel.
template <Real T>
void PrimalNewton<T>::fill_panel(std::size_t first, std::size_t n) noexcept {
    const std::size_t width = d_ + 1;
    const auto fill = [&](std::size_t begin, std::size_t end, std::size_t) noexcept {
        for (std::size_t r = begin; r < end; ++r) {
            double* const values = s_.panel.data() + r * width;
            if (first + r >= s_.active.size()) {  // up to a multiple of four
                std::fill_n(values, width, 0.0);
                continue;
            }
            const std::size_t sample = s_.active[first + r];
            if (is_row(sample)) {
                problem_.rows.widen(sample, values);
            } else {
                problem_.examples.widen(sample - n_rows_, values);
            }
            const double root = std::sqrt(curvature(sample));
            for (std::size_t c = 0; c < d_; ++c) {
                values[c] = root * (values[c] - mean(c));
            }
            values[d_] = root * problem_.intercept_scaling;
        }
    };
    for_each_block(executor_, RowBlocks(n, width * 128), fill);
}

/// Forms the Hessian of the active samples and decomposes it.
template <Real T>
void PrimalNewton<T>::form_factor() noexcept {
    const std::size_t width = d_ + 1;
    double* const matrix = s_.factor.get();
    std::fill_n(matrix, width * width, 0.0);
    const std::size_t most = panel_rows(width);
    for (std::size_t first = 0; first < s_.active.size(); first += most) {
        if (stop_.reached()) return;
        const std::size_t n = (std::min(most, s_.active.size() - first) + 3) / 4 * 4;
        fill_panel(first, n);
        for_each_block(executor_, RowBlocks(width, width * 1024),
                       [&](std::size_t begin, std::size_t end, std::size_t) noexcept {
                           for (std::size_t j = begin; j < end; ++j) {
                               add_products(1.0, s_.panel.data(), n, width, j, matrix + j * width);
                           }
                       });
    }
    for (std::size_t j = 0; j < width; ++j) matrix[j * width + j] += 1.0;
    decompose();
    has_factor_ = factor_is_current_ = true;
}

/// The matrix, scaled to a diagonal of ones, as R'R with an upper triangle R (Golub and Van Loan,
/// section 4.2), a few rows at a time.
template <Real T>
void PrimalNewton<T>::decompose() noexcept {
    const std::size_t width = d_ + 1;
    double* const matrix = s_.factor.get();
    for (std::size_t j = 0; j < width; ++j) s_.scales[j] = std::sqrt(matrix[j * width + j]);
    for (std::size_t j = 0; j < width; ++j) {
        double* const row = matrix + j * width;
        for (std::size_t c = j; c < width; ++c) row[c] /= s_.scales[j] * s_.scales[c];
    }
    // Rounding may leave a pivot at zero or less. The diagonal is raised by as much as rounding
    // takes from it; where that is not enough, the pivot is as small, and its row has no part in
    // the rest. Both leave a scaling that is good in all other directions.
    const double rounding = 8.0 * epsilon * static_cast<double>(width);
    for (std::size_t j = 0; j < width; ++j) matrix[j * width + j] += rounding;
    constexpr std::size_t most = 32;
    for (std::size_t first = 0; first < width; first += most) {
        const std::size_t n = std::min(most, width - first);
        for (std::size_t k = first; k < first + n; ++k) {
            double* const row = matrix + k * width;
            for (std::size_t r = first; r < k; ++r) {
                const double* const above = matrix + r * width;
                kernels::active_table<double>().axpy(-above[k], above + k, row + k, width - k);
            }
            const bool is_lost = !(row[k] > 0.125 * rounding);
            const double pivot = std::sqrt(is_lost ? rounding : row[k]);
            row[k] = pivot;
            for (std::size_t c = k + 1; c < width; ++c) row[c] = is_lost ? 0.0 : row[c] / pivot;
        }
        if (n < most) break;  // these were the last rows
        for_each_block(executor_, RowBlocks(width - first - n, width * 1024),
                       [&](std::size_t begin, std::size_t end, std::size_t) noexcept {
                           for (std::size_t b = begin; b < end; ++b) {
                               const std::size_t j = first + n + b;
                               add_products(-1.0, matrix + first * width, n, width, j,
                                            matrix + j * width);
                           }
                       });
    }
}

/// scaled = the residual, times the inverse of what approximates the Hessian.
template <Real T>
void PrimalNewton<T>::precondition() noexcept {
    const std::size_t width = d_ + 1;
    std::vector<double>& z = s_.scaled;
    if (!has_factor_) {
        for (std::size_t c = 0; c < width; ++c) {
            z[c] = s_.residual[c] / (s_.scales[c] * s_.scales[c]);
        }
        return;
    }
    const auto& kernels = kernels::active_table<double>();
    for (std::size_t c = 0; c < width; ++c) z[c] = s_.residual[c] / s_.scales[c];
    for (std::size_t k = 0; k < width; ++k) {
        const double* const row = s_.factor.get() + k * width;
        z[k] /= row[k];
        kernels.axpy(-z[k], row + k + 1, z.data() + k + 1, width - k - 1);
    }
    for (std::size_t k = width; k-- > 0;) {
        const double* const row = s_.factor.get() + k * width;
        z[k] = (z[k] - kernels.dot(row + k + 1, z.data() + k + 1, width - k - 1)) / row[k];
    }
    for (std::size_t c = 0; c < width; ++c) z[c] /= s_.scales[c];
}

/// So many iterations of conjugate gradients take as long as forming and decomposing the Hessian.
/// Where samples that a step brings back cut it short, only accurate steps get on: others bring
/// back one sample after the other.
template <Real T>
std::size_t PrimalNewton<T>::patience() const noexcept {
    const std::size_t width = d_ + 1;
    if (width > PrimalNewtonScratch::max_factored + 1 || factor_is_current_) return 500;
    if (was_cut_short_ || (!has_factor_ && width <= small)) return 0;
    return 3 + width / 8 + width * width / (12 * std::max<std::size_t>(s_.active.size(), 1));
}

/// Solves for the step, from `scaled` for a residual of -gradient, until the error is down to a
/// part of `accuracy` in the norm of the Hessian: the norm of the residual says so, as a factor of
/// this very Hessian scales it. With any other scaling that norm may be small too early, and the
/// last iterations must have reduced the error by a small part besides. Whether there was time to.
template <Real T>
bool PrimalNewton<T>::solve_for_step(double accuracy) noexcept {
    constexpr std::size_t window = 4;
    const double part = accuracy * accuracy;
    double reductions[window] = {};  // of the square of the error, in the norm of the Hessian
    double reduction = 0.0;          // all of them
    std::fill(s_.step.begin(), s_.step.end(), 0.0);
    double square = dot(s_.residual, s_.scaled);
    double least = part * square;
    s_.direction = s_.scaled;
    for (std::size_t iteration = 0;; ++iteration) {
        if (stop_.reached()) return false;
        if (iteration >= patience()) {
            if (factor_is_current_ || d_ > PrimalNewtonScratch::max_factored) return true;
            form_factor();
            if (!factor_is_current_) return false;
            precondition();
            square = dot(s_.residual, s_.scaled);
            least = part * (square + reduction);
            s_.direction = s_.scaled;
            iteration = 0;
        }
        multiply_by_hessian(s_.direction, s_.product);
        const double curvature = dot(s_.direction, s_.product);
        if (!(curvature > 0.0) || !(square > 0.0)) return true;
        const double length = square / curvature;
        axpy(length, s_.direction, s_.step);
        axpy(-length, s_.product, s_.residual);
        precondition();
        const double next = dot(s_.residual, s_.scaled);
        reduction += length * square;
        reductions[iteration % window] = length * square;
        if (!(next > least)) {
            if (factor_is_current_) return true;
            // Hestenes and Stiefel (1952): so much more than this was there to be reduced.
            const double recent = std::accumulate(reductions, reductions + window, 0.0);
            if (iteration >= window && recent <= part * reduction) return true;
        }
        const double ratio = next / square;
        square = next;
        for (std::size_t c = 0; c <= d_; ++c) {
            s_.direction[c] = s_.scaled[c] + ratio * s_.direction[c];
        }
    }
}

/// The derivatives of the objective along the step, of which the first part of the objective has
/// linear + length * square.
template <Real T>
auto PrimalNewton<T>::slope_at(double length, double linear, double square) noexcept -> Slope {
    Slope slope{linear + length * square, square};
    for (std::size_t i = 0; i < n_samples_; ++i) {
        const double slack = s_.slacks[i] - length * s_.changes[i];
        if (s_.costs[i] <= 0.0 || slack <= 0.0) continue;
        const double weighted = curvature(i) * s_.changes[i];
        slope.derivative -= weighted * slack;
        slope.curvature += weighted * s_.changes[i];
    }
    return slope;
}

/// How far to go along the step: to where the derivative vanishes, which Newton's method on it
/// finds, between bounds on it. 0 if the objective does not fall.
template <Real T>
double PrimalNewton<T>::search_line() noexcept {
    double linear = 0.0;
    for (std::size_t c = 0; c <= d_; ++c) linear += (s_.weights[c] - s_.start[c]) * s_.step[c];
    const double square = dot(s_.step, s_.step);
    const double fall = -slope_at(0.0, linear, square).derivative;
    if (!(fall > 0.0)) return 0.0;
    double low = 0.0, high = std::numeric_limits<double>::infinity();
    double length = 1.0;
    for (int round = 0; round < 60; ++round) {
        const Slope slope = slope_at(length, linear, square);
        if (!std::isfinite(slope.derivative)) return low;
        if (std::abs(slope.derivative) <= 0.01 * fall) return length;
        (slope.derivative < 0.0 ? low : high) = length;
        length -= slope.derivative / slope.curvature;
        if (!(length > low && length < high)) length = 0.5 * (low + high);
    }
    return low;
}

/// The largest change of a score, relative to the scores above 1.
template <Real T>
double PrimalNewton<T>::largest_change(double length) const noexcept {
    double largest = 0.0;
    for (std::size_t i = 0; i < n_samples_; ++i) {
        const double score = std::max(std::abs(1.0 - s_.slacks[i]), 1.0);
        largest = std::max(largest, std::abs(length * s_.changes[i]) / score);
    }
    return largest;
}

template <Real T>
double PrimalNewton<T>::objective_here() const noexcept {
    double objective = 0.0;
    for (std::size_t c = 0; c <= d_; ++c) {
        const double w = s_.weights[c] - s_.start[c];
        objective += 0.5 * w * w;
    }
    for (const std::size_t i : s_.active) objective += s_.costs[i] * s_.slacks[i] * s_.slacks[i];
    return objective;
}

template <Real T>
SolveReport PrimalNewton<T>::run() noexcept {
    SolveReport report;
    report.score_rounding_bound = std::numeric_limits<double>::infinity();
    begin();
    const double largest_gradient = goal();
    compute_slacks();
    double change = std::numeric_limits<double>::infinity();  // of a score, by the last step
    double left = 1.0;  // the part of its error that the last step left
    double lowest = std::numeric_limits<double>::infinity();  // objective,
    double shortest = lowest;                                 // and square of the gradient
    int in_vain = 0;                                          // steps that lowered neither
    for (report.epochs = 0;; ++report.epochs) {
        const bool is_same = find_active();
        if (!is_same) factor_is_current_ = false;
        compute_gradient();
        if (!has_factor_) find_diagonal();
        for (std::size_t c = 0; c <= d_; ++c) s_.residual[c] = -s_.gradient[c];
        precondition();
        const double square = dot(s_.residual, s_.scaled);
        const double length_square = dot(s_.gradient, s_.gradient);
        const bool is_small = length_square <= largest_gradient * largest_gradient;
        // A sample that joins or leaves may matter however little the step moved it.
        const bool is_near = is_same && left * change <= 0.1 * settings_.tol;
        if (square == 0.0 || (is_small && is_near)) break;
        if (report.epochs == settings_.max_epochs) {
            report.status = SolveStatus::epoch_limit;
            break;
        }
        const double objective = objective_here();
        const bool is_lower = objective < (1.0 - 4.0 * epsilon) * lowest;
        in_vain = is_lower || length_square < 0.25 * shortest ? 0 : in_vain + 1;
        lowest = std::min(lowest, objective);
        shortest = std::min(shortest, length_square);
        if (!std::isfinite(square) || in_vain > patience_with_rounding) {
            report.status = is_small ? SolveStatus::converged : SolveStatus::precision_limit;
            break;
        }
        const double accuracy =
            std::clamp(std::sqrt(square / std::max(objective, square)), 1e-3, 0.1);
        if (!solve_for_step(accuracy)) {
            report.status = SolveStatus::deadline;
            break;
        }
        multiply_samples(s_.step, s_.changes);
        const double length = search_line();
        if (length == 0.0) {
            report.status = is_small ? SolveStatus::converged : SolveStatus::precision_limit;
            break;
        }
        was_cut_short_ = length < 0.5;
        // A step that was cut short is no sign of being near.
        change = largest_change(std::max(length, 1.0));
        // Where a factor was needed, small errors may move scores far: the next step is to tell.
        left = length == 1.0 && !has_factor_ ? accuracy : 1.0;
        axpy(length, s_.step, s_.weights);
        compute_slacks();
    }
    conclude(report);
    return report;
}

template <Real T>
void PrimalNewton<T>::conclude(SolveReport& report) noexcept {
    std::fill(s_.dual.begin(), s_.dual.end(), 0.0);
    for (const std::size_t i : s_.active) {
        s_.dual[i] = curvature(i) * s_.slacks[i];
        report.n_support += is_row(i) ? 1 : 0;
    }
    const double square = dot(s_.gradient, s_.gradient);
    report.primal = objective_here();
    report.gap = 0.5 * square;
    report.weights_error_bound = std::sqrt(square);
    // The dual's weights are w - gradient, so this is what the gradient does to scores.
    multiply_samples(s_.gradient, s_.changes);
    for (std::size_t i = 0; i < n_samples_; ++i) {
        if (s_.costs[i] <= 0.0) continue;
        // The dual's gradient, y f(x) - 1 + D a, under its own weights.
        const double gradient = std::max(-s_.slacks[i], 0.0) - s_.changes[i];
        const double violation = s_.dual[i] > 0.0 ? std::abs(gradient) : std::max(-gradient, 0.0);
        report.violation = std::max(report.violation, violation);
    }
}

}  // namespace

template <Real T>
PrimalNewtonScratch::PrimalNewtonScratch(const RowsView<T>& rows, std::size_t n_examples)
    : n_groups(count_groups(rows)),
      weights(rows.cols + 1),
      dual(rows.rows + n_examples),
      costs(dual.size()),
      slacks(dual.size()),
      changes(dual.size()),
      was_active(dual.size()),
      start(weights.size()),
      gradient(weights.size()),
      step(weights.size()),
      residual(weights.size()),
      direction(weights.size()),
      product(weights.size()),
      scaled(weights.size()),
      scales(weights.size()),
      sums(n_groups * weights.size()),
      panel((rows.cols <= max_factored ? panel_rows(weights.size()) : 1) * weights.size()) {
    active.reserve(dual.size());
    if (rows.cols > max_factored) return;
    factor = std::make_unique_for_overwrite<double[]>(weights.size() * weights.size());
}

template <Real T>
SolveReport minimise_primal(const Problem<T>& problem, const SolverSettings& settings,
                            ExecutorRef executor, PrimalNewtonScratch& scratch,
                            const StopCondition& stop) noexcept {
    return PrimalNewton<T>(problem, settings, executor, scratch, stop).run();
}

template PrimalNewtonScratch::PrimalNewtonScratch(const RowsView<float>&, std::size_t);
template PrimalNewtonScratch::PrimalNewtonScratch(const RowsView<double>&, std::size_t);
template SolveReport minimise_primal(const Problem<float>&, const SolverSettings&, ExecutorRef,
                                     PrimalNewtonScratch&, const StopCondition&) noexcept;
template SolveReport minimise_primal(const Problem<double>&, const SolverSettings&, ExecutorRef,
                                     PrimalNewtonScratch&, const StopCondition&) noexcept;

}  // namespace exemplar_svm
