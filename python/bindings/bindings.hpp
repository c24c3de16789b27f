#pragma once

#include <pybind11/pybind11.h>

namespace exemplar_svm::python {

void bind_index(pybind11::module_& module);
void bind_solver(pybind11::module_& module);

}  // namespace exemplar_svm::python
