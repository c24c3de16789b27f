#pragma once

#include <pybind11/pybind11.h>

namespace exemplar_svm::python {

void bind_settings(pybind11::module_& module);
void bind_rows(pybind11::module_& module);
void bind_query(pybind11::module_& module);
void bind_reports(pybind11::module_& module);
void bind_index(pybind11::module_& module);
void bind_session(pybind11::module_& module);
void bind_solver(pybind11::module_& module);

}  // namespace exemplar_svm::python
