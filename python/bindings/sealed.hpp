#pragma once

#include <pybind11/pybind11.h>

#include <string>

namespace exemplar_svm::python {

namespace py = pybind11;

/// Makes an instance and calls __init__ at once, so that every instance has a value: pybind11 would
/// read uninitialised memory as the value of an instance that only Class.__new__ has made. Python
/// then calls __init__ again, which pybind11 ignores.
inline PyObject* new_with_value(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
    PyObject* const self = type->tp_base->tp_new(type, args, kwargs);
    if (self == nullptr || type->tp_init(self, args, kwargs) == 0) return self;
    Py_DECREF(self);
    return nullptr;
}

/// A class of the extension whose instances always have a value, and cannot be copied or pickled.
/// Pickle's protocols 0 and 1 would make an instance of pybind11's own base class, which throws
/// where nothing can catch it. The package pickles what should be pickled.
template <class T>
py::class_<T> sealed_class(py::module_& module, const char* name) {
    const py::custom_type_setup with_value(
        [](PyHeapTypeObject* heap_type) { heap_type->ht_type.tp_new = new_with_value; });
    return py::class_<T>(module, name, py::is_final(), with_value)
        .def("__reduce_ex__",
             [type = std::string(name)](const py::object&, const py::object&) -> py::object {
                 throw py::type_error("exemplar_svm._core." + type +
                                      " can be neither pickled nor copied");
             });
}

}  // namespace exemplar_svm::python
