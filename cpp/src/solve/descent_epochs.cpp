#include "solve/descent_epochs.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace exemplar_svm {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

}  // namespace

template <Real T>
DescentEpochs<T>::DescentEpochs(const Samples<T>& samples, const SolverSettings& settings,
                                DescentWeights<T>& weights, Solution<T>& solution,
                                DescentScratch<T>& scratch) noexcept
    : samples_(samples),
      weights_(weights),
      solution_(solution),
      scratch_(scratch),
      block_(scratch.examples.block()),
      kernels_(kernels::active_table<T>()),
      random_(settings.seed),
      visits_pairs_(samples.problem().rows.is_dense()),
      shrinks_(settings.shrinking) {}

template <Real T>
void DescentEpochs<T>::add(std::size_t i) noexcept {
    RowIndex* const active = scratch_.active.data();
    active[i] = static_cast<RowIndex>(i);
    if (samples_.row_penalty(i).upper > 0.0) std::swap(active[n_active_++], active[i]);
}

template <Real T>
std::size_t DescentEpochs<T>::count_inside() const noexcept {
    return static_cast<std::size_t>(
        std::ranges::count_if(active(), [&](RowIndex i) { return solution_.dual[i] > 0.0; }));
}

template <Real T>
void DescentEpochs<T>::activate_violators(const T* scores, double slack) noexcept {
    n_active_ = 0;
    shrink_above_ = infinity;
    shrink_below_ = -infinity;
    for (std::size_t i = 0; i < samples_.n_rows(); ++i) {
        const Penalty bounds = samples_.row_penalty(i);
        if (bounds.upper <= 0.0) continue;
        const double dual = solution_.dual[i];
        const double gradient =
            samples_.row_label(i) * static_cast<double>(scores[i]) - 1.0 + bounds.diagonal * dual;
        const bool rests =
            (dual <= 0.0 && gradient > slack) || (dual >= bounds.upper && gradient < -slack);
        if (!rests) scratch_.active[n_active_++] = static_cast<RowIndex>(i);
    }
}

template <Real T>
EpochSummary DescentEpochs<T>::run(const StopCondition& stop) noexcept {
    EpochSummary seen;
    weights_.begin_epoch();
    order_visits();
    visit_all(stop, seen);
    weights_.fold();
    shrink_above_ = seen.highest > 0.0 ? seen.highest : infinity;
    shrink_below_ = seen.lowest < 0.0 ? seen.lowest : -infinity;
    return seen;
}

template <Real T>
void DescentEpochs<T>::visit_all(const StopCondition& stop, EpochSummary& seen) noexcept {
    constexpr std::size_t rows_per_example = 4;  // between two visits to outside examples
    // Frequent enough to stop in time; rare enough that reading the clock costs nothing.
    constexpr std::size_t rows_per_look = 16;
    RowIndex* const active = scratch_.active.data();
    const std::size_t n_examples = samples_.n_examples();
    std::size_t n_outside = 0;
    for (std::size_t j = 0; j < n_examples; ++j) n_outside += is_outside(j) ? 1 : 0;
    std::size_t visits = 0;
    const auto visit_next_outside = [&]() noexcept {
        do {
            next_outside_ = (next_outside_ + 1) % n_examples;
        } while (!is_outside(next_outside_));
        visit_example(next_outside_, seen);
        ++visits;
    };

    std::size_t since_example = 0, since_look = 0;
    for (std::size_t s = 0; s < n_active_;) {
        const std::size_t n_visited = std::min<std::size_t>(visits_pairs_ ? 2 : 1, n_active_ - s);
        for (std::size_t next = s + n_visited; next < std::min(s + 4, n_active_); ++next) {
            samples_.problem().rows.prefetch(active[next]);
        }
        bool stays[2];
        visit_rows(active + s, n_visited, stays, seen);
        // From the back, so that rows swapped in have not been visited.
        std::size_t n_staying = n_visited;
        for (std::size_t v = n_visited; v-- > 0;) {
            if (stays[v]) continue;
            std::swap(active[s + v], active[s + --n_staying]);
            std::swap(active[s + n_staying], active[--n_active_]);
        }
        s += n_staying;
        since_look += n_visited;
        if (since_look >= rows_per_look) {
            since_look = 0;
            if (stop.is_set() && stop.reached()) return;
        }
        since_example += n_visited;
        if (n_outside > 0 && since_example >= rows_per_example) {
            since_example = 0;
            visit_next_outside();
        }
    }
    while (visits < n_outside) visit_next_outside();
}

/// Puts the active rows into a random order. If many sparse rows are active, runs of neighbours
/// stay together, because single sparse rows are too small to prefetch.
template <Real T>
void DescentEpochs<T>::order_visits() noexcept {
    constexpr std::size_t run = 16;
    const std::size_t n_rows = samples_.n_rows();
    RowIndex* const active = scratch_.active.data();
    if (visits_pairs_ || n_active_ < n_rows / 8 || n_active_ <= run) {
        permute(active, n_active_, random_);
        return;
    }
    std::uint8_t* const marks = scratch_.marks.data();
    for (std::size_t s = 0; s < n_active_; ++s) marks[active[s]] = 1;
    RowIndex* const sorted = scratch_.sorted.data();
    std::size_t n_sorted = 0;
    for (std::size_t i = 0; i < n_rows; ++i) {
        if (marks[i] != 0) sorted[n_sorted++] = static_cast<RowIndex>(i);
        marks[i] = 0;
    }
    // A step coprime to the number of runs visits each run once.
    const std::size_t n_runs = (n_sorted + run - 1) / run;
    std::size_t step = 1 + random_.below(n_runs);
    while (std::gcd(step, n_runs) != 1) ++step;
    std::size_t at = random_.below(n_runs), s = 0;
    for (std::size_t r = 0; r < n_runs; ++r, at = (at + step) % n_runs) {
        for (std::size_t i = at * run; i < std::min((at + 1) * run, n_sorted); ++i) {
            active[s++] = sorted[i];
        }
    }
}

/// Steps of coordinate descent on one row, or on two dense rows in turn. The two share one reading
/// and writing of the weights: the product of the rows gives the first step's effect on the second
/// score.
/// @param stays  whether each row stays active
template <Real T>
void DescentEpochs<T>::visit_rows(const RowIndex* rows, std::size_t n_visited, bool* stays,
                                  EpochSummary& seen) noexcept {
    const RowsView<T>& view = samples_.problem().rows;
    T* const coef = weights_.coef();
    const std::size_t d = samples_.n_features();
    if (n_visited == 1) {
        const double product = static_cast<double>(view.dot(rows[0], coef));
        const double change = visit_row(rows[0], product, stays[0], seen);
        if (change != 0.0) view.axpy(static_cast<T>(change), rows[0], coef);
        return;
    }
    T* const scratch = scratch_.rows.data();
    const T* const x = view.read(rows[0], scratch);
    const T* const z = view.read(rows[1], scratch + d);
    T products[3];
    kernels_.dot_pair(coef, x, z, d, products);
    const auto first =
        static_cast<T>(visit_row(rows[0], static_cast<double>(products[0]), stays[0], seen));
    const double product = static_cast<double>(products[1]) +
                           static_cast<double>(first) * static_cast<double>(products[2]);
    const auto second = static_cast<T>(visit_row(rows[1], product, stays[1], seen));
    if (first != T(0) && second != T(0)) {
        kernels_.axpy_pair(first, x, second, z, coef, d);
    } else if (first != T(0)) {
        kernels_.axpy(first, x, coef, d);
    } else if (second != T(0)) {
        kernels_.axpy(second, z, coef, d);
    }
}

/// One step of coordinate descent. The caller adds the returned multiple of the row to coef.
/// @param product  coef . x_i
template <Real T>
double DescentEpochs<T>::visit_row(RowIndex i, double product, bool& stays,
                                   EpochSummary& seen) noexcept {
    const double y = samples_.row_label(i);
    const Penalty bounds = samples_.row_penalty(i);
    double& dual = solution_.dual[i];

    double k[ExampleBlock::capacity];
    for (std::size_t j = 0; j < block_.count(); ++j) {
        k[j] = static_cast<double>(scratch_.products[i * block_.count() + j]);
    }
    const double slack = 1.0 - y * weights_.score(i, product, k);
    const double gradient = bounds.diagonal * dual - slack;

    stays = !shrinks_ || !((dual <= 0.0 && gradient > shrink_above_) ||
                           (dual >= bounds.upper && gradient < shrink_below_));
    if (!stays) return 0.0;
    const double violation = projected(gradient, dual, bounds.upper);
    seen.add(violation,
             gap_term(samples_.problem().loss, samples_.row_cost(i), bounds.diagonal, dual, slack));
    if (violation == 0.0) return 0.0;

    // Rounded up to cover the rounding of the products with the examples in T.
    const double curvature = samples_.row_squared_norm(i) * product_slack<T> + bounds.diagonal;
    Coordinate coordinate{gradient, curvature, bounds.diagonal, y, -dual, bounds.upper - dual};
    const double step = block_.minimise(coordinate, k);
    dual = coordinate.settle(dual + step, bounds.upper);
    weights_.count_row(i, y * step);
    return y * step;
}

/// The same step on an example that is not eliminated.
template <Real T>
void DescentEpochs<T>::visit_example(std::size_t j, EpochSummary& seen) noexcept {
    const bool eliminates = weights_.eliminates();
    if (eliminates) weights_.fold();
    const std::size_t sample = samples_.n_rows() + j;
    const Penalty bounds = samples_.penalty(sample);
    const double dual = weights_.dual(sample);
    const double slack = 1.0 - weights_.example_product(j);
    const double gradient = bounds.diagonal * dual - slack;
    seen.add(
        projected(gradient, dual, bounds.upper),
        gap_term(samples_.problem().loss, samples_.cost(sample), bounds.diagonal, dual, slack));

    Coordinate coordinate{gradient,        samples_.squared_norm(sample) + bounds.diagonal,
                          bounds.diagonal, 1.0,
                          -dual,           bounds.upper - dual};
    const double step = block_.minimise(coordinate, eliminates ? block_.gram_row(j) : nullptr);
    weights_.set_dual(sample, coordinate.settle(dual + step, bounds.upper));
    // fold() adds the steps of the block's examples to the weights.
    if (!eliminates) weights_.add_example(j, step);
}

template class DescentEpochs<float>;
template class DescentEpochs<double>;

}  // namespace exemplar_svm
