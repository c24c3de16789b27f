#pragma once

// Shared by the tests: seeded random numbers, problems that own their data, and a slow, obvious
// solver.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include "base/permutation.hpp"
#include "exemplar_svm/problem.hpp"
#include "exemplar_svm/weights.hpp"
#include "exemplar_svm/workspace.hpp"

namespace exemplar_svm::reference {

inline constexpr double infinity = std::numeric_limits<double>::infinity();

class Random {
  public:
    explicit Random(std::uint64_t seed) : bits_(seed) {}

    double uniform(double low = 0.0, double high = 1.0) {
        return low + (high - low) * (static_cast<double>(bits_.next() >> 11) * 0x1p-53);
    }
    /// Nearly normal: variance 1, no tails beyond 6.
    double normal() {
        double sum = -6.0;
        for (int i = 0; i < 12; ++i) sum += uniform();
        return sum;
    }
    std::size_t below(std::size_t n) { return bits_.below(n); }
    bool chance(double probability) { return uniform() < probability; }

    template <Real T>
    std::vector<T> normals(std::size_t n) {
        std::vector<T> values(n);
        for (T& v : values) v = static_cast<T>(normal());
        return values;
    }

  private:
    SplitMix64 bits_;
};

inline double dot(const std::vector<double>& a, const std::vector<double>& b) {
    return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

template <Real T>
DenseView<T> view(const std::vector<T>& values, std::size_t cols) {
    return {values.data(), values.size() / cols, cols, static_cast<std::ptrdiff_t>(cols)};
}

/// A minimum of 1/2 a'Qa + g'a over a box, coordinate by coordinate until no projected gradient
/// exceeds `tol`.
inline std::vector<double> minimise_slowly(const std::vector<std::vector<double>>& q,
                                           const std::vector<double>& g,
                                           const std::vector<double>& lowest,
                                           const std::vector<double>& highest, double tol = 1e-13) {
    std::vector<double> a(g.size());
    for (std::size_t i = 0; i < a.size(); ++i) a[i] = std::clamp(0.0, lowest[i], highest[i]);
    for (int epoch = 0; epoch < 100000; ++epoch) {
        double violation = 0.0;
        for (std::size_t i = 0; i < a.size(); ++i) {
            const double gradient = g[i] + dot(q[i], a);
            const double before = a[i];
            if (q[i][i] > 0.0) {
                a[i] = std::clamp(before - gradient / q[i][i], lowest[i], highest[i]);
            } else if (gradient != 0.0) {
                a[i] = gradient > 0.0 ? lowest[i] : highest[i];
            }
            if (a[i] != before) violation = std::max(violation, std::abs(gradient));
        }
        if (violation <= tol) break;
    }
    return a;
}

/// The violation of optimality by a gradient at a point of [lowest, highest].
inline double violation(double gradient, double a, double lowest, double highest) {
    if (a <= lowest && a >= highest) return 0.0;
    if (a <= lowest) return std::max(-gradient, 0.0);
    if (a >= highest) return std::max(gradient, 0.0);
    return std::abs(gradient);
}

/// Every sample of a Problem in double precision, rows before examples.
struct Samples {
    std::vector<std::vector<double>> x;  ///< [x - mean, s]
    std::vector<double> y, cost;
    std::vector<double> prior;  ///< [w_0, 0]
    Loss loss = Loss::squared_hinge;

    std::size_t size() const { return x.size(); }
    double diagonal(std::size_t i) const {
        return loss == Loss::squared_hinge && cost[i] > 0.0 ? 0.5 / cost[i] : 0.0;
    }
    double upper(std::size_t i) const {
        return loss == Loss::squared_hinge && cost[i] > 0.0 ? infinity : cost[i];
    }
};

template <Real T>
Samples samples_of(const Problem<T>& problem) {
    Samples samples;
    samples.loss = problem.loss;
    const std::size_t d = problem.rows.cols, p = problem.examples.rows;
    const auto add = [&](const T* x, double y, double cost) {
        std::vector<double> sample(x, x + d);
        for (std::size_t c = 0; problem.mean != nullptr && c < d; ++c) sample[c] -= problem.mean[c];
        sample.push_back(problem.intercept_scaling);
        samples.x.push_back(sample);
        samples.y.push_back(y);
        samples.cost.push_back(cost);
    };
    for (std::size_t i = 0; i < problem.rows.rows; ++i) {
        const double cost = problem.costs == nullptr ? problem.cost : problem.costs[i];
        const bool takes_part = problem.background == nullptr || problem.background[i] != 0;
        add(problem.rows.row(i), problem.labels == nullptr ? -1.0 : problem.labels[i],
            takes_part ? cost : 0.0);
    }
    samples.prior.assign(d + 1, 0.0);
    double positive_costs = 0.0;
    for (std::size_t j = 0; j < p; ++j) {
        const T* x = problem.examples.row(j);
        const double cost =
            problem.example_costs == nullptr ? problem.example_cost : problem.example_costs[j];
        const double label = problem.example_labels == nullptr ? 1.0 : problem.example_labels[j];
        add(x, label, cost);
        if (label < 0.0) continue;
        positive_costs += cost;
        for (std::size_t c = 0; c < d; ++c) {
            samples.prior[c] += problem.prior * cost * static_cast<double>(x[c]);
        }
    }
    for (double& w : samples.prior) w /= positive_costs > 0.0 ? positive_costs : 1.0;
    return samples;
}

/// w~ = w~_0 + sum a_i y_i x~_i
inline std::vector<double> weights_of(const Samples& samples, const std::vector<double>& dual) {
    std::vector<double> w = samples.prior;
    for (std::size_t i = 0; i < samples.size(); ++i) {
        for (std::size_t c = 0; c < w.size(); ++c) w[c] += dual[i] * samples.y[i] * samples.x[i][c];
    }
    return w;
}

inline double distance(const std::vector<double>& a, const std::vector<double>& b) {
    double square = 0.0;
    for (std::size_t c = 0; c < a.size(); ++c) square += (a[c] - b[c]) * (a[c] - b[c]);
    return std::sqrt(square);
}

inline double primal_value(const Samples& samples, const std::vector<double>& w) {
    const double from_prior = distance(w, samples.prior);
    double value = 0.5 * from_prior * from_prior;
    for (std::size_t i = 0; i < samples.size(); ++i) {
        const double hinge = std::max(0.0, 1.0 - samples.y[i] * dot(w, samples.x[i]));
        value += samples.cost[i] * (samples.loss == Loss::hinge ? hinge : hinge * hinge);
    }
    return value;
}

inline double dual_value(const Samples& samples, const std::vector<double>& dual) {
    const double moved = distance(weights_of(samples, dual), samples.prior);
    double value = -0.5 * moved * moved;
    for (std::size_t i = 0; i < samples.size(); ++i) {
        const double prior_score = samples.y[i] * dot(samples.prior, samples.x[i]);
        value += (1.0 - prior_score) * dual[i] - 0.5 * samples.diagonal(i) * dual[i] * dual[i];
    }
    return value;
}

/// Coordinate descent on the whole dual: the optimal dual coefficients.
inline std::vector<double> solve_slowly(const Samples& samples, double tol = 1e-12) {
    std::vector<double> dual(samples.size());
    std::vector<double> w = samples.prior;
    for (int epoch = 0; epoch < 200000; ++epoch) {
        double largest = 0.0;
        for (std::size_t i = 0; i < samples.size(); ++i) {
            const std::vector<double>& x = samples.x[i];
            const double gradient = samples.y[i] * dot(w, x) - 1.0 + samples.diagonal(i) * dual[i];
            const double curvature = dot(x, x) + samples.diagonal(i);
            const double before = dual[i];
            largest = std::max(largest, violation(gradient, before, 0.0, samples.upper(i)));
            if (curvature > 0.0) {
                dual[i] = std::clamp(before - gradient / curvature, 0.0, samples.upper(i));
            } else {  // a zero vector of a hinge loss
                dual[i] = gradient < 0.0 ? samples.upper(i) : before;
            }
            const double change = (dual[i] - before) * samples.y[i];
            for (std::size_t c = 0; c < w.size(); ++c) w[c] += change * x[c];
        }
        if (largest <= tol) break;
        if (epoch % 100 == 99) w = weights_of(samples, dual);
    }
    return dual;
}

/// Owns what a Problem borrows.
template <Real T>
struct TestData {
    std::size_t n, d, p;
    std::vector<T> rows, positives;
    std::vector<std::int8_t> labels, example_labels;
    std::vector<std::uint8_t> background;
    std::vector<double> costs, example_costs;
    std::vector<double> mean;
    std::vector<T> squared_norms, mean_products;

    TestData(std::size_t n_rows, std::size_t n_features, std::size_t n_positives, Random& random)
        : n(n_rows),
          d(n_features),
          p(n_positives),
          rows(random.normals<T>(n_rows * n_features)),
          positives(random.normals<T>(n_positives * n_features)) {
        // As among embeddings, all rows have something in common.
        for (T& v : rows) v += static_cast<T>(0.5);
        for (T& v : positives) v += static_cast<T>(1.0);
    }

    void center() {
        mean.assign(d, 0.0);
        for (std::size_t i = 0; i < n * d; ++i) {
            mean[i % d] += static_cast<double>(rows[i]) / static_cast<double>(n);
        }
    }

    /// The problem of this data; the caller may set anything else.
    Problem<T> problem() {
        squared_norms.assign(n, T(0));
        mean_products.assign(n, T(0));
        for (std::size_t i = 0; i < n; ++i) {
            double square = 0.0, product = 0.0;
            for (std::size_t c = 0; c < d; ++c) {
                const auto x = static_cast<double>(rows[i * d + c]);
                const double m = mean.empty() ? 0.0 : mean[c];
                square += (x - m) * (x - m);
                product += m * x;
            }
            squared_norms[i] = static_cast<T>(square);
            mean_products[i] = static_cast<T>(product);
        }
        Problem<T> problem;
        problem.rows = {rows.data(), n, d, static_cast<std::ptrdiff_t>(d)};
        problem.examples = {positives.data(), p, d, static_cast<std::ptrdiff_t>(d)};
        problem.squared_norms = squared_norms.data();
        for (const T square : squared_norms) {
            problem.max_squared_norm =
                std::max(problem.max_squared_norm, static_cast<double>(square));
        }
        if (!labels.empty()) problem.labels = labels.data();
        if (!costs.empty()) problem.costs = costs.data();
        if (!background.empty()) problem.background = background.data();
        if (!example_labels.empty()) problem.example_labels = example_labels.data();
        if (!example_costs.empty()) problem.example_costs = example_costs.data();
        if (!mean.empty()) {
            problem.mean = mean.data();
            problem.mean_products = mean_products.data();
        }
        return problem;
    }
};

/// The dual coefficients that a solve left behind, rows first.
template <Real T>
std::vector<double> dual_of(const Workspace<T>& workspace, std::size_t p) {
    std::vector<double> dual(workspace.dual().begin(), workspace.dual().end());
    dual.insert(dual.end(), workspace.example_dual().begin(),
                workspace.example_dual().begin() + static_cast<std::ptrdiff_t>(p));
    return dual;
}

/// w~ = [w, b/s] of the weights that a solve left behind.
template <Real T>
std::vector<double> weights_of(const Problem<T>& problem, const Weights<T>& weights) {
    std::vector<double> w(weights.coef.begin(), weights.coef.end());
    double intercept = weights.intercept;
    for (std::size_t c = 0; problem.mean != nullptr && c < w.size(); ++c) {
        intercept += w[c] * problem.mean[c];
    }
    w.push_back(problem.intercept_scaling > 0.0 ? intercept / problem.intercept_scaling : 0.0);
    return w;
}

}  // namespace exemplar_svm::reference
