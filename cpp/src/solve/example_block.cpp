#include "solve/example_block.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace exemplar_svm {
namespace {

// A pivot below this fraction of its diagonal means linear dependence. Rounding leaves about 1e-16,
// also for float32 rows, whose products are summed in double precision.
constexpr double dependent = 1e-11;

}  // namespace

void ExampleBlock::reset(std::size_t count, const double* gram, const double* diagonal,
                         const double* upper) noexcept {
    count_ = count;
    std::copy_n(gram, count * count, gram_);
    std::copy_n(diagonal, count, diagonal_);
    std::copy_n(upper, count, upper_);
    std::fill_n(dual_, count, 0.0);
    std::fill_n(folded_, count, 0.0);
    std::fill_n(multiplier_, count, 0.0);
    std::fill_n(state_, count, State::outside);
    std::fill_n(inverse_, count * count, 0.0);
    rounding_ = 0.0;
}

void ExampleBlock::set_outside(std::size_t j, double dual) noexcept {
    dual_[j] = dual;
    if (is_member(j)) change_state(j, State::outside);
}

void ExampleBlock::fold() noexcept { std::copy_n(dual_, count_, folded_); }

/// Minus the change of member j's coefficient per unit of y t: (H k)_j.
double ExampleBlock::response(std::size_t j, const double* k) const noexcept {
    const double* h = inverse_ + j * count_;
    double z = 0.0;
    for (std::size_t l = 0; l < count_; ++l) z += h[l] * k[l];
    return z;
}

void ExampleBlock::respond(const double* products, double* changes) const noexcept {
    for (std::size_t j = 0; j < count_; ++j) {
        changes[j] = state_[j] == State::free ? -response(j, products) : 0.0;
    }
}

double ExampleBlock::walk(Coordinate& c, const double* k) noexcept {
    double taken = 0.0;
    // In exact arithmetic, every member leaves and enters at most once. The limit ends walks in
    // which rounding makes a member leave and enter repeatedly.
    for (std::size_t leg = 0; leg <= 4 * count_; ++leg) {
        double z[capacity];
        // Rounded up: too large a curvature shortens the step, too small a one overshoots.
        double curvature = c.curvature * (1.0 + rounding_);
        for (std::size_t j = 0; j < count_; ++j) {
            z[j] = state_[j] == State::free ? response(j, k) : 0.0;
            curvature -= z[j] * k[j];
        }
        curvature = std::max(curvature, c.min_curvature);

        double step = 0.0;
        if (curvature > 0.0) {
            step = -c.gradient / curvature;
        } else if (c.gradient != 0.0) {
            step = c.gradient > 0.0 ? c.lowest_step : c.highest_step;
        }
        step = std::clamp(step, c.lowest_step, c.highest_step);
        if (step == 0.0) break;

        // The first member to change its state ends this leg.
        std::size_t changing = count_;
        State becomes = State::outside;
        for (std::size_t j = 0; j < count_; ++j) {
            if (state_[j] == State::outside) continue;
            if (state_[j] == State::free) {
                const double rate = -c.label * z[j];
                const double end = dual_[j] + rate * step;
                if (end < 0.0) {
                    step = -dual_[j] / rate;
                    changing = j;
                    becomes = State::lower;
                } else if (end > upper_[j]) {
                    step = (upper_[j] - dual_[j]) / rate;
                    changing = j;
                    becomes = State::upper;
                }
            } else {
                double rate = k[j];
                for (std::size_t l = 0; l < count_; ++l) rate -= gram_row(j)[l] * z[l];
                rate *= c.label;
                const double end = multiplier_[j] + rate * step;
                const bool crosses = state_[j] == State::lower ? end < 0.0 : end > 0.0;
                if (crosses && rate != 0.0) {
                    step = -multiplier_[j] / rate;
                    changing = j;
                    becomes = State::free;
                }
            }
        }

        for (std::size_t j = 0; j < count_; ++j) {
            if (state_[j] == State::free) {
                dual_[j] -= c.label * z[j] * step;
            } else if (state_[j] != State::outside) {
                double rate = k[j];
                for (std::size_t l = 0; l < count_; ++l) rate -= gram_row(j)[l] * z[l];
                multiplier_[j] += c.label * rate * step;
            }
        }
        c.take(step, curvature);
        taken += step;
        if (changing == count_) break;
        change_state(changing, becomes);
    }
    return taken;
}

void ExampleBlock::optimise(const double* gradients) noexcept {
    double before[capacity];
    std::copy_n(dual_, count_, before);
    std::fill_n(state_, count_, State::outside);
    invert_free();

    // Move each example to its minimum while the members stay optimal, then make it a member. All
    // members are jointly optimal after every step, hence at the end.
    for (std::size_t j = 0; j < count_; ++j) {
        double gradient = gradients[j];
        for (std::size_t l = 0; l < count_; ++l) {
            gradient += gram_row(j)[l] * (dual_[l] - before[l]);
        }
        Coordinate own{gradient,  gram_row(j)[j] + diagonal_[j], diagonal_[j], 1.0,
                       -dual_[j], upper_[j] - dual_[j]};
        const double step = minimise(own, gram_row(j));
        dual_[j] = own.settle(dual_[j] + step, upper_[j]);
        if (own.lowest_step >= 0.0) {
            multiplier_[j] = own.gradient;
            change_state(j, State::lower);
        } else if (own.highest_step <= 0.0) {
            multiplier_[j] = own.gradient;
            change_state(j, State::upper);
        } else {
            change_state(j, State::free);
        }
    }
}

void ExampleBlock::change_state(std::size_t j, State to) noexcept {
    const bool free_set_changes = state_[j] == State::free || to == State::free;
    if (state_[j] == State::free && to != State::outside) {
        dual_[j] = to == State::lower ? 0.0 : upper_[j];
        multiplier_[j] = 0.0;
    }
    state_[j] = to;
    if (free_set_changes) invert_free();
}

/// H = (K_FF + D_FF)^-1 by Cholesky: p^3 operations, when F changes, which is rare. Moves a free
/// example outside if it depends linearly on the free ones before it.
void ExampleBlock::invert_free() noexcept {
    std::fill_n(inverse_, count_ * count_, 0.0);

    std::size_t members[capacity];
    double factor[capacity * capacity];  // L, by rows of the members in order
    std::size_t size = 0;
    for (std::size_t j = 0; j < count_; ++j) {
        if (state_[j] != State::free) continue;
        double* row = factor + size * capacity;
        double pivot = gram_row(j)[j] + diagonal_[j];
        const double scale = pivot;
        for (std::size_t m = 0; m < size; ++m) {
            const double* other = factor + m * capacity;
            double v = gram_row(j)[members[m]];
            for (std::size_t l = 0; l < m; ++l) v -= row[l] * other[l];
            row[m] = v / other[m];
            pivot -= row[m] * row[m];
        }
        if (!(pivot > dependent * scale)) {
            state_[j] = State::outside;
            continue;
        }
        row[size] = std::sqrt(pivot);
        members[size++] = j;
    }

    for (std::size_t c = 0; c < size; ++c) {  // L L' h = e_c
        double h[capacity];
        for (std::size_t m = 0; m < size; ++m) {
            double v = m == c ? 1.0 : 0.0;
            for (std::size_t l = 0; l < m; ++l) v -= factor[m * capacity + l] * h[l];
            h[m] = v / factor[m * capacity + m];
        }
        for (std::size_t m = size; m-- > 0;) {
            double v = h[m];
            for (std::size_t l = m + 1; l < size; ++l) v -= factor[l * capacity + m] * h[l];
            h[m] = v / factor[m * capacity + m];
            inverse_[members[m] * count_ + members[c]] = h[m];
        }
    }
    double trace = 0.0, inverse_trace = 0.0;
    for (std::size_t m = 0; m < size; ++m) {
        const std::size_t j = members[m];
        trace += gram_row(j)[j] + diagonal_[j];
        inverse_trace += inverse_[j * count_ + j];
    }
    rounding_ = std::numeric_limits<double>::epsilon() * trace * inverse_trace;
}

}  // namespace exemplar_svm
