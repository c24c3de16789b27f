// The examples and masks of a search.

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <utility>

#include "bindings.hpp"
#include "query_arrays.hpp"
#include "sealed.hpp"

namespace exemplar_svm::python {

void bind_query(py::module_& module) {
    sealed_class<QueryArrays>(module, "Query")
        .def(py::init([](py::array positives, py::array_t<RowNumber> positive_rows,
                         py::array_t<double> positive_weights, py::array negatives,
                         py::array_t<RowNumber> negative_rows, py::array_t<double> negative_weights,
                         QueryArrays::Mask candidates, QueryArrays::Mask background,
                         bool include_positives, bool ignore_duplicates) {
                 return QueryArrays{std::move(positives),        std::move(positive_rows),
                                    std::move(positive_weights), std::move(negatives),
                                    std::move(negative_rows),    std::move(negative_weights),
                                    std::move(candidates),       std::move(background),
                                    include_positives,           ignore_duplicates};
             }),
             py::kw_only(), py::arg("positives"), py::arg("positive_rows"),
             py::arg("positive_weights"), py::arg("negatives"), py::arg("negative_rows"),
             py::arg("negative_weights"), py::arg("candidates"), py::arg("background"),
             py::arg("include_positives"), py::arg("ignore_duplicates"));
}

}  // namespace exemplar_svm::python
