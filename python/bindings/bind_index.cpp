#include <pybind11/native_enum.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include "bindings.hpp"
#include "exemplar_svm/index.hpp"
#include "numpy_view.hpp"

namespace exemplar_svm::python {
namespace {

/// Workspaces that are not in use, so that a search need not allocate (and the kernel need not
/// clear) memory in proportion to the rows. Taking and giving back are single exchanges: threads
/// that search at the same time never wait for each other.
template <Real T>
class WorkspacePool {
  public:
    using Owned = std::unique_ptr<Workspace<T>>;

    ~WorkspacePool() {
        for (auto& slot : slots_) delete slot.load();
    }

    Owned take(const Index<T>& index, std::size_t max_ranks, std::size_t max_examples) {
        max_ranks = std::min(max_ranks, index.n_rows());
        for (auto& slot : slots_) {
            Owned found(slot.exchange(nullptr));
            if (found && found->max_ranks() >= max_ranks && found->max_examples() >= max_examples) {
                return found;
            }
        }
        return std::make_unique<Workspace<T>>(index, max_ranks, max_examples);
    }

    void give_back(Owned workspace) noexcept {
        for (auto& slot : slots_) {
            Workspace<T>* empty = nullptr;
            if (slot.compare_exchange_strong(empty, workspace.get())) {
                (void)workspace.release();
                return;
            }
        }
    }

  private:
    std::array<std::atomic<Workspace<T>*>, 8> slots_{};
};

template <Real T>
struct IndexOf {
    Index<T> index;
    WorkspacePool<T> workspaces;

    IndexOf(DenseView<T> rows, const IndexSettings& settings, ExecutorRef executor)
        : index(rows, settings, executor) {}
};

/// @param timeout  seconds; infinity: never
StopCondition stop_after(double timeout) {
    // What a clock counts in overflows after 292 years.
    const std::chrono::duration<double> seconds(timeout);
    return seconds < std::chrono::hours(24 * 365 * 100)
               ? StopCondition::after(std::chrono::duration_cast<std::chrono::nanoseconds>(seconds))
               : StopCondition{};
}

/// Reports of m searches. Python sees one array per field when it asks for them: making these takes
/// longer than a search of few rows.
class Reports {
  public:
    explicit Reports(std::size_t m) : reports_(m) {}

    SearchReport* data() noexcept { return reports_.data(); }
    SearchReport& operator[](std::size_t i) noexcept { return reports_[i]; }

    py::tuple arrays() const {
        const auto m = static_cast<py::ssize_t>(reports_.size());
        py::array_t<double> profile({m, py::ssize_t{5}});
        for (py::ssize_t i = 0; i < m; ++i) {
            const SearchProfile& p = reports_[static_cast<std::size_t>(i)].profile;
            const double parts[] = {p.choose, p.gather, p.solve, p.scan, p.verify};
            std::copy(std::begin(parts), std::end(parts), profile.mutable_data(i, 0));
        }
        return py::make_tuple(
            field<std::uint8_t>([](const SearchReport& r) { return r.status; }),
            field<std::int64_t>([](const SearchReport& r) { return r.epochs; }),
            field<std::int64_t>([](const SearchReport& r) { return r.n_support; }),
            field<double>([](const SearchReport& r) { return r.duality_gap; }),
            field<double>([](const SearchReport& r) { return r.score_error_bound; }),
            field<std::int64_t>([](const SearchReport& r) { return r.certified_k; }), profile);
    }

  private:
    template <class Element, class Get>
    py::array_t<Element> field(Get&& get) const {
        py::array_t<Element> values(static_cast<py::ssize_t>(reports_.size()));
        std::ranges::transform(reports_, values.mutable_data(), [&](const SearchReport& report) {
            return static_cast<Element>(get(report));
        });
        return values;
    }

    std::vector<SearchReport> reports_;
};

SearchSettings search_settings(double C, double prior, double tol, std::uint32_t max_iter,
                               std::size_t certify) {
    SearchSettings settings;
    settings.C = C;
    settings.prior = prior;
    settings.solver.tol = tol;
    settings.solver.max_epochs = max_iter;
    settings.certify = certify;
    require_valid(settings);
    return settings;
}

/// exemplar_svm.Index<float> or <double> over the memory of a numpy array, which it keeps alive.
class PyIndex {
  public:
    PyIndex(py::array rows, Loss loss, std::optional<std::pair<double, double>> class_weight,
            double intercept_scaling, bool center, bool check_finite, Method method,
            SketchType sketch, int n_threads)
        : rows_(std::move(rows)) {
        IndexSettings settings;
        settings.loss = loss;
        if (class_weight)
            settings.class_weight = {false, class_weight->first, class_weight->second};
        settings.intercept_scaling = intercept_scaling;
        settings.center = center;
        settings.check_finite = check_finite;
        settings.method = method;
        settings.sketch = sketch;
        with_dtype(rows_, "embeddings", [&]<class T>(T) {
            const auto view = as_dense_view<T>(rows_, "embeddings");
            without_gil(n_threads, [&](const OpenMpExecutor& executor) {
                index_ = std::make_unique<IndexOf<T>>(view, settings, executor);
            });
        });
    }

    /// Bytes per part of the index.
    py::dict memory_usage() const {
        const MemoryUsage usage =
            std::visit([](const auto& held) { return held->index.memory_usage(); }, index_);
        py::dict parts;
        parts["norms"] = usage.norms;
        parts["mean"] = usage.mean;
        parts["background"] = usage.background;
        parts["signatures"] = usage.signatures;
        parts["sketch"] = usage.sketch;
        parts["gram"] = usage.gram;
        return parts;
    }

    void refresh(int n_threads) {
        std::visit(
            [&](auto& held) {
                without_gil(n_threads,
                            [&](const OpenMpExecutor& executor) { held->index.refresh(executor); });
            },
            index_);
    }

    /// One SVM per query row.
    py::tuple search(const py::array& queries, std::size_t k, const SearchSettings& settings,
                     int n_threads, double timeout) const {
        return each_query(queries, settings, n_threads, stop_after(timeout), k);
    }

    /// One SVM for all positives.
    py::tuple search_shared(const py::array& positives, std::size_t k,
                            const SearchSettings& settings, int n_threads, double timeout) const {
        const StopCondition stop = stop_after(timeout);
        return std::visit(
            [&]<Real T>(const std::unique_ptr<IndexOf<T>>& held) -> py::tuple {
                const auto view = positives_view<T>(held->index, positives);
                py::array_t<T> scores({py::ssize_t{1}, static_cast<py::ssize_t>(k)});
                py::array_t<RowNumber> rows({py::ssize_t{1}, static_cast<py::ssize_t>(k)});
                Reports reports(1);
                auto workspace = held->workspaces.take(held->index, k, view.rows);
                T* const scores_out = scores.mutable_data();
                RowNumber* const rows_out = rows.mutable_data();
                without_gil(n_threads, [&](const OpenMpExecutor& executor) {
                    reports[0] = held->index.search_shared(view, k, settings, *workspace,
                                                           scores_out, rows_out, executor, stop);
                });
                held->workspaces.give_back(std::move(workspace));
                return py::make_tuple(scores, rows, std::move(reports));
            },
            index_);
    }

    /// The score of every row, for one SVM per query row.
    py::tuple decision_function(const py::array& queries, const SearchSettings& settings,
                                int n_threads) const {
        return each_query(queries, settings, n_threads, StopCondition{}, std::nullopt);
    }

    /// One SVM for all positives: coef, intercept, dual coefficients of rows and positives, report.
    py::tuple fit(const py::array& positives, const SearchSettings& settings, int n_threads) const {
        return std::visit(
            [&]<Real T>(const std::unique_ptr<IndexOf<T>>& held) -> py::tuple {
                const auto view = positives_view<T>(held->index, positives);
                auto workspace = held->workspaces.take(held->index, 0, view.rows);
                Reports reports(1);
                without_gil(n_threads, [&](const OpenMpExecutor& executor) {
                    reports[0] = held->index.fit(view, settings, *workspace,
                                                 workspace->scores.data(), executor);
                });
                const auto copy = [](const auto& values, std::size_t size) {
                    using Element = std::remove_cvref_t<decltype(values[0])>;
                    return py::array_t<Element>(static_cast<py::ssize_t>(size), values.data());
                };
                auto result = py::make_tuple(
                    copy(workspace->weights.coef, workspace->weights.coef.size()),
                    workspace->weights.intercept, copy(workspace->dual, workspace->dual.size()),
                    copy(workspace->example_dual, view.rows), std::move(reports));
                held->workspaces.give_back(std::move(workspace));
                return result;
            },
            index_);
    }

  private:
    template <Real T>
    static DenseView<T> positives_view(const Index<T>& index, const py::array& array) {
        const auto view = as_dense_view<T>(array, "queries");
        if (view.cols != index.n_features()) {
            throw py::value_error("queries has another number of features than the index");
        }
        return view;
    }

    /// The best k rows per query, or every row's score where no k is given.
    py::tuple each_query(const py::array& queries, const SearchSettings& settings, int n_threads,
                         const StopCondition& stop, std::optional<std::size_t> k) const {
        return std::visit(
            [&]<Real T>(const std::unique_ptr<IndexOf<T>>& held) -> py::tuple {
                const Index<T>& index = held->index;
                const auto view = positives_view<T>(index, queries);
                const auto m = static_cast<py::ssize_t>(view.rows);
                const std::size_t width = k ? *k : index.n_rows();
                py::array_t<T> scores({m, static_cast<py::ssize_t>(width)});
                py::array_t<RowNumber> rows({m, static_cast<py::ssize_t>(k ? width : 0)});
                Reports reports(view.rows);
                std::vector<std::unique_ptr<Workspace<T>>> workspaces;
                std::vector<Workspace<T>*> borrowed;
                for (std::size_t w = 0; w < std::min(max_batch, view.rows); ++w) {
                    workspaces.push_back(held->workspaces.take(index, k ? width : 0, 1));
                    borrowed.push_back(workspaces.back().get());
                }
                T* const scores_out = scores.mutable_data();
                RowNumber* const rows_out = rows.mutable_data();
                without_gil(n_threads, [&](const OpenMpExecutor& executor) {
                    if (view.rows == 1 && k) {  // the threads have one search to themselves
                        reports[0] = index.search_shared(view, *k, settings, *borrowed[0],
                                                         scores_out, rows_out, executor, stop);
                    } else if (view.rows == 1) {
                        reports[0] = index.fit(view, settings, *borrowed[0], scores_out, executor);
                    } else if (k) {
                        index.search_batch(view, *k, settings, borrowed.data(), borrowed.size(),
                                           scores_out, rows_out, reports.data(), executor, stop);
                    } else {
                        index.score_batch(view, {}, settings, borrowed.data(), borrowed.size(),
                                          scores_out, reports.data(), executor);
                    }
                });
                for (auto& workspace : workspaces) {
                    held->workspaces.give_back(std::move(workspace));
                }
                return py::make_tuple(scores, rows, std::move(reports));
            },
            index_);
    }

    py::array rows_;
    std::variant<std::unique_ptr<IndexOf<float>>, std::unique_ptr<IndexOf<double>>> index_;
};

}  // namespace

void bind_index(py::module_& module) {
    py::native_enum<Loss>(module, "Loss", "enum.Enum")
        .value("squared_hinge", Loss::squared_hinge)
        .value("hinge", Loss::hinge)
        .finalize();

    py::native_enum<Method>(module, "Method", "enum.Enum")
        .value("automatic", Method::automatic)
        .value("full", Method::full)
        .value("working_set", Method::working_set)
        .value("gram", Method::gram)
        .finalize();

    py::native_enum<SketchType>(module, "SketchType", "enum.Enum")
        .value("none", SketchType::none)
        .value("int8", SketchType::int8)
        .finalize();

    py::class_<SearchSettings>(module, "SearchSettings")
        .def(py::init(&search_settings), py::kw_only(), py::arg("C"), py::arg("prior"),
             py::arg("tol"), py::arg("max_iter"), py::arg("certify") = 0);

    py::class_<Reports>(module, "Reports").def("arrays", &Reports::arrays);

    py::class_<PyIndex>(module, "Index")
        .def(py::init<py::array, Loss, std::optional<std::pair<double, double>>, double, bool, bool,
                      Method, SketchType, int>(),
             py::arg("rows"), py::kw_only(), py::arg("loss"), py::arg("class_weight"),
             py::arg("intercept_scaling"), py::arg("center"), py::arg("check_finite"),
             py::arg("method"), py::arg("sketch"), py::arg("n_threads"))
        .def("memory_usage", &PyIndex::memory_usage)
        .def("refresh", &PyIndex::refresh, py::arg("n_threads"))
        .def("search", &PyIndex::search, py::arg("queries"), py::arg("k"), py::arg("settings"),
             py::arg("n_threads"), py::arg("timeout"))
        .def("search_shared", &PyIndex::search_shared, py::arg("positives"), py::arg("k"),
             py::arg("settings"), py::arg("n_threads"), py::arg("timeout"))
        .def("decision_function", &PyIndex::decision_function, py::arg("queries"),
             py::arg("settings"), py::arg("n_threads"))
        .def("fit", &PyIndex::fit, py::arg("positives"), py::arg("settings"), py::arg("n_threads"));
}

}  // namespace exemplar_svm::python
