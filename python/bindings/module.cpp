// The table of contents of exemplar_svm._core. It is private: its callers in python/exemplar_svm
// have checked values and shapes; what is checked here again is what memory safety rests on.

#include <pybind11/pybind11.h>

#include <string>
#include <vector>

#include <pybind11/stl.h>
#include "bindings.hpp"
#include "exemplar_svm/executor.hpp"
#include "exemplar_svm/isa.hpp"
#include "exemplar_svm/search_report.hpp"
#include "exemplar_svm/version.hpp"

namespace py = pybind11;
namespace esvm = exemplar_svm;

// Free-threaded Python: every function either reads what its caller lends it or writes what it has
// just allocated, and an Index is immutable.
PYBIND11_MODULE(_core, module, py::mod_gil_not_used()) {
    module.attr("__version__") = EXEMPLAR_SVM_VERSION;
    module.def("active_isa", [] { return std::string(esvm::isa_name(esvm::active_isa())); });
    module.def("supported_isas", [] {
        std::vector<std::string> names;
        for (const esvm::Isa isa : esvm::all_isas) {
            if (esvm::isa_supported(isa)) names.emplace_back(esvm::isa_name(isa));
        }
        return names;
    });
    module.def("invalid_input_reasons", [] {
        std::vector<std::string> names;
        for (int i = 0; i <= static_cast<int>(esvm::InvalidInput::rows_not_finite); ++i) {
            names.emplace_back(esvm::to_string(static_cast<esvm::InvalidInput>(i)));
        }
        return names;
    });
    module.def("has_openmp", &esvm::OpenMpExecutor::available);
    module.def("default_threads", &esvm::OpenMpExecutor::default_threads);

    esvm::python::bind_index(module);
    esvm::python::bind_solver(module);
}
