#include "search/plan.hpp"

#include <algorithm>

#include "solve/example_block.hpp"
#include "solve/primal_descent.hpp"

namespace exemplar_svm {
namespace {

// Sparse rows: above this fraction of support vectors, solving over all rows is as fast as finding
// the working set.
constexpr double large_part_sparse = 0.3;

// Dense rows: above this fraction or this number of support vectors, descent on the primal is
// faster than finding the working set.
constexpr double large_part_dense = 0.45, many_rows = 8192.0;

/// Whether descent on the primal can solve the problem.
bool has_primal(const Situation& s) noexcept {
    return s.is_dense && s.loss == Loss::squared_hinge && s.cost > 0.0 && s.has_spread &&
           s.n_rows >= fewest_primal_rows;
}

bool eliminates_examples(const Situation& s) noexcept {
    return s.n_examples <= ExampleBlock::capacity;
}

}  // namespace

Strategy plan(const Situation& s) noexcept {
    // The other strategies require that the examples are eliminated.
    if (s.prepared == Method::full || !eliminates_examples(s)) return Strategy::full;
    if (s.prepared == Method::gram) {
        // The Gram strategy forms no weights.
        return s.purpose == Purpose::ranking ? Strategy::gram : Strategy::full;
    }
    if (s.prepared == Method::primal) return has_primal(s) ? Strategy::primal : Strategy::full;
    if (s.method == Method::working_set) return Strategy::working_set;

    const auto n = static_cast<double>(s.n_rows);
    if (!s.is_dense) {
        return s.expected_support < large_part_sparse * n ? Strategy::working_set : Strategy::full;
    }
    const bool many_support = s.expected_support > std::min(large_part_dense * n, many_rows);
    return many_support && has_primal(s) && s.has_time ? Strategy::primal : Strategy::working_set;
}

Strategy successor(Strategy strategy, const Situation& s) noexcept {
    return strategy == Strategy::working_set && s.method == Method::automatic && has_primal(s)
               ? Strategy::primal
               : Strategy::full;
}

template <Real T>
Situation situation_of(const Problem<T>& problem, const RowStatistics<T>& statistics, Method method,
                       Purpose purpose, const StopCondition& stop) noexcept {
    Situation s;
    s.method = method;
    s.prepared = statistics.method;
    s.purpose = purpose;
    s.loss = problem.loss;
    s.is_dense = problem.rows.is_dense();
    s.n_rows = problem.rows.rows;
    s.n_examples = problem.examples.rows;
    s.cost = problem.cost;
    if (!statistics.gaussian.empty()) {
        s.expected_support = statistics.gaussian.expected_support(problem.cost);
        s.has_spread = statistics.gaussian.mean_square() > 0.0;
        const double pass = seconds_per_byte_of_pass * static_cast<double>(s.n_rows) *
                            static_cast<double>(problem.rows.bytes_per_row());
        s.has_time = !stop.earlier_by(2.0 * pass).reached();
    }
    return s;
}

template Situation situation_of(const Problem<float>&, const RowStatistics<float>&, Method, Purpose,
                                const StopCondition&) noexcept;
template Situation situation_of(const Problem<double>&, const RowStatistics<double>&, Method,
                                Purpose, const StopCondition&) noexcept;

}  // namespace exemplar_svm
