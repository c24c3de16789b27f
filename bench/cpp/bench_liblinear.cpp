// The same queries through LIBLINEAR's own C library (Fan, Chang, Hsieh, Wang, Lin, JMLR 2008), so
// that the comparison excludes what scikit-learn copies around it.
//
//   bench_liblinear [QUERIES]
//
// One thread. Before timing, LIBLINEAR's tolerance is tightened until its objective agrees with
// ours to 1e-6 for every query.

#include <linear.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "exemplar_svm/error.hpp"
#include "exemplar_svm/index.hpp"
#include "rows.hpp"
#include "statistics.hpp"

using namespace exemplar_svm;
using Clock = std::chrono::steady_clock;

namespace {

constexpr double C = 0.1;
constexpr std::size_t k = 10;
constexpr double equal_objectives = 1e-6;

double milliseconds_since(Clock::time_point began) {
    return std::chrono::duration<double, std::milli>(Clock::now() - began).count();
}

/// The rows in LIBLINEAR's format, with a query in front.
class Nodes {
  public:
    explicit Nodes(const DenseView<float>& rows)
        : n_features_(rows.cols), nodes_((rows.rows + 1) * (rows.cols + 2)) {
        for (std::size_t i = 0; i < rows.rows; ++i) fill(i + 1, rows.row(i));
        labels_.assign(rows.rows + 1, -1.0);
        labels_[0] = 1.0;
        for (std::size_t i = 0; i <= rows.rows; ++i) samples_.push_back(sample(i));
    }

    void set_query(const float* query) { fill(0, query); }

    problem as_problem() {
        return {static_cast<int>(samples_.size()), static_cast<int>(n_features_) + 1,
                labels_.data(), samples_.data(), 1.0};
    }

    feature_node* sample(std::size_t i) { return nodes_.data() + i * (n_features_ + 2); }

  private:
    void fill(std::size_t i, const float* x) {
        feature_node* const node = sample(i);
        for (std::size_t c = 0; c < n_features_; ++c) {
            node[c] = {static_cast<int>(c) + 1, static_cast<double>(x[c])};
        }
        node[n_features_] = {static_cast<int>(n_features_) + 1, 1.0};  // the bias
        node[n_features_ + 1] = {-1, 0.0};
    }

    std::size_t n_features_;
    std::vector<feature_node> nodes_;
    std::vector<double> labels_;
    std::vector<feature_node*> samples_;
};

/// class_weight="balanced"
struct Costs {
    double positive, row;
    explicit Costs(std::size_t n)
        : positive(C * static_cast<double>(n + 1) / 2.0),
          row(C * static_cast<double>(n + 1) / (2.0 * static_cast<double>(n))) {}
};

double objective(const DenseView<float>& rows, const float* query, const std::vector<double>& w,
                 double intercept) {
    const Costs costs(rows.rows);
    const auto loss = [&](const float* x, double y, double cost) {
        double score = intercept;
        for (std::size_t c = 0; c < rows.cols; ++c) score += w[c] * static_cast<double>(x[c]);
        return cost * std::pow(std::max(0.0, 1.0 - y * score), 2);
    };
    double value = 0.5 * intercept * intercept;
    for (const double v : w) value += 0.5 * v * v;
    value += loss(query, 1.0, costs.positive);
    for (std::size_t i = 0; i < rows.rows; ++i) value += loss(rows.row(i), -1.0, costs.row);
    return value;
}

struct FreeModel {
    void operator()(model* trained) const { free_and_destroy_model(&trained); }
};

/// Versions before 2.41 always regularise the bias.
template <class Parameter>
void regularise_bias(Parameter& settings) {
    if constexpr (requires { settings.regularize_bias; }) settings.regularize_bias = 1;
}

class Liblinear {
  public:
    Liblinear(int solver, std::size_t n_rows) : costs_(n_rows) {
        settings_.solver_type = solver;
        settings_.C = 1.0;
        settings_.nr_weight = 2;
        settings_.weight_label = labels_;
        settings_.weight = weights_;
        weights_[0] = costs_.positive;
        weights_[1] = costs_.row;
        regularise_bias(settings_);
    }

    /// Trains, scores every row, and returns the milliseconds of both.
    double run(Nodes& nodes, std::size_t n_rows, double eps) {
        settings_.eps = eps;
        const problem given = nodes.as_problem();
        scores_.resize(n_rows);
        const auto began = Clock::now();
        trained_.reset(train(&given, &settings_));
        for (std::size_t i = 0; i < n_rows; ++i) {
            predict_values(trained_.get(), nodes.sample(i + 1), &scores_[i]);
        }
        return milliseconds_since(began);
    }

    double reached(const DenseView<float>& rows, const float* query) const {
        const std::vector<double> w(trained_->w, trained_->w + rows.cols);
        return objective(rows, query, w, trained_->w[rows.cols]);
    }

  private:
    Costs costs_;
    int labels_[2] = {1, -1};
    double weights_[2];
    parameter settings_{};
    std::unique_ptr<model, FreeModel> trained_;
    std::vector<double> scores_;
};

void compare(std::size_t n, std::size_t d, std::size_t n_queries) {
    const auto& data = bench::dataset(n, d);
    const Index<float> index(data.rows);
    Workspace<float> workspace(index, k);
    std::vector<float> scores(n);
    std::vector<RowNumber> found(k);
    const auto built = Clock::now();
    Nodes nodes(data.rows);
    std::printf("%zu x %zu, %s rows; LIBLINEAR's copy of them takes %.1f ms (not counted below)\n",
                n, d, data.source.c_str(), milliseconds_since(built));

    // The objective to reach.
    std::vector<double> ours(n_queries);
    for (std::size_t q = 0; q < n_queries; ++q) {
        const float* const query = data.queries.row(q % data.queries.rows);
        index.fit(DenseView<float>{query, 1, d, static_cast<std::ptrdiff_t>(d)},
                  index.settings().search, workspace, scores.data());
        const auto& w = workspace.weights();
        ours[q] = objective(data.rows, query, {w.coef.begin(), w.coef.end()}, w.intercept);
    }

    const struct {
        const char* name;
        int solver;
    } solvers[] = {{"dual coordinate descent (-s 1)", L2R_L2LOSS_SVC_DUAL},
                   {"primal Newton (-s 2)", L2R_L2LOSS_SVC}};
    for (const auto& [name, solver] : solvers) {
        Liblinear liblinear(solver, n);
        // The loosest tolerance, in steps of a half, that reaches the objective of every query. It
        // is tighter than needed by a half at most.
        double eps = 0.1;
        for (std::size_t q = 0; q < n_queries; ++q) {
            const float* const query = data.queries.row(q % data.queries.rows);
            nodes.set_query(query);
            liblinear.run(nodes, n, eps);
            while (std::abs(liblinear.reached(data.rows, query) - ours[q]) >
                   equal_objectives * ours[q]) {
                eps *= 0.5;
                require(eps > 1e-12, "LIBLINEAR does not reach our objective");
                liblinear.run(nodes, n, eps);
            }
        }
        std::vector<double> theirs_ms, ours_ms;
        double difference = 0.0;  // it permutes the rows at random, so each run ends elsewhere
        for (std::size_t q = 0; q < n_queries; ++q) {
            const float* const query = data.queries.row(q % data.queries.rows);
            nodes.set_query(query);
            theirs_ms.push_back(liblinear.run(nodes, n, eps));
            const auto began = Clock::now();
            const auto report = index.search(query, k, workspace, scores.data(), found.data());
            ours_ms.push_back(milliseconds_since(began));
            require(report.status == SearchStatus::converged, "our search has not converged");
            difference = std::max(
                difference, std::abs(liblinear.reached(data.rows, query) - ours[q]) / ours[q]);
        }
        const double theirs = bench::quantile(theirs_ms, 0.5), mine = bench::quantile(ours_ms, 0.5);
        std::printf(
            "  %-32s %8.1f ms, eps %.0e, objective off by %.0e; ours %6.2f ms: %.0f times "
            "faster\n",
            name, theirs, eps, difference, mine, theirs / mine);
    }
}

}  // namespace

int main(int argc, char** argv) {
    try {
        set_print_string_function([](const char*) {});
        const std::size_t n_queries = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 20;
        require(n_queries > 0, "QUERIES must be a positive number");
        compare(1'000, 1'536, n_queries);
        compare(10'000, 384, n_queries);
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "bench_liblinear: %s\n", error.what());
        return 1;
    }
}
