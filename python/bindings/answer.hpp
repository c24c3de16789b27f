#pragma once

// What a search gives back, and how every search is run.

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <chrono>
#include <cstddef>
#include <utility>
#include <vector>

#include "exemplar_svm/real.hpp"
#include "exemplar_svm/search_report.hpp"
#include "exemplar_svm/stop_condition.hpp"
#include "interpreter.hpp"

namespace exemplar_svm::python {

namespace py = pybind11;

/// The reports of several searches. Python reads them out when it is asked for one: an array per
/// field takes longer to make than a search of few rows.
class Reports {
  public:
    explicit Reports(std::size_t n) : reports_(n) {}

    SearchReport* data() noexcept { return reports_.data(); }

    /// How many searches stopped for a reason other than convergence or a timeout.
    std::size_t n_unfinished() const;

    /// One array per field.
    py::tuple arrays() const;

  private:
    template <class Element, class Get>
    py::array_t<Element> field(Get&& get) const;

    std::vector<SearchReport> reports_;
};

/// The arrays that searches fill. To be made and returned with the interpreter's lock; the core
/// writes to `scores`, `rows` and `reports` without it.
template <Real T>
class Answer {
    py::array_t<T> score_array_;
    py::array_t<RowNumber> row_array_;
    Reports reports_;

  public:
    Answer(std::size_t n_searches, std::size_t n_scores, std::size_t n_rows)
        : score_array_(shape(n_searches, n_scores)),
          row_array_(shape(n_searches, n_rows)),
          reports_(n_searches),
          scores(score_array_.mutable_data()),
          rows(row_array_.mutable_data()),
          reports(reports_.data()) {}

    py::tuple as_tuple() && {
        return py::make_tuple(std::move(score_array_), std::move(row_array_), std::move(reports_));
    }

    T* const scores;        ///< n_scores per search
    RowNumber* const rows;  ///< n_rows per search
    SearchReport* const reports;

  private:
    static std::vector<py::ssize_t> shape(std::size_t n, std::size_t width) {
        return {static_cast<py::ssize_t>(n), static_cast<py::ssize_t>(width)};
    }
};

/// @param timeout  in seconds; infinity: never
inline StopCondition stop_after(double timeout) {
    // A clock counts nanoseconds, which overflow after 292 years.
    const std::chrono::duration<double> seconds(timeout);
    return seconds < std::chrono::hours(24 * 365 * 100)
               ? StopCondition::after(std::chrono::duration_cast<std::chrono::nanoseconds>(seconds))
               : StopCondition{};
}

/// The one flow of searches: allocates the answer, has `search(answer, executor, stop)` fill it
/// without the interpreter's lock, and returns scores, row numbers and reports.
template <Real T, class Search>
py::tuple answered(Answer<T> answer, int n_threads, const StopCondition& stop, Search&& search) {
    without_gil(
        n_threads,
        [&](const OpenMpExecutor& executor, const StopCondition& until) {
            search(answer, executor, until);
        },
        stop);
    return std::move(answer).as_tuple();
}

}  // namespace exemplar_svm::python
