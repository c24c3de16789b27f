#include <pybind11/native_enum.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

#include "bindings.hpp"
#include "exemplar_svm/index.hpp"
#include "exemplar_svm/session.hpp"
#include "interpreter.hpp"
#include "numpy_view.hpp"
#include "reporting_executor.hpp"
#include "room.hpp"
#include "sealed.hpp"

namespace exemplar_svm::python {
namespace {

/// An index, and workspaces that it shares with those that are made of it.
template <Real T>
struct IndexOf {
    Index<T> index;
    std::shared_ptr<WorkspacePool<T>> workspaces = std::make_shared<WorkspacePool<T>>();
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

    /// How many ended neither because they had converged nor because of a timeout.
    std::size_t n_unfinished() const {
        return static_cast<std::size_t>(
            std::ranges::count_if(reports_, [](const SearchReport& report) {
                return report.status != SearchStatus::converged &&
                       report.status != SearchStatus::deadline;
            }));
    }

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
            field<std::int64_t>([](const SearchReport& r) { return r.certified_k; }), profile,
            field<std::uint8_t>([](const SearchReport& r) { return r.reason; }));
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

/// What a Query borrows, as numpy arrays: vectors have the dtype of the rows, masks a byte per row.
struct QueryArrays {
    py::array positives, negatives;
    py::array_t<RowNumber> positive_rows, negative_rows;
    py::array_t<double> positive_weights, negative_weights;  // empty: one
    std::optional<py::array_t<std::uint8_t>> candidates, background;
    bool include_positives;
    bool ignore_duplicates;

    /// @throws if the arrays are not those of an index like this one
    template <Real T>
    Query<T> view(const Index<T>& index) const {
        Query<T> query;
        query.positives = vectors(index, positives, "positives");
        query.negatives = vectors(index, negatives, "negatives");
        query.positive_rows = span(positive_rows);
        query.negative_rows = span(negative_rows);
        query.positive_weights = span(positive_weights);
        query.negative_weights = span(negative_weights);
        query.candidates = mask(index, candidates);
        query.background = mask(index, background);
        query.include_positives = include_positives;
        query.duplicates = ignore_duplicates ? Duplicates::ignore : Duplicates::negative;
        return query;
    }

    template <Real T>
    static DenseView<T> vectors(const Index<T>& index, const py::array& array, const char* name) {
        const auto view = as_dense_view<T>(array, name);
        if (view.cols != index.n_features()) {
            throw py::value_error(std::string(name) +
                                  " has another number of features than the index");
        }
        return view;
    }

  private:
    template <class Element>
    static std::span<const Element> span(const py::array_t<Element>& array) {
        if (array.ndim() != 1 || (array.size() > 1 && array.strides(0) != array.itemsize())) {
            throw py::value_error("a list of examples is not a contiguous array");
        }
        return {array.data(), static_cast<std::size_t>(array.size())};
    }

    template <Real T>
    static const std::uint8_t* mask(const Index<T>& index,
                                    const std::optional<py::array_t<std::uint8_t>>& array) {
        if (!array) return nullptr;
        const auto values = span(*array);
        if (values.size() != index.n_rows()) throw py::value_error("a mask is not one of the rows");
        return values.data();
    }
};

/// Parts of an index by name, as bytes.
using Parts = std::map<std::string, py::array>;

/// Memory that an object of Python keeps alive, as an array that cannot be written.
template <class Element>
py::array_t<Element> borrowed_array(std::vector<py::ssize_t> shape, const Element* values,
                                    const py::object& owner) {
    py::array_t<Element> array(std::move(shape), values, owner);
    array.attr("flags").attr("writeable") = false;
    return array;
}

/// Frees what a variant of pointers holds. Returning much memory to the system takes long.
template <class Held, class CountRows>
void free_without_gil(Held& held, CountRows&& n_rows) {
    std::visit(
        [&](auto& pointer) {
            if (pointer == nullptr) return;
            without_gil_if(n_rows(pointer) > few_values, [&] { pointer.reset(); });
        },
        held);
}

/// exemplar_svm.Index<float> or <double> over the memory of numpy arrays, which it keeps alive. It
/// does not change: where rows come and go, another one is made, which shares what it can.
class PyIndex {
  public:
    PyIndex(GivenRows rows, std::optional<py::array> row_scales, Loss loss,
            std::optional<std::pair<double, double>> class_weight, double intercept_scaling,
            bool center, bool check_finite, Method method, SketchType sketch, int n_threads,
            std::optional<Parts> parts, std::optional<py::array> added,
            std::optional<py::function> progress)
        : rows_(std::move(rows)), row_scales_(std::move(row_scales)), parts_(std::move(parts)) {
        IndexSettings settings;
        settings.loss = loss;
        if (class_weight)
            settings.class_weight = {false, class_weight->first, class_weight->second};
        settings.intercept_scaling = intercept_scaling;
        settings.center = center;
        settings.check_finite = check_finite;
        settings.method = method;
        settings.sketch = sketch;
        if (added && !parts_) throw py::value_error("rows are added to an index that has parts");
        with_rows_view(rows_, row_scales_, "embeddings", [&]<Real T>(const RowsView<T>& view) {
            std::vector<IndexPart> given;
            RowsView<T> all = view;
            if (parts_) {
                given = views(*parts_);
                if (added) all = followed_by(view, *added);
            }
            Work work;
            run(work, [&] {
                const OpenMpExecutor executor(n_threads, work.waiting());
                if (parts_) {
                    index_ = hold(Index<T>(all, settings, given));
                } else if (progress) {
                    const ReportingExecutor reporting(executor, *progress, work);
                    index_ = hold(Index<T>(all, settings, reporting, work.stop()));
                } else {
                    index_ = hold(Index<T>(all, settings, executor, work.stop()));
                }
            });
        });
    }

    PyIndex(PyIndex&&) = default;
    ~PyIndex() {
        free_without_gil(index_, [](const auto& held) { return held->index.n_rows(); });
    }

    std::size_t n_rows() const {
        return std::visit([](const auto& held) { return held->index.n_rows(); }, index_);
    }
    std::size_t n_live() const {
        return std::visit([](const auto& held) { return held->index.n_live(); }, index_);
    }

    PyIndex with_rows(const GivenRows& rows, int n_threads) const {
        return changed(n_threads, [&]<Real T>(const Index<T>& index) {
            const auto view = as_rows_view<T>(rows, "rows");
            return [&index, view](const OpenMpExecutor& executor, const StopCondition& stop) {
                return index.with_rows(view, executor, stop);
            };
        });
    }

    PyIndex without_rows(const py::array_t<RowNumber>& rows, int n_threads) const {
        return changed(n_threads, [&]<Real T>(const Index<T>& index) {
            const std::span removed(
                as_vector<RowNumber>(rows, static_cast<std::size_t>(rows.size()), "rows"),
                static_cast<std::size_t>(rows.size()));
            return [&index, removed](const OpenMpExecutor& executor, const StopCondition& stop) {
                return index.without_rows(removed, executor, stop);
            };
        });
    }

    PyIndex refreshed(int n_threads) const {
        return changed(n_threads, [&]<Real T>(const Index<T>& index) {
            return [&index](const OpenMpExecutor& executor, const StopCondition& stop) {
                Index<T> next = index;
                next.refresh(executor, stop);
                return next;
            };
        });
    }

    /// What follows is not copied: it is the memory of `self`, a PyIndex.

    /// A byte per row, 0 for those that were removed; None if none was.
    static py::object live(const py::object& self) {
        return std::visit(
            [&](const auto& held) -> py::object {
                const std::uint8_t* const live = held->index.live();
                if (live == nullptr) return py::none();
                return borrowed_array({static_cast<py::ssize_t>(held->index.n_rows())}, live, self);
            },
            self.cast<const PyIndex&>().index_);
    }

    /// The rows that the index owns: an array, or of sparse ones their values, columns and starts.
    static py::object added(const py::object& self) {
        const auto& index = self.cast<const PyIndex&>();
        return std::visit(
            [&]<Real T>(const std::unique_ptr<IndexOf<T>>& held) -> py::object {
                if (!held->index.rows().is_dense()) {
                    return held->index.rows().sparse().with_following(
                        [&](const auto& view) -> py::object {
                            const auto n = static_cast<py::ssize_t>(view.entries);
                            const auto n_starts = static_cast<py::ssize_t>(view.rows + 1);
                            static constexpr std::int64_t none[] = {0};
                            return py::make_tuple(
                                borrowed_array({n}, view.values, self),
                                borrowed_array({n}, view.columns, self),
                                borrowed_array({n_starts}, view.rows == 0 ? none : view.starts,
                                               self));
                        });
                }
                const auto first = static_cast<py::ssize_t>(held->index.rows().first_part().rows);
                const auto n = static_cast<py::ssize_t>(held->index.n_rows()) - first;
                const T* const values =
                    n == 0 ? nullptr : held->index.rows().row(static_cast<std::size_t>(first));
                return borrowed_array({n, static_cast<py::ssize_t>(held->index.n_features())},
                                      values, self);
            },
            index.index_);
    }

    /// Bytes per part of what is known about the rows.
    static py::dict parts(const py::object& self) {
        return std::visit(
            [&](const auto& held) {
                py::dict parts;
                for (const IndexPart& part : held->index.parts()) {
                    parts[part.name] =
                        borrowed_array({static_cast<py::ssize_t>(part.bytes)},
                                       static_cast<const std::uint8_t*>(part.data), self);
                }
                return parts;
            },
            self.cast<const PyIndex&>().index_);
    }

    /// Bytes per part of the index.
    py::dict memory_usage() const {
        const MemoryUsage usage =
            std::visit([](const auto& held) { return held->index.memory_usage(); }, index_);
        py::dict parts;
        parts["added"] = usage.added;
        parts["live"] = usage.live;
        parts["norms"] = usage.norms;
        parts["mean"] = usage.mean;
        parts["gaussian_model"] = usage.gaussian_model;
        parts["sign_codes"] = usage.sign_codes;
        parts["postings"] = usage.postings;
        parts["sketch"] = usage.sketch;
        parts["gram"] = usage.gram;
        return parts;
    }

    /// What centring subtracts: zeros without it.
    py::array_t<double> mean() const {
        return std::visit(
            [](const auto& held) {
                py::array_t<double> values(static_cast<py::ssize_t>(held->index.n_features()));
                const std::span<const double> mean = held->index.mean();
                double* const out = values.mutable_data();
                std::fill_n(out, values.size(), 0.0);
                std::ranges::copy(mean, out);
                return values;
            },
            index_);
    }

    /// One SVM per query row. @param common  what the queries have in common, if anything
    py::tuple search(const py::array& queries, std::size_t k, const SearchSettings& settings,
                     int n_threads, double timeout, const QueryArrays* common) const {
        return each_query(queries, common, settings, n_threads, stop_after(timeout), k);
    }

    /// One SVM for all examples.
    py::tuple search_shared(const QueryArrays& asked, std::size_t k, const SearchSettings& settings,
                            int n_threads, double timeout) const {
        const StopCondition given = stop_after(timeout);
        return std::visit(
            [&]<Real T>(const std::unique_ptr<IndexOf<T>>& held) -> py::tuple {
                const Query<T> query = asked.view(held->index);
                py::array_t<T> scores({py::ssize_t{1}, static_cast<py::ssize_t>(k)});
                py::array_t<RowNumber> rows({py::ssize_t{1}, static_cast<py::ssize_t>(k)});
                Reports reports(1);
                T* const scores_out = scores.mutable_data();
                RowNumber* const rows_out = rows.mutable_data();
                const auto work = [&](const OpenMpExecutor& executor, const StopCondition& stop) {
                    auto workspace = held->workspaces->take_for(query, held->index, k);
                    reports[0] = held->index.search(query, k, settings, *workspace, scores_out,
                                                    rows_out, executor, stop);
                    held->workspaces->give_back(std::move(workspace));
                };
                without_gil(n_threads, work, given);
                return py::make_tuple(scores, rows, std::move(reports));
            },
            index_);
    }

    /// The score of every row, for one SVM per query row.
    py::tuple decision_function(const py::array& queries, const SearchSettings& settings,
                                int n_threads, const QueryArrays* common) const {
        return each_query(queries, common, settings, n_threads, StopCondition{}, std::nullopt);
    }

    /// One SVM for all examples: coef, intercept, dual coefficients of rows and examples, report.
    py::tuple fit(const QueryArrays& asked, const SearchSettings& settings, int n_threads) const {
        return std::visit(
            [&]<Real T>(const std::unique_ptr<IndexOf<T>>& held) -> py::tuple {
                const Query<T> query = asked.view(held->index);
                const std::size_t n_examples = query.n_positives() + query.n_negatives();
                py::array_t<T> coef(static_cast<py::ssize_t>(held->index.n_features()));
                py::array_t<double> dual(static_cast<py::ssize_t>(held->index.n_rows()));
                py::array_t<double> example_dual(static_cast<py::ssize_t>(n_examples));
                double intercept = 0.0;
                Reports reports(1);
                T* const coef_out = coef.mutable_data();
                double* const dual_out = dual.mutable_data();
                double* const example_dual_out = example_dual.mutable_data();
                without_gil(n_threads, [&](const OpenMpExecutor& executor,
                                           const StopCondition& stop) {
                    auto workspace = held->workspaces->take_for(query, held->index, 0);
                    reports[0] = held->index.fit(query, settings, *workspace,
                                                 workspace->scores.data(), executor, stop);
                    std::copy_n(workspace->weights.coef.data(), held->index.n_features(), coef_out);
                    std::copy_n(workspace->dual.data(), held->index.n_rows(), dual_out);
                    std::copy_n(workspace->example_dual.data(), n_examples, example_dual_out);
                    intercept = workspace->weights.intercept;
                    held->workspaces->give_back(std::move(workspace));
                });
                return py::make_tuple(coef, intercept, dual, example_dual, std::move(reports));
            },
            index_);
    }

  private:
    template <Real T>
    static RowsView<T> followed_by(const RowsView<T>& first, const py::array& added) {
        const auto behind = as_dense_view<T>(added, "added");
        if (!first.is_dense()) {
            throw py::value_error("added is dense, but embeddings has sparse rows");
        }
        if (behind.cols != first.cols) {
            throw py::value_error("added has another number of features than embeddings");
        }
        return first.followed_by(behind);
    }

    template <Real T>
    static std::unique_ptr<IndexOf<T>> hold(Index<T> index) {
        return std::make_unique<IndexOf<T>>(IndexOf<T>{std::move(index)});
    }

    static std::vector<IndexPart> views(const Parts& parts) {
        std::vector<IndexPart> views;
        for (const auto& [name, values] : parts) {
            const auto size = static_cast<std::size_t>(values.size());
            views.push_back(
                {name.c_str(), as_vector<std::uint8_t>(values, size, name.c_str()), size});
        }
        return views;
    }

    /// @param prepare  given the index, returns a function of an executor that makes another one
    template <class Prepare>
    PyIndex changed(int n_threads, Prepare&& prepare) const {
        return std::visit(
            [&]<Real T>(const std::unique_ptr<IndexOf<T>>& held) {
                const auto make = prepare(held->index);
                const auto work = [&](const OpenMpExecutor& executor, const StopCondition& stop) {
                    return std::make_unique<IndexOf<T>>(
                        IndexOf<T>{make(executor, stop), held->workspaces});
                };
                auto next = without_gil(n_threads, work);
                return PyIndex(rows_, row_scales_, parts_, std::move(next));
            },
            index_);
    }

    template <Real T>
    PyIndex(GivenRows rows, std::optional<py::array> row_scales, std::optional<Parts> parts,
            std::unique_ptr<IndexOf<T>> index)
        : rows_(std::move(rows)),
          row_scales_(std::move(row_scales)),
          parts_(std::move(parts)),
          index_(std::move(index)) {}

    /// The best k rows per query, or every row's score where no k is given.
    py::tuple each_query(const py::array& queries, const QueryArrays* asked,
                         const SearchSettings& settings, int n_threads, const StopCondition& given,
                         std::optional<std::size_t> k) const {
        return std::visit(
            [&]<Real T>(const std::unique_ptr<IndexOf<T>>& held) -> py::tuple {
                const Index<T>& index = held->index;
                const auto view = QueryArrays::vectors(index, queries, "queries");
                Query<T> common;
                if (asked != nullptr) common = asked->view(index);
                const auto m = static_cast<py::ssize_t>(view.rows);
                const std::size_t width = k ? *k : index.n_rows();
                py::array_t<T> scores({m, static_cast<py::ssize_t>(width)});
                py::array_t<RowNumber> rows({m, static_cast<py::ssize_t>(k ? width : 0)});
                Reports reports(view.rows);
                T* const scores_out = scores.mutable_data();
                RowNumber* const rows_out = rows.mutable_data();
                const auto work = [&](const OpenMpExecutor& executor, const StopCondition& stop) {
                    std::vector<std::unique_ptr<Workspace<T>>> workspaces;
                    std::vector<Workspace<T>*> borrowed;
                    for (std::size_t w = 0; w < std::min(max_batch, view.rows); ++w) {
                        workspaces.push_back(held->workspaces->take(
                            index, k ? width : 0, 1, index.rows().is_dense() ? 0 : view.cols));
                        borrowed.push_back(workspaces.back().get());
                    }
                    if (view.rows == 1) {  // the threads have one search to themselves
                        common.positives = view;
                        reports[0] = k ? index.search(common, *k, settings, *borrowed[0],
                                                      scores_out, rows_out, executor, stop)
                                       : index.fit(common, settings, *borrowed[0], scores_out,
                                                   executor, stop);
                    } else if (k) {
                        index.search_batch(view, common, *k, settings, borrowed.data(),
                                           borrowed.size(), scores_out, rows_out, reports.data(),
                                           executor, stop);
                    } else {
                        index.score_batch(view, common, settings, borrowed.data(), borrowed.size(),
                                          scores_out, reports.data(), executor, stop);
                    }
                    for (auto& workspace : workspaces) {
                        held->workspaces->give_back(std::move(workspace));
                    }
                };
                without_gil(n_threads, work, given);
                return py::make_tuple(scores, rows, std::move(reports));
            },
            index_);
    }

    friend class PySession;

    GivenRows rows_;
    std::optional<py::array> row_scales_;
    std::optional<Parts> parts_;
    std::variant<std::unique_ptr<IndexOf<float>>, std::unique_ptr<IndexOf<double>>> index_;
};

/// exemplar_svm.Session over a PyIndex, which Python keeps alive. Makes room where C++ refuses.
class PySession {
  public:
    ~PySession() {
        free_without_gil(session_, [](const auto& session) { return session->n_rows(); });
    }

    PySession(const PyIndex& index, SketchType sketch, int n_threads) {
        std::visit(
            [&]<Real T>(const std::unique_ptr<IndexOf<T>>& held) {
                without_gil(
                    n_threads, [&](const OpenMpExecutor& executor, const StopCondition& stop) {
                        session_ = std::make_unique<Session<T>>(
                            held->index, usual_ranks, usual_examples, sketch, executor, stop);
                    });
            },
            index.index_);
    }

    std::size_t n_positives() const {
        return std::visit([](const auto& session) { return session->n_positives(); }, session_);
    }
    std::size_t n_negatives() const {
        return std::visit([](const auto& session) { return session->n_negatives(); }, session_);
    }

    /// Goes on with what an index has become; Python keeps it alive.
    void follow(const PyIndex& index, int n_threads) {
        std::visit(
            [&]<Real T>(std::unique_ptr<Session<T>>& session) {
                const auto& held = std::get<std::unique_ptr<IndexOf<T>>>(index.index_);
                without_gil(n_threads,
                            [&](const OpenMpExecutor& executor, const StopCondition& stop) {
                                const Changing changing(is_changing_);
                                session->follow(held->index, executor, stop);
                            });
            },
            session_);
    }

    /// Goes on in a forked child whose parent was using the session in another thread: the next
    /// search solves afresh.
    /// @throws RuntimeError if the other thread was in the middle of changing it
    void recover(const PyIndex& index, int n_threads) {
        if (is_changing_.load()) {
            throw std::runtime_error(
                "the session was being changed by another thread when this process was forked: "
                "begin another one, index.session(...)");
        }
        follow(index, n_threads);
        std::visit(
            [&](auto& session) {
                without_gil(n_threads,
                            [&](const OpenMpExecutor& executor, const StopCondition& stop) {
                                session->renew(executor, stop);
                            });
            },
            session_);
    }

    /// Row numbers of examples.
    py::array_t<RowNumber> rows() const {
        return std::visit(
            [](const auto& session) {
                const auto positives = session->positive_rows();
                const auto negatives = session->negative_rows();
                py::array_t<RowNumber> rows(
                    static_cast<py::ssize_t>(positives.size() + negatives.size()));
                RowNumber* const out = rows.mutable_data();
                std::ranges::copy(negatives, std::ranges::copy(positives, out).out);
                return rows;
            },
            session_);
    }

    void add_row(RowNumber row, bool positive, double weight) {
        std::visit(
            [&](auto& session) {
                make_room_for_one(*session);
                taken(positive ? session->like(row, weight) : session->dislike(row, weight));
            },
            session_);
    }

    void add_vector(const py::array& vector, bool positive, double weight) {
        with_vector(vector, [&](auto& session, auto values) {
            make_room_for_one(session);
            taken(positive ? session.like(values, weight) : session.dislike(values, weight));
        });
    }

    bool forget_row(RowNumber row) {
        return std::visit([&](auto& session) { return session->forget(row); }, session_);
    }

    bool forget_vector(const py::array& vector) {
        bool found = false;
        with_vector(vector, [&](auto& session, auto values) { found = session.forget(values); });
        return found;
    }

    /// @param common  masks, if there are any
    py::tuple search(const PyIndex& index, std::size_t k, const SearchSettings& settings,
                     int n_threads, double timeout, const QueryArrays* common) {
        const StopCondition given = stop_after(timeout);
        return std::visit(
            [&]<Real T>(std::unique_ptr<Session<T>>& session) -> py::tuple {
                const auto& held = std::get<std::unique_ptr<IndexOf<T>>>(index.index_);
                Query<T> query;
                if (common != nullptr) query = common->view(held->index);
                py::array_t<T> scores({py::ssize_t{1}, static_cast<py::ssize_t>(k)});
                py::array_t<RowNumber> rows({py::ssize_t{1}, static_cast<py::ssize_t>(k)});
                Reports reports(1);
                T* const scores_out = scores.mutable_data();
                RowNumber* const rows_out = rows.mutable_data();
                const auto work = [&](const OpenMpExecutor& executor, const StopCondition& stop) {
                    {
                        const Changing changing(is_changing_);
                        make_room(*session, std::min(k, held->index.n_rows()), 0);
                    }
                    reports[0] =
                        session->search(query, k, settings, scores_out, rows_out, executor, stop);
                };
                without_gil(n_threads, work, given);
                return py::make_tuple(scores, rows, std::move(reports));
            },
            session_);
    }

  private:
    static constexpr std::size_t usual_ranks = 128, usual_examples = 32;

    /// Whether another thread changes what the session owns: a process that forks then has half of
    /// it. A search writes into what is there, which any search may begin with.
    class Changing {
      public:
        explicit Changing(std::atomic<bool>& is_changing) noexcept : is_changing_(is_changing) {
            is_changing_.store(true);
        }
        ~Changing() { is_changing_.store(false); }
        Changing(const Changing&) = delete;
        Changing& operator=(const Changing&) = delete;

      private:
        std::atomic<bool>& is_changing_;
    };

    template <class Session>
    void make_room_for_one(Session& session) {
        without_gil_if(session.n_positives() + session.n_negatives() >= session.max_examples(),
                       [&] {
                           const Changing changing(is_changing_);
                           make_room(session, 0, 1);
                       });
    }

    static void taken(bool was_taken) {
        if (!was_taken) throw py::value_error("the session does not take this example");
    }

    template <class Function>
    void with_vector(const py::array& vector, Function&& function) {
        std::visit(
            [&]<Real T>(std::unique_ptr<Session<T>>& session) {
                const auto size = static_cast<std::size_t>(vector.size());
                const T* const values = as_vector<T>(vector, size, "an example");
                function(*session, std::span<const T>(values, size));
            },
            session_);
    }

    std::variant<std::unique_ptr<Session<float>>, std::unique_ptr<Session<double>>> session_;
    std::atomic<bool> is_changing_{false};
};

/// Whether the columns of every row ascend strictly.
/// @throws ValueError for rows that do not lie within the arrays
bool is_canonical_csr(const CsrArrays& rows, const char* name) {
    return with_dtype(rows.data, name, [&]<class T>(T) {
        return rows.with_view<T>([&](const auto& view) {
            return without_gil_if(view.entries > few_values,
                                  [&] { return exemplar_svm::is_canonical(view, name); });
        });
    });
}

}  // namespace

void bind_index(py::module_& module) {
    sealed_class<CsrArrays>(module, "CsrArrays")
        .def(py::init(
                 [](py::array data, py::array indices, py::array indptr, std::size_t n_features) {
                     return CsrArrays{std::move(data), std::move(indices), std::move(indptr),
                                      n_features};
                 }),
             py::kw_only(), py::arg("data"), py::arg("indices"), py::arg("indptr"),
             py::arg("n_features"));
    module.def("is_canonical_csr", &is_canonical_csr, py::arg("rows"), py::arg("name"));

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

    sealed_class<SearchSettings>(module, "SearchSettings")
        .def(py::init(&search_settings), py::kw_only(), py::arg("C"), py::arg("prior"),
             py::arg("tol"), py::arg("max_iter"), py::arg("certify") = 0,
             py::arg("standardize") = false);

    sealed_class<Reports>(module, "Reports")
        .def("n_unfinished", &Reports::n_unfinished)
        .def("arrays", &Reports::arrays);

    using Mask = std::optional<py::array_t<std::uint8_t>>;
    sealed_class<QueryArrays>(module, "Query")
        .def(py::init([](py::array positives, py::array_t<RowNumber> positive_rows,
                         py::array_t<double> positive_weights, py::array negatives,
                         py::array_t<RowNumber> negative_rows, py::array_t<double> negative_weights,
                         Mask candidates, Mask background, bool include_positives,
                         bool ignore_duplicates) {
                 return QueryArrays{std::move(positives),        std::move(negatives),
                                    std::move(positive_rows),    std::move(negative_rows),
                                    std::move(positive_weights), std::move(negative_weights),
                                    std::move(candidates),       std::move(background),
                                    include_positives,           ignore_duplicates};
             }),
             py::kw_only(), py::arg("positives"), py::arg("positive_rows"),
             py::arg("positive_weights"), py::arg("negatives"), py::arg("negative_rows"),
             py::arg("negative_weights"), py::arg("candidates"), py::arg("background"),
             py::arg("include_positives"), py::arg("ignore_duplicates"));

    sealed_class<PyIndex>(module, "Index")
        .def(py::init<GivenRows, std::optional<py::array>, Loss,
                      std::optional<std::pair<double, double>>, double, bool, bool, Method,
                      SketchType, int, std::optional<Parts>, std::optional<py::array>,
                      std::optional<py::function>>(),
             py::arg("rows"), py::kw_only(), py::arg("row_scales"), py::arg("loss"),
             py::arg("class_weight"), py::arg("intercept_scaling"), py::arg("center"),
             py::arg("check_finite"), py::arg("method"), py::arg("sketch"), py::arg("n_threads"),
             py::arg("parts") = py::none(), py::arg("added") = py::none(),
             py::arg("progress") = py::none())
        .def_property_readonly("n_rows", &PyIndex::n_rows)
        .def_property_readonly("n_live", &PyIndex::n_live)
        .def("live", &PyIndex::live)
        .def("added", &PyIndex::added)
        .def("parts", &PyIndex::parts)
        .def("with_rows", &PyIndex::with_rows, py::arg("rows"), py::arg("n_threads"))
        .def("without_rows", &PyIndex::without_rows, py::arg("rows"), py::arg("n_threads"))
        .def("refreshed", &PyIndex::refreshed, py::arg("n_threads"))
        .def("memory_usage", &PyIndex::memory_usage)
        .def("mean", &PyIndex::mean)
        .def("search", &PyIndex::search, py::arg("queries"), py::arg("k"), py::arg("settings"),
             py::arg("n_threads"), py::arg("timeout"), py::arg("common"))
        .def("search_shared", &PyIndex::search_shared, py::arg("query"), py::arg("k"),
             py::arg("settings"), py::arg("n_threads"), py::arg("timeout"))
        .def("decision_function", &PyIndex::decision_function, py::arg("queries"),
             py::arg("settings"), py::arg("n_threads"), py::arg("common"))
        .def("fit", &PyIndex::fit, py::arg("query"), py::arg("settings"), py::arg("n_threads"));

    sealed_class<PySession>(module, "Session")
        .def(py::init<const PyIndex&, SketchType, int>(), py::keep_alive<1, 2>(), py::arg("index"),
             py::kw_only(), py::arg("sketch"), py::arg("n_threads"))
        .def_property_readonly("n_positives", &PySession::n_positives)
        .def_property_readonly("n_negatives", &PySession::n_negatives)
        .def("rows", &PySession::rows)
        .def("follow", &PySession::follow, py::arg("index"), py::arg("n_threads"))
        .def("recover", &PySession::recover, py::arg("index"), py::arg("n_threads"))
        .def("add_row", &PySession::add_row, py::arg("row"), py::arg("positive"), py::arg("weight"))
        .def("add_vector", &PySession::add_vector, py::arg("vector"), py::arg("positive"),
             py::arg("weight"))
        .def("forget_row", &PySession::forget_row, py::arg("row"))
        .def("forget_vector", &PySession::forget_vector, py::arg("vector"))
        .def("search", &PySession::search, py::arg("index"), py::arg("k"), py::arg("settings"),
             py::arg("n_threads"), py::arg("timeout"), py::arg("common"));
}

}  // namespace exemplar_svm::python
