#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "exemplar_svm/index.hpp"
#include "interpreter.hpp"
#include "numpy_view.hpp"
#include "query_arrays.hpp"
#include "room.hpp"

namespace exemplar_svm::python {

namespace py = pybind11;

/// An index, and workspaces that it shares with the indices made from it.
template <Real T>
struct IndexOf {
    Index<T> index;
    std::shared_ptr<WorkspacePool<T>> workspaces = std::make_shared<WorkspacePool<T>>();
};

/// Parts of an index by name, as bytes.
using Parts = std::map<std::string, py::array>;

/// exemplar_svm.Index<float> or <double> over the memory of numpy arrays, which it keeps alive. It
/// never changes: adding and removing rows makes another one, which shares what stays the same.
class PyIndex {
  public:
    PyIndex(GivenRows rows, std::optional<py::array> row_scales, const IndexSettings& settings,
            int n_threads, std::optional<Parts> parts, const std::optional<py::array>& added,
            const std::optional<py::function>& progress);
    PyIndex(PyIndex&&) = default;
    ~PyIndex() {
        free_without_gil(index_, [](const auto& held) { return held->index.n_rows(); });
    }

    std::size_t n_rows() const;
    std::size_t n_live() const;

    PyIndex with_rows(const GivenRows& rows, int n_threads) const;
    PyIndex without_rows(const py::array_t<RowNumber>& rows, int n_threads) const;
    PyIndex refreshed(int n_threads) const;

    /// Bytes per part of the index.
    py::dict memory_usage() const;
    /// What centring subtracts: zeros without it.
    py::array_t<double> mean() const;

    // The next three return memory of `self`, a PyIndex, without a copy.

    /// A byte per row, 0 for removed ones; None if no row was removed.
    static py::object live(const py::object& self);
    /// The rows that the index owns: an array, or values, columns and starts of sparse rows.
    static py::object added(const py::object& self);
    /// Bytes per part of what is known about the rows.
    static py::dict parts(const py::object& self);

    // Searches return scores, row numbers and reports. `common` is what all queries share, or null.

    /// One SVM per query: the best k rows of each.
    py::tuple search(const py::array& queries, std::size_t k, const SearchSettings& settings,
                     int n_threads, double timeout, const QueryArrays* common) const;
    /// One SVM for all examples: the best k rows.
    py::tuple search_shared(const QueryArrays& examples, std::size_t k,
                            const SearchSettings& settings, int n_threads, double timeout) const;
    /// One SVM per query: the scores of all rows, and no row numbers.
    py::tuple decision_function(const py::array& queries, const SearchSettings& settings,
                                int n_threads, const QueryArrays* common) const;
    /// One SVM for all examples: weights, intercept, dual coefficients of rows and examples,
    /// reports.
    py::tuple fit(const QueryArrays& examples, const SearchSettings& settings, int n_threads) const;

    /// Calls `function` with the IndexOf<float> or the IndexOf<double>.
    template <class Function>
    decltype(auto) visit(Function&& function) const {
        return std::visit([&](const auto& held) -> decltype(auto) { return function(*held); },
                          index_);
    }

    /// @throws std::bad_variant_access unless the rows are computed with in T
    template <Real T>
    const Index<T>& as() const {
        return std::get<std::unique_ptr<IndexOf<T>>>(index_)->index;
    }

  private:
    template <Real T>
    PyIndex(GivenRows rows, std::optional<py::array> row_scales, std::optional<Parts> parts,
            std::unique_ptr<IndexOf<T>> index)
        : rows_(std::move(rows)),
          row_scales_(std::move(row_scales)),
          parts_(std::move(parts)),
          index_(std::move(index)) {}

    template <Real T, class Make>
    PyIndex changed(const IndexOf<T>& held, int n_threads, Make&& make) const;

    GivenRows rows_;
    std::optional<py::array> row_scales_;
    std::optional<Parts> parts_;
    std::variant<std::unique_ptr<IndexOf<float>>, std::unique_ptr<IndexOf<double>>> index_;
};

}  // namespace exemplar_svm::python
