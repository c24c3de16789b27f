// What searches did: reports, and the words for what is in them.

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <vector>

#include "answer.hpp"
#include "bindings.hpp"
#include "sealed.hpp"

namespace exemplar_svm::python {
namespace {

/// The words for the values of an enumeration that counts from 0 to `last`.
template <class Enum>
std::vector<std::string> words(Enum last) {
    std::vector<std::string> words;
    for (int i = 0; i <= static_cast<int>(last); ++i) {
        words.emplace_back(to_string(static_cast<Enum>(i)));
    }
    return words;
}

}  // namespace

std::size_t Reports::n_unfinished() const {
    const auto n = std::ranges::count_if(reports_, [](const SearchReport& report) {
        return report.status != SearchStatus::converged && report.status != SearchStatus::deadline;
    });
    return static_cast<std::size_t>(n);
}

template <class Element, class Get>
py::array_t<Element> Reports::field(Get&& get) const {
    py::array_t<Element> values(static_cast<py::ssize_t>(reports_.size()));
    std::ranges::transform(reports_, values.mutable_data(), [&](const SearchReport& report) {
        return static_cast<Element>(get(report));
    });
    return values;
}

py::tuple Reports::arrays() const {
    using R = SearchReport;
    py::array_t<double> profile({static_cast<py::ssize_t>(reports_.size()), py::ssize_t{5}});
    double* out = profile.mutable_data();
    for (const R& report : reports_) {
        const SearchProfile& p = report.profile;
        for (const double part : {p.choose, p.gather, p.solve, p.scan, p.verify}) *out++ = part;
    }
    return py::make_tuple(field<std::uint8_t>([](const R& r) { return r.status; }),
                          field<std::uint8_t>([](const R& r) { return r.strategy; }),
                          field<std::int64_t>([](const R& r) { return r.epochs; }),
                          field<std::int64_t>([](const R& r) { return r.n_support; }),
                          field<double>([](const R& r) { return r.duality_gap; }),
                          field<double>([](const R& r) { return r.score_error_bound; }),
                          field<std::int64_t>([](const R& r) { return r.certified_k; }), profile,
                          field<std::uint8_t>([](const R& r) { return r.reason; }));
}

void bind_reports(py::module_& module) {
    module.attr("search_statuses") = words(SearchStatus::invalid_input);
    module.attr("search_strategies") = words(Strategy::primal);
    module.attr("invalid_input_reasons") = words(InvalidInput::rows_not_finite);
    sealed_class<Reports>(module, "Reports")
        .def("n_unfinished", &Reports::n_unfinished)
        .def("arrays", &Reports::arrays);
}

}  // namespace exemplar_svm::python
