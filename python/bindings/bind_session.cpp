// Sessions: searches whose examples come one after the other.

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>
#include <span>
#include <stdexcept>
#include <variant>

#include "answer.hpp"
#include "bindings.hpp"
#include "exemplar_svm/session.hpp"
#include "py_index.hpp"
#include "query_arrays.hpp"
#include "sealed.hpp"

namespace exemplar_svm::python {
namespace {

/// exemplar_svm.Session over a PyIndex, which Python keeps alive. It grows where the core's
/// session would refuse an example.
class PySession {
    template <class Function>
    auto visit(Function&& function) {
        return std::visit([&](auto& session) { return function(*session); }, session_);
    }

  public:
    PySession(const PyIndex& index, SketchType sketch, int n_threads) {
        index.visit([&]<Real T>(const IndexOf<T>& held) {
            without_gil(n_threads, [&](const auto& executor, const StopCondition& stop) {
                session_ = std::make_unique<Session<T>>(held.index, usual_ranks, usual_examples,
                                                        sketch, executor, stop);
            });
        });
    }
    ~PySession() {
        free_without_gil(session_, [](const auto& session) { return session->n_rows(); });
    }

    std::size_t n_positives() {
        return visit([](const auto& session) { return session.n_positives(); });
    }
    std::size_t n_negatives() {
        return visit([](const auto& session) { return session.n_negatives(); });
    }

    /// Goes on with what an index has become; Python keeps that alive.
    void follow(const PyIndex& index, int n_threads) {
        visit([&]<Real T>(Session<T>& session) {
            without_gil(n_threads, [&](const auto& executor, const StopCondition& stop) {
                const Changing changing(is_changing_);
                session.follow(index.as<T>(), executor, stop);
            });
        });
    }

    /// Goes on in a forked child whose parent was using the session in another thread: the next
    /// search solves afresh.
    /// @throws RuntimeError if the other thread was in the middle of changing it
    void recover(const PyIndex& index, int n_threads) {
        if (is_changing_.load()) {
            throw std::runtime_error(
                "another thread was changing the session when this process was forked: begin "
                "another session, index.session(...)");
        }
        follow(index, n_threads);
        visit([&](auto& session) {
            without_gil(n_threads, [&](const auto& executor, const StopCondition& stop) {
                session.renew(executor, stop);
            });
        });
    }

    /// Row numbers of examples.
    py::array_t<RowNumber> rows() {
        return visit([](const auto& session) {
            const auto positives = session.positive_rows();
            const auto negatives = session.negative_rows();
            py::array_t<RowNumber> rows(
                static_cast<py::ssize_t>(positives.size() + negatives.size()));
            std::ranges::copy(negatives, std::ranges::copy(positives, rows.mutable_data()).out);
            return rows;
        });
    }

    void add_row(RowNumber row, bool positive, double weight) {
        visit([&](auto& session) { add(session, row, positive, weight); });
    }

    void add_vector(const py::array& vector, bool positive, double weight) {
        visit([&]<Real T>(Session<T>& session) {
            add(session, values_of<T>(vector), positive, weight);
        });
    }

    bool forget_row(RowNumber row) {
        return visit([&](auto& session) { return session.forget(row); });
    }

    bool forget_vector(const py::array& vector) {
        return visit(
            [&]<Real T>(Session<T>& session) { return session.forget(values_of<T>(vector)); });
    }

    /// @param common  masks, or null
    py::tuple search(const PyIndex& index, std::size_t k, const SearchSettings& settings,
                     int n_threads, double timeout, const QueryArrays* common) {
        return visit([&]<Real T>(Session<T>& session) {
            const Query<T> query = view_of(common, index.as<T>());
            return answered(
                Answer<T>(1, k, k), n_threads, stop_after(timeout),
                [&](const Answer<T>& answer, const auto& executor, const StopCondition& stop) {
                    {
                        const Changing changing(is_changing_);
                        make_room(session, std::min(k, index.as<T>().n_rows()), 0);
                    }
                    answer.reports[0] = session.search(query, k, settings, answer.scores,
                                                       answer.rows, executor, stop);
                });
        });
    }

  private:
    static constexpr std::size_t usual_ranks = 128, usual_examples = 32;

    /// Marks that this thread changes what the session owns: a process that forks meanwhile gets
    /// half of the change. Searches need no mark: they begin with whatever the last one left.
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

    template <Real T>
    static std::span<const T> values_of(const py::array& vector) {
        const auto size = static_cast<std::size_t>(vector.size());
        return {as_vector<T>(vector, size, "an example"), size};
    }

    /// @param example  a row number, or a vector
    template <class Session, class Example>
    void add(Session& session, Example example, bool positive, double weight) {
        without_gil_if(session.n_positives() + session.n_negatives() >= session.max_examples(),
                       [&] {
                           const Changing changing(is_changing_);
                           make_room(session, 0, 1);
                       });
        if (!(positive ? session.like(example, weight) : session.dislike(example, weight))) {
            throw py::value_error("the session cannot take this example");
        }
    }

    std::variant<std::unique_ptr<Session<float>>, std::unique_ptr<Session<double>>> session_;
    std::atomic<bool> is_changing_{false};
};

}  // namespace

void bind_session(py::module_& module) {
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
