// The index: how it is built and changed, what it knows, and searches.

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "answer.hpp"
#include "bindings.hpp"
#include "py_index.hpp"
#include "query_arrays.hpp"
#include "reporting_executor.hpp"
#include "sealed.hpp"

namespace exemplar_svm::python {
namespace {

IndexSettings index_settings(Loss loss, std::optional<std::pair<double, double>> class_weight,
                             double intercept_scaling, bool center, bool check_finite,
                             Method method, SketchType sketch) {
    IndexSettings settings;
    settings.loss = loss;
    if (class_weight) settings.class_weight = {false, class_weight->first, class_weight->second};
    settings.intercept_scaling = intercept_scaling;
    settings.center = center;
    settings.check_finite = check_finite;
    settings.method = method;
    settings.sketch = sketch;
    return settings;
}

template <Real T>
std::unique_ptr<IndexOf<T>> hold(Index<T> index) {
    return std::make_unique<IndexOf<T>>(IndexOf<T>{std::move(index)});
}

std::vector<IndexPart> views(const Parts& parts) {
    std::vector<IndexPart> views;
    for (const auto& [name, values] : parts) {
        const auto size = static_cast<std::size_t>(values.size());
        views.push_back({name.c_str(), as_vector<std::uint8_t>(values, size, name.c_str()), size});
    }
    return views;
}

template <Real T>
RowsView<T> followed_by(const RowsView<T>& first, const py::array& added) {
    const auto behind = as_dense_view<T>(added, "added");
    if (!first.is_dense()) {
        throw py::value_error("added is dense, but embeddings has sparse rows");
    }
    if (behind.cols != first.cols) {
        throw py::value_error("added has another number of features than embeddings");
    }
    return first.followed_by(behind);
}

/// Memory that `owner` keeps alive, as a read-only array.
template <class Element>
py::array_t<Element> borrowed(const Element* values, std::vector<std::size_t> shape,
                              const py::object& owner) {
    py::array_t<Element> array(std::move(shape), values, owner);
    array.attr("flags").attr("writeable") = false;
    return array;
}

/// Builds an index, or restores it from its parts, with the dense rows added to it.
PyIndex build(const GivenRows& rows, const std::optional<py::array>& row_scales, Loss loss,
              std::optional<std::pair<double, double>> class_weight, double intercept_scaling,
              bool center, bool check_finite, Method method, SketchType sketch, int n_threads,
              const std::optional<Parts>& parts, const std::optional<py::array>& added,
              const std::optional<py::function>& progress) {
    const IndexSettings settings =
        index_settings(loss, class_weight, intercept_scaling, center, check_finite, method, sketch);
    if (added && !parts) throw py::value_error("added rows need the parts of their index");
    return with_rows_view(rows, row_scales, "embeddings", [&]<Real T>(const RowsView<T>& first) {
        const RowsView<T> view = added ? followed_by(first, *added) : first;
        const auto given = parts ? views(*parts) : std::vector<IndexPart>();
        Work work;
        auto index = run(work, [&] {
            const OpenMpExecutor executor(n_threads, work.waiting());
            if (parts) return hold(Index<T>(view, settings, given));
            if (!progress) return hold(Index<T>(view, settings, executor, work.stop()));
            const ReportingExecutor reporting(executor, *progress, work);
            return hold(Index<T>(view, settings, reporting, work.stop()));
        });
        return PyIndex(rows, row_scales, parts, std::move(index));
    });
}

std::size_t n_rows(const PyIndex& self) {
    return self.visit([](const auto& held) { return held.index.n_rows(); });
}

std::size_t n_live(const PyIndex& self) {
    return self.visit([](const auto& held) { return held.index.n_live(); });
}

/// @param make  given an executor and a stop condition, returns the next index
template <Real T, class Make>
PyIndex changed(const PyIndex& self, const IndexOf<T>& held, int n_threads, Make&& make) {
    const auto work = [&](const OpenMpExecutor& executor, const StopCondition& stop) {
        return std::make_unique<IndexOf<T>>(IndexOf<T>{make(executor, stop), held.workspaces});
    };
    return self.followed_by(without_gil(n_threads, work));
}

PyIndex with_rows(const PyIndex& self, const GivenRows& rows, int n_threads) {
    return self.visit([&]<Real T>(const IndexOf<T>& held) {
        const auto view = as_rows_view<T>(rows, "rows");
        return changed(self, held, n_threads, [&](const auto& executor, const auto& stop) {
            return held.index.with_rows(view, executor, stop);
        });
    });
}

PyIndex without_rows(const PyIndex& self, const py::array_t<RowNumber>& rows, int n_threads) {
    const auto size = static_cast<std::size_t>(rows.size());
    const std::span removed(as_vector<RowNumber>(rows, size, "rows"), size);
    return self.visit([&](const auto& held) {
        return changed(self, held, n_threads, [&](const auto& executor, const auto& stop) {
            return held.index.without_rows(removed, executor, stop);
        });
    });
}

PyIndex refreshed(const PyIndex& self, int n_threads) {
    return self.visit([&](const auto& held) {
        return changed(self, held, n_threads, [&](const auto& executor, const auto& stop) {
            auto next = held.index;
            next.refresh(executor, stop);
            return next;
        });
    });
}

/// Bytes per part of the index.
py::dict memory_usage(const PyIndex& self) {
    const MemoryUsage usage =
        self.visit([](const auto& held) { return held.index.memory_usage(); });
    py::dict bytes;
    bytes["added"] = usage.added;
    bytes["live"] = usage.live;
    bytes["norms"] = usage.norms;
    bytes["mean"] = usage.mean;
    bytes["gaussian_model"] = usage.gaussian_model;
    bytes["sign_codes"] = usage.sign_codes;
    bytes["postings"] = usage.postings;
    bytes["sketch"] = usage.sketch;
    bytes["gram"] = usage.gram;
    return bytes;
}

/// What centring subtracts: zeros without it.
py::array_t<double> mean(const PyIndex& self) {
    return self.visit([](const auto& held) {
        py::array_t<double> values(static_cast<py::ssize_t>(held.index.n_features()));
        double* const out = values.mutable_data();
        std::fill_n(out, values.size(), 0.0);
        std::ranges::copy(held.index.mean(), out);
        return values;
    });
}

// The next three return memory of `self`, a PyIndex, without a copy.

/// A byte per row, 0 for removed ones; None if no row was removed.
py::object live(const py::object& self) {
    return self.cast<const PyIndex&>().visit([&](const auto& held) -> py::object {
        const std::uint8_t* const values = held.index.live();
        if (values == nullptr) return py::none();
        return borrowed(values, {held.index.n_rows()}, self);
    });
}

/// The rows that the index owns: an array, or values, columns and starts of sparse rows.
py::object added(const py::object& self) {
    return self.cast<const PyIndex&>().visit([&]<Real T>(const IndexOf<T>& held) -> py::object {
        const RowsView<T>& rows = held.index.rows();
        if (!rows.is_dense()) {
            return rows.sparse().with_following([&](const auto& view) -> py::object {
                static constexpr std::int64_t none[] = {0};
                return py::make_tuple(
                    borrowed(view.values, {view.entries}, self),
                    borrowed(view.columns, {view.entries}, self),
                    borrowed(view.rows == 0 ? none : view.starts, {view.rows + 1}, self));
            });
        }
        const std::size_t first = rows.first_part().rows;
        const std::size_t n = held.index.n_rows() - first;
        return borrowed(n == 0 ? nullptr : rows.row(first), {n, held.index.n_features()}, self);
    });
}

/// Bytes per part of what is known about the rows.
py::dict parts(const py::object& self) {
    return self.cast<const PyIndex&>().visit([&](const auto& held) {
        py::dict bytes;
        for (const IndexPart& part : held.index.parts()) {
            bytes[part.name] =
                borrowed(static_cast<const std::uint8_t*>(part.data), {part.bytes}, self);
        }
        return bytes;
    });
}

/// The best k rows of one search, which has all threads to itself.
template <Real T>
py::tuple best_rows(const IndexOf<T>& held, const Query<T>& query, std::size_t k,
                    const SearchSettings& settings, int n_threads, const StopCondition& stop) {
    return answered(Answer<T>(1, k, k), n_threads, stop,
                    [&](const Answer<T>& answer, const auto& executor, const StopCondition& until) {
                        const Index<T>& index = held.index;
                        const Loan<T> workspace(*held.workspaces, index, room_for(query, index, k));
                        answer.reports[0] =
                            index.search(query, k, settings, *workspace, answer.scores, answer.rows,
                                         executor, until);
                    });
}

/// Workspaces for searches of these vectors, one example each.
template <Real T>
Loan<T> workspaces_for(const IndexOf<T>& held, const DenseView<T>& vectors, std::size_t n_ranks) {
    const std::size_t n_entries = held.index.rows().is_dense() ? 0 : vectors.cols;
    return Loan<T>(*held.workspaces, held.index, Room{n_ranks, 1, n_entries}, vectors.rows);
}

// Searches return scores, row numbers and reports. `common` is what all queries share, or null.

/// One SVM per query: the best k rows of each.
py::tuple search(const PyIndex& self, const py::array& queries, std::size_t k,
                 const SearchSettings& settings, int n_threads, double timeout,
                 const QueryArrays* common) {
    return self.visit([&]<Real T>(const IndexOf<T>& held) {
        const Index<T>& index = held.index;
        const auto vectors = as_vectors(queries, index, "queries");
        Query<T> query = view_of(common, index);
        if (vectors.rows == 1) {
            query.positives = vectors;
            return best_rows(held, query, k, settings, n_threads, stop_after(timeout));
        }
        return answered(
            Answer<T>(vectors.rows, k, k), n_threads, stop_after(timeout),
            [&](const Answer<T>& answer, const auto& executor, const StopCondition& stop) {
                const Loan<T> workspaces = workspaces_for(held, vectors, k);
                index.search_batch(vectors, query, k, settings, workspaces.data(),
                                   workspaces.size(), answer.scores, answer.rows, answer.reports,
                                   executor, stop);
            });
    });
}

/// One SVM for all examples: the best k rows.
py::tuple search_shared(const PyIndex& self, const QueryArrays& examples, std::size_t k,
                        const SearchSettings& settings, int n_threads, double timeout) {
    return self.visit([&](const auto& held) {
        return best_rows(held, examples.view(held.index), k, settings, n_threads,
                         stop_after(timeout));
    });
}

/// One SVM per query: the scores of all rows, and no row numbers.
py::tuple decision_function(const PyIndex& self, const py::array& queries,
                            const SearchSettings& settings, int n_threads,
                            const QueryArrays* common) {
    return self.visit([&]<Real T>(const IndexOf<T>& held) {
        const Index<T>& index = held.index;
        const auto vectors = as_vectors(queries, index, "queries");
        Query<T> query = view_of(common, index);
        return answered(
            Answer<T>(vectors.rows, index.n_rows(), 0), n_threads, StopCondition{},
            [&](const Answer<T>& answer, const auto& executor, const StopCondition& stop) {
                const Loan<T> workspaces = workspaces_for(held, vectors, 0);
                if (vectors.rows == 1) {  // the search has all threads to itself
                    query.positives = vectors;
                    answer.reports[0] =
                        index.fit(query, settings, *workspaces, answer.scores, executor, stop);
                } else {
                    index.score_batch(vectors, query, settings, workspaces.data(),
                                      workspaces.size(), answer.scores, answer.reports, executor,
                                      stop);
                }
            });
    });
}

/// One SVM for all examples: weights, intercept, dual coefficients of rows and examples, reports.
py::tuple fit(const PyIndex& self, const QueryArrays& examples, const SearchSettings& settings,
              int n_threads) {
    return self.visit([&]<Real T>(const IndexOf<T>& held) -> py::tuple {
        const Index<T>& index = held.index;
        const Query<T> query = examples.view(index);
        const std::size_t n_examples = query.n_positives() + query.n_negatives();
        py::array_t<T> coef(static_cast<py::ssize_t>(index.n_features()));
        py::array_t<double> dual(static_cast<py::ssize_t>(index.n_rows()));
        py::array_t<double> example_dual(static_cast<py::ssize_t>(n_examples));
        T* const coef_out = coef.mutable_data();
        double* const dual_out = dual.mutable_data();
        double* const example_dual_out = example_dual.mutable_data();
        double intercept = 0.0;
        Reports reports(1);
        without_gil(n_threads, [&](const OpenMpExecutor& executor, const StopCondition& stop) {
            const Loan<T> workspace(*held.workspaces, index, room_for(query, index, 0));
            *reports.data() = index.fit(query, settings, *workspace, nullptr, executor, stop);
            std::copy_n(workspace->weights().coef.data(), index.n_features(), coef_out);
            std::copy_n(workspace->dual().data(), index.n_rows(), dual_out);
            std::copy_n(workspace->example_dual().data(), n_examples, example_dual_out);
            intercept = workspace->weights().intercept;
        });
        return py::make_tuple(coef, intercept, dual, example_dual, std::move(reports));
    });
}

}  // namespace

void bind_index(py::module_& module) {
    sealed_class<PyIndex>(module, "Index")
        .def(py::init(&build), py::arg("rows"), py::kw_only(), py::arg("row_scales"),
             py::arg("loss"), py::arg("class_weight"), py::arg("intercept_scaling"),
             py::arg("center"), py::arg("check_finite"), py::arg("method"), py::arg("sketch"),
             py::arg("n_threads"), py::arg("parts") = py::none(), py::arg("added") = py::none(),
             py::arg("progress") = py::none())
        .def_property_readonly("n_rows", &n_rows)
        .def_property_readonly("n_live", &n_live)
        .def("live", &live)
        .def("added", &added)
        .def("parts", &parts)
        .def("with_rows", &with_rows, py::arg("rows"), py::arg("n_threads"))
        .def("without_rows", &without_rows, py::arg("rows"), py::arg("n_threads"))
        .def("refreshed", &refreshed, py::arg("n_threads"))
        .def("memory_usage", &memory_usage)
        .def("mean", &mean)
        .def("search", &search, py::arg("queries"), py::arg("k"), py::arg("settings"),
             py::arg("n_threads"), py::arg("timeout"), py::arg("common"))
        .def("search_shared", &search_shared, py::arg("query"), py::arg("k"), py::arg("settings"),
             py::arg("n_threads"), py::arg("timeout"))
        .def("decision_function", &decision_function, py::arg("queries"), py::arg("settings"),
             py::arg("n_threads"), py::arg("common"))
        .def("fit", &fit, py::arg("query"), py::arg("settings"), py::arg("n_threads"));
}

}  // namespace exemplar_svm::python
