// Settings of an index and of a search.

#include <pybind11/native_enum.h>
#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>

#include "bindings.hpp"
#include "exemplar_svm/settings.hpp"
#include "sealed.hpp"

namespace exemplar_svm::python {
namespace {

SearchSettings search_settings(double C, double prior, double tol, std::uint32_t max_iter,
                               std::size_t certify, bool standardize) {
    SearchSettings settings;
    settings.C = C;
    settings.prior = prior;
    settings.solver.tol = tol;
    settings.solver.max_epochs = max_iter;
    settings.certify = certify;
    settings.standardize = standardize;
    require_valid(settings);
    return settings;
}

}  // namespace

void bind_settings(py::module_& module) {
    py::native_enum<Loss>(module, "Loss", "enum.Enum")
        .value("squared_hinge", Loss::squared_hinge)
        .value("hinge", Loss::hinge)
        .finalize();

    py::native_enum<Method>(module, "Method", "enum.Enum")
        .value("automatic", Method::automatic)
        .value("full", Method::full)
        .value("working_set", Method::working_set)
        .value("gram", Method::gram)
        .value("primal", Method::primal)
        .finalize();

    py::native_enum<SketchType>(module, "SketchType", "enum.Enum")
        .value("none", SketchType::none)
        .value("int8", SketchType::int8)
        .finalize();

    sealed_class<SearchSettings>(module, "SearchSettings")
        .def(py::init(&search_settings), py::kw_only(), py::arg("C"), py::arg("prior"),
             py::arg("tol"), py::arg("max_iter"), py::arg("certify") = 0,
             py::arg("standardize") = false);
}

}  // namespace exemplar_svm::python
