// LinearSVC's solver, and the scores of rows under given weights.

#include <pybind11/native_enum.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>

#include "base/stoppable_executor.hpp"
#include "bindings.hpp"
#include "exemplar_svm/linear_svc.hpp"
#include "exemplar_svm/scan.hpp"
#include "interpreter.hpp"
#include "numpy_view.hpp"

namespace exemplar_svm::python {
namespace {

py::tuple train(const GivenRows& rows, const py::array& labels, const py::array& costs, Loss loss,
                double intercept_scaling, Formulation formulation, double tol,
                std::uint32_t max_iter, std::uint64_t seed, int n_threads) {
    return with_rows_view(
        rows, std::nullopt, "X", [&]<Real T>(const RowsView<T>& given) -> py::tuple {
            const RowsView<T> view = given.checked("X");
            const auto* const label_values = as_vector<std::int8_t>(labels, view.rows, "labels");
            const auto* const cost_values = as_vector<double>(costs, view.rows, "costs");
            SolverSettings settings;
            settings.tol = tol;
            settings.max_epochs = max_iter;
            settings.seed = seed;
            const auto work = [&](const OpenMpExecutor& executor, const StopCondition& stop) {
                return train_linear_svc(view, label_values, cost_values, loss, intercept_scaling,
                                        settings, executor, formulation, stop);
            };
            const LinearSvc<T> trained = without_gil(n_threads, work);
            const SolveReport& report = trained.report;
            return py::make_tuple(
                py::array_t<T>(static_cast<py::ssize_t>(view.cols), trained.weights.coef.data()),
                trained.weights.intercept,
                py::array_t<double>(static_cast<py::ssize_t>(view.rows), trained.dual.data()),
                static_cast<int>(report.status), report.epochs, report.primal, report.gap);
        });
}

py::array scores(const GivenRows& rows, const std::optional<py::array>& row_scales,
                 const py::array& coef, double intercept, int n_threads) {
    return with_rows_view(
        rows, row_scales, "X", [&]<Real T>(const RowsView<T>& given) -> py::array {
            const WeightsView<T> weights{as_vector<T>(coef, given.cols, "coef"), intercept};
            py::array_t<T> out(static_cast<py::ssize_t>(given.rows));
            T* const values = out.mutable_data();
            without_gil(n_threads, [&](const OpenMpExecutor& executor, const StopCondition& stop) {
                score_rows(given.checked("X"), weights, StoppableExecutor(executor, stop), values);
            });
            return out;
        });
}

}  // namespace

void bind_solver(py::module_& module) {
    py::native_enum<Formulation>(module, "Formulation", "enum.Enum")
        .value("automatic", Formulation::automatic)
        .value("primal", Formulation::primal)
        .value("dual", Formulation::dual)
        .finalize();
    module.def("train_linear_svc", &train, py::arg("rows"), py::kw_only(), py::arg("labels"),
               py::arg("costs"), py::arg("loss"), py::arg("intercept_scaling"),
               py::arg("formulation"), py::arg("tol"), py::arg("max_iter"), py::arg("seed"),
               py::arg("n_threads"));
    module.def("score_rows", &scores, py::arg("rows"), py::kw_only(),
               py::arg("row_scales") = py::none(), py::arg("coef"), py::arg("intercept"),
               py::arg("n_threads"));
}

}  // namespace exemplar_svm::python
