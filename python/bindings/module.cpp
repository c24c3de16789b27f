// The table of contents of exemplar_svm._core. The module is private: its callers in
// python/exemplar_svm have checked values and shapes. The bindings check again only what memory
// safety rests on.

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <stdexcept>
#include <string>
#include <vector>

#include <pybind11/stl.h>
#include "bindings.hpp"
#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/isa.hpp"
#include "exemplar_svm/version.hpp"

namespace py = pybind11;
namespace esvm = exemplar_svm;

namespace {

constexpr const char* one_interpreter =
    "exemplar_svm works only in the main interpreter of a process, as numpy does: use threads or "
    "processes instead of a second interpreter";

void require_main_interpreter() {
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        throw py::import_error(one_interpreter);
    }
}

}  // namespace

// Called by PyInit__core, in the main interpreter. Free-threaded Python needs no lock: every
// function either reads what its caller lends it or writes what it has just allocated, and an Index
// is immutable.
PYBIND11_MODULE(_core_of_main_interpreter, module, py::mod_gil_not_used()) {
    require_main_interpreter();
    // Static variables hold a lock while they are initialised, at their first use, and a process
    // that is forked meanwhile would wait for it for ever. Initialise them now: numpy's functions,
    // and the instruction set. An unknown one is reported when it is used.
    py::dtype::of<float>();
    try {
        esvm::active_isa();
    } catch (const std::invalid_argument&) {}
    module.attr("__version__") = EXEMPLAR_SVM_VERSION;
    module.def("active_isa", [] { return std::string(esvm::isa_name(esvm::active_isa())); });
    module.def("supported_isas", [] {
        std::vector<std::string> names;
        for (const esvm::Isa isa : esvm::all_isas) {
            if (esvm::isa_supported(isa)) names.emplace_back(esvm::isa_name(isa));
        }
        return names;
    });
    module.def("has_openmp", &esvm::OpenMpExecutor::available);
    module.def("default_threads", &esvm::OpenMpExecutor::default_threads);

    esvm::python::bind_settings(module);
    esvm::python::bind_rows(module);
    esvm::python::bind_query(module);
    esvm::python::bind_reports(module);
    esvm::python::bind_index(module);
    esvm::python::bind_session(module);
    esvm::python::bind_solver(module);
}

/// Refuses a second interpreter before pybind11 asks for its lock: up to Python 3.11, pybind11
/// would ask for the lock of the main interpreter, and wait for ever.
extern "C" PYBIND11_EXPORT PyObject* PyInit__core() {
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        PyErr_SetString(PyExc_ImportError, one_interpreter);
        return nullptr;
    }
    return PyInit__core_of_main_interpreter();
}
