// Checks of rows and vectors that would be slow in numpy.

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cmath>
#include <cstddef>
#include <utility>

#include "bindings.hpp"
#include "exemplar_svm/csr_view.hpp"
#include "exemplar_svm/scan.hpp"
#include "interpreter.hpp"
#include "numpy_view.hpp"
#include "sealed.hpp"

namespace exemplar_svm::python {
namespace {

/// Whether the columns of every row ascend strictly.
/// @throws ValueError for rows that do not lie within the arrays
bool is_canonical_csr(const CsrArrays& rows, const char* name) {
    return with_dtype(rows.data, name, [&]<class T>(T) {
        return rows.with_view<T>([&](const auto& view) {
            return without_gil_if(view.entries > few_values,
                                  [&] { return is_canonical(view, name); });
        });
    });
}

/// Whether all elements and all squared norms are finite.
bool all_norms_finite(const py::array& vectors) {
    return with_dtype(vectors, "vectors", [&]<class T>(T) {
        const auto view = as_dense_view<T>(vectors, "vectors");
        const auto all_finite = [&] {
            for (std::size_t i = 0; i < view.rows; ++i) {
                T square;
                square_rows(DenseView<T>{view.row(i), 1, view.cols, view.stride}, SerialExecutor{},
                            &square);
                if (!std::isfinite(square)) return false;
            }
            return true;
        };
        return without_gil_if(view.rows * view.cols > few_values, all_finite);
    });
}

}  // namespace

void bind_rows(py::module_& module) {
    sealed_class<CsrArrays>(module, "CsrArrays")
        .def(py::init(
                 [](py::array data, py::array indices, py::array indptr, std::size_t n_features) {
                     return CsrArrays{std::move(data), std::move(indices), std::move(indptr),
                                      n_features};
                 }),
             py::kw_only(), py::arg("data"), py::arg("indices"), py::arg("indptr"),
             py::arg("n_features"));
    module.def("is_canonical_csr", &is_canonical_csr, py::arg("rows"), py::arg("name"));
    module.def("all_norms_finite", &all_norms_finite, py::arg("vectors"));
}

}  // namespace exemplar_svm::python
