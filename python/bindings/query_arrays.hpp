#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "exemplar_svm/index.hpp"
#include "exemplar_svm/query.hpp"
#include "numpy_view.hpp"

namespace exemplar_svm::python {

namespace py = pybind11;

/// Vectors that an index of these rows can search with.
/// @throws ValueError for another number of features, and as as_dense_view does
template <Real T>
DenseView<T> as_vectors(const py::array& array, const Index<T>& index, const char* name) {
    const auto view = as_dense_view<T>(array, name);
    if (view.cols != index.n_features()) {
        throw py::value_error(std::string(name) + " has another number of features than the index");
    }
    return view;
}

/// The numpy arrays that a Query borrows: vectors of the dtype of the rows, a mask byte per row.
struct QueryArrays {
    using Mask = std::optional<py::array_t<std::uint8_t>>;

    py::array positives;
    py::array_t<RowNumber> positive_rows;
    py::array_t<double> positive_weights;  // empty: all 1
    py::array negatives;
    py::array_t<RowNumber> negative_rows;
    py::array_t<double> negative_weights;  // empty: all 1
    Mask candidates, background;
    bool include_positives = false;
    bool ignore_duplicates = false;

    /// @throws ValueError or TypeError if the arrays do not fit the index
    template <Real T>
    Query<T> view(const Index<T>& index) const {
        Query<T> query;
        query.positives = as_vectors(positives, index, "positives");
        query.negatives = as_vectors(negatives, index, "negatives");
        query.positive_rows = span(positive_rows);
        query.negative_rows = span(negative_rows);
        query.positive_weights = span(positive_weights);
        query.negative_weights = span(negative_weights);
        query.candidates = bytes(candidates, index.n_rows());
        query.background = bytes(background, index.n_rows());
        query.include_positives = include_positives;
        query.duplicates = ignore_duplicates ? Duplicates::ignore : Duplicates::negative;
        return query;
    }

  private:
    template <class Element>
    static std::span<const Element> span(const py::array_t<Element>& array) {
        if (array.ndim() != 1 || (array.size() > 1 && array.strides(0) != array.itemsize())) {
            throw py::value_error("row numbers, weights and masks must be contiguous vectors");
        }
        return {array.data(), static_cast<std::size_t>(array.size())};
    }

    static const std::uint8_t* bytes(const Mask& mask, std::size_t n_rows) {
        if (!mask) return nullptr;
        const auto values = span(*mask);
        if (values.size() != n_rows) throw py::value_error("a mask must have a byte per row");
        return values.data();
    }
};

/// What queries have in common, if anything.
template <Real T>
Query<T> view_of(const QueryArrays* common, const Index<T>& index) {
    return common == nullptr ? Query<T>{} : common->view(index);
}

}  // namespace exemplar_svm::python
