#include "model/postings.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

#include "exemplar_svm/error.hpp"
#include "exemplar_svm/scan.hpp"
#include "problem/samples.hpp"

namespace exemplar_svm {

template <Real T>
void Postings<T>::extend(const RowsView<T>& rows, const std::vector<T>& mean, ExecutorRef executor,
                         const StopCondition& stop) {
    const std::size_t n_before = mean_products_.size();
    if (n_before == rows.rows) return;
    if (starts_.empty()) list(rows, stop);
    score_rows(rows.from(n_before), WeightsView<T>{mean.data(), 0.0}, executor,
               mean_products_.extend(rows.rows - n_before));
}

/// Counts the entries of every column, then fills the lists row by row, so rows ascend in each
/// list.
template <Real T>
void Postings<T>::list(const RowsView<T>& rows, const StopCondition& stop) {
    const std::size_t n = rows.rows, d = rows.cols;
    std::uint64_t* const starts = starts_.extend(d + 2);
    for (std::size_t i = 0; i < n; ++i) {
        stop.throw_if_reached();
        rows.sparse().for_each_entry(i, [&](std::size_t c, T) noexcept { ++starts[c + 1]; });
    }
    for (std::size_t c = 0; c < d; ++c) starts[c + 1] += starts[c];
    starts[d + 1] = n;
    std::vector<std::uint64_t> places(starts, starts + d);
    RowIndex* const numbers = rows_.extend(starts[d]);
    T* const values = values_.extend(starts[d]);
    for (std::size_t i = 0; i < n; ++i) {
        stop.throw_if_reached();
        rows.sparse().for_each_entry(i, [&](std::size_t c, T value) noexcept {
            numbers[places[c]] = static_cast<RowIndex>(i);
            values[places[c]++] = value;
        });
    }
}

template <Real T>
void Postings<T>::guess_scores(const Problem<T>& problem, ExecutorRef executor, T* scratch,
                               T* scores) const noexcept {
    constexpr std::size_t n_parts = 8;
    const std::size_t n_listed = this->n_listed(), p = problem.examples.rows;
    const Samples<T> samples(problem);
    const auto factor = [&](std::size_t j) noexcept {
        return static_cast<T>(samples.label(samples.n_rows() + j) / static_cast<double>(p));
    };
    for_each_block(executor, RowBlocks::one_by_one(n_parts),
                   [&](std::size_t, std::size_t, std::size_t part) noexcept {
                       const std::size_t begin = part * n_listed / n_parts;
                       const std::size_t end = (part + 1) * n_listed / n_parts;
                       std::transform(mean_products_.data() + begin, mean_products_.data() + end,
                                      scores + begin, [](T product) { return -product; });
                       for (std::size_t j = 0; j < p; ++j) {
                           add_listed(problem, j, factor(j), begin, end, scores);
                       }
                   });
    if (n_listed == problem.rows.rows) return;
    std::fill_n(scratch, problem.rows.cols, T(0));
    for (std::size_t j = 0; j < p; ++j) problem.examples.axpy(factor(j), j, scratch);
    score_rows(problem.rows.from(n_listed), WeightsView<T>{scratch, 0.0}, executor,
               scores + n_listed);
    for (std::size_t i = n_listed; i < problem.rows.rows; ++i) scores[i] -= mean_products_[i];
}

/// Adds the products of example j with the rows in [begin, end).
template <Real T>
void Postings<T>::add_listed(const Problem<T>& problem, std::size_t j, T factor, std::size_t begin,
                             std::size_t end, T* scores) const noexcept {
    problem.examples.sparse().for_each_entry(j, [&](std::size_t c, T value) noexcept {
        const RowIndex* const stop = rows_.data() + starts_[c + 1];
        const RowIndex* row = std::lower_bound(rows_.data() + starts_[c], stop, begin);
        const T* listed = values_.data() + (row - rows_.data());
        const T multiple = factor * value;
        for (; row != stop && *row < end; ++row, ++listed) scores[*row] += multiple * *listed;
    });
}

template <Real T>
void Postings<T>::require_valid(std::size_t n_rows, std::size_t n_features) const {
    require(mean_products_.size() == n_rows && starts_.size() == n_features + 2 &&
                starts_[0] == 0 && starts_[n_features] == rows_.size() &&
                rows_.size() == values_.size() && n_listed() <= n_rows &&
                std::is_sorted(starts_.begin(), starts_.end() - 1),
            "postings have sizes or offsets that do not fit the rows");
    require(std::ranges::all_of(rows_, [&](RowIndex row) { return row < n_listed(); }),
            "postings name a row beyond the last listed one");
    for (std::size_t c = 0; c < n_features; ++c) {
        // Searches bisect a list for their range of rows, and threads write to those rows.
        const RowIndex* const end = rows_.data() + starts_[c + 1];
        require(std::adjacent_find(rows_.data() + starts_[c], end, std::greater_equal<>()) == end,
                "postings must list rows in ascending order");
    }
}

template <Real T>
std::size_t Postings<T>::bytes() const noexcept {
    return starts_.bytes() + rows_.bytes() + values_.bytes() + mean_products_.bytes();
}

template class Postings<float>;
template class Postings<double>;

}  // namespace exemplar_svm
