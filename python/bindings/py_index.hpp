#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "exemplar_svm/index.hpp"
#include "interpreter.hpp"
#include "numpy_view.hpp"
#include "room.hpp"

namespace exemplar_svm::python {

namespace py = pybind11;

/// An index, and workspaces that it shares with the indices made from it.
template <Real T>
struct IndexOf {
    Index<T> index;
    std::shared_ptr<WorkspacePool<T>> workspaces = std::make_shared<WorkspacePool<T>>();
};

/// Parts of an index by name, as bytes.
using Parts = std::map<std::string, py::array>;

/// exemplar_svm.Index<float> or <double> over the memory of numpy arrays, which it keeps alive. It
/// never changes: adding and removing rows makes another one, which shares what stays the same.
class PyIndex {
  public:
    template <Real T>
    PyIndex(GivenRows rows, std::optional<py::array> row_scales, std::optional<Parts> parts,
            std::unique_ptr<IndexOf<T>> index)
        : rows_(std::move(rows)),
          row_scales_(std::move(row_scales)),
          parts_(std::move(parts)),
          index_(std::move(index)) {}
    PyIndex(PyIndex&&) = default;
    ~PyIndex() {
        free_without_gil(index_, [](const auto& held) { return held->index.n_rows(); });
    }

    /// Calls `function` with the IndexOf<float> or the IndexOf<double>.
    template <class Function>
    decltype(auto) visit(Function&& function) const {
        return std::visit([&](const auto& held) -> decltype(auto) { return function(*held); },
                          index_);
    }

    /// @throws std::bad_variant_access unless the rows are computed with in T
    template <Real T>
    const Index<T>& as() const {
        return std::get<std::unique_ptr<IndexOf<T>>>(index_)->index;
    }

    /// An index made from this one, over the same memory.
    template <Real T>
    PyIndex followed_by(std::unique_ptr<IndexOf<T>> next) const {
        return PyIndex(rows_, row_scales_, parts_, std::move(next));
    }

  private:
    GivenRows rows_;
    std::optional<py::array> row_scales_;
    std::optional<Parts> parts_;
    std::variant<std::unique_ptr<IndexOf<float>>, std::unique_ptr<IndexOf<double>>> index_;
};

}  // namespace exemplar_svm::python
