#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "exemplar_svm/csr_view.hpp"
#include "exemplar_svm/matrix_view.hpp"
#include "exemplar_svm/narrow_view.hpp"
#include "exemplar_svm/rows_view.hpp"

namespace exemplar_svm::python {

namespace py = pybind11;

/// Calls `function(T{})` with the element type T of `array`: the one place where dtypes are
/// switched.
/// @throws TypeError for any other dtype; nothing is converted.
template <class Function>
decltype(auto) with_dtype(const py::array& array, const char* name, Function&& function) {
    if (py::isinstance<py::array_t<float>>(array)) return function(float{});
    if (py::isinstance<py::array_t<double>>(array)) return function(double{});
    throw py::type_error(std::string(name) + " has dtype " +
                         py::cast<std::string>(py::str(array.dtype())) +
                         ", but must be float32 or float64 in native byte order");
}

/// A two-dimensional array of elements of `item` bytes whose rows are contiguous.
struct Layout {
    const void* data;
    std::size_t rows, cols;
    std::ptrdiff_t stride;  // elements
};

/// numpy leaves the strides of axes with fewer than two entries arbitrary, so these are not
/// checked.
/// @throws ValueError for a layout that cannot be viewed
inline Layout layout_of(const py::array& array, std::size_t item_bytes, const char* name) {
    const auto refuse = [name](const char* problem) {
        throw py::value_error(std::string(name) + " " + problem);
    };
    if (array.ndim() != 2) refuse("must have two dimensions");
    if (reinterpret_cast<std::uintptr_t>(array.data()) % item_bytes != 0) {
        refuse("is not aligned to its element size");
    }
    const auto item = static_cast<py::ssize_t>(item_bytes);
    const bool empty = array.size() == 0;
    if (!empty && array.shape(1) > 1 && array.strides(1) != item) {
        refuse("must have contiguous rows");
    }
    py::ssize_t stride = array.shape(1);
    if (!empty && array.shape(0) > 1) {
        if (array.strides(0) % item != 0)
            refuse("has rows that are not aligned to its element size");
        stride = array.strides(0) / item;
    }
    return {array.data(), static_cast<std::size_t>(array.shape(0)),
            static_cast<std::size_t>(array.shape(1)), stride};
}

/// A view of a two-dimensional array of T whose rows are contiguous; never a copy.
/// @throws TypeError for another dtype, ValueError for a layout that cannot be viewed.
template <Real T>
DenseView<T> as_dense_view(const py::array& array, const char* name) {
    if (!py::isinstance<py::array_t<T>>(array)) {
        throw py::type_error(std::string(name) + " has dtype " +
                             py::cast<std::string>(py::str(array.dtype())) + ", but " +
                             py::cast<std::string>(py::str(py::dtype::of<T>())) + " is expected");
    }
    const Layout layout = layout_of(array, sizeof(T), name);
    return {static_cast<const T*>(layout.data), layout.rows, layout.cols, layout.stride};
}

/// The elements of a contiguous, aligned one-dimensional array of T with `size` entries.
template <class T>
const T* as_vector(const py::array& array, std::size_t size, const char* name) {
    if (!py::isinstance<py::array_t<T>>(array) || array.ndim() != 1 ||
        static_cast<std::size_t>(array.shape(0)) != size ||
        (size > 1 && array.strides(0) != static_cast<py::ssize_t>(sizeof(T))) ||
        reinterpret_cast<std::uintptr_t>(array.data()) % alignof(T) != 0) {
        throw py::value_error(std::string(name) + " must be a contiguous vector of " +
                              std::to_string(size) + " entries of dtype " +
                              py::cast<std::string>(py::str(py::dtype::of<T>())));
    }
    return static_cast<const T*>(array.data());
}

/// Calls `function(rows)` for a two-dimensional array of any dtype that rows may have: with a
/// RowsView<double> for float64, and a RowsView<float> for the others. Never copies. numpy has no
/// bfloat16; it is that of ml_dtypes.
/// @param scales  one float32 per row of int8
template <class Function>
decltype(auto) with_rows_view(const py::array& array, const std::optional<py::array>& scales,
                              const char* name, Function&& function) {
    const auto narrow = [&]<Narrow U>(U) {
        const Layout layout = layout_of(array, sizeof(U), name);
        return NarrowView<U>{static_cast<const U*>(layout.data), layout.rows, layout.cols,
                             layout.stride};
    };
    const py::dtype dtype = array.dtype();
    if (py::isinstance<py::array_t<std::int8_t>>(array)) {
        const auto codes = narrow(std::int8_t{});
        if (!scales) return function(RowsView<float>(codes));
        return function(
            RowsView<float>(ScaledView{codes.data, codes.rows, codes.cols, codes.stride,
                                       as_vector<float>(*scales, codes.rows, "row_scales")}));
    }
    if (scales) throw py::value_error("row_scales are for int8 rows");
    if (dtype.equal(py::dtype("float16"))) return function(RowsView<float>(narrow(float16{})));
    if (dtype.itemsize() == 2 && py::cast<std::string>(py::str(dtype)) == "bfloat16") {
        return function(RowsView<float>(narrow(bfloat16{})));
    }
    return with_dtype(array, name, [&]<class T>(T) -> decltype(auto) {
        return function(RowsView<T>(as_dense_view<T>(array, name)));
    });
}

/// The arrays of a scipy.sparse matrix in CSR form, kept alive.
struct CsrArrays {
    py::array data, indices, indptr;
    std::size_t n_features = 0;

    /// Calls `function(view)` for the type of the columns.
    /// @throws ValueError unless the arrays are contiguous and have elements of these types
    template <Real T, class Function>
    decltype(auto) with_view(Function&& function) const {
        if (py::isinstance<py::array_t<std::int32_t>>(indices)) {
            return function(view<T, std::int32_t>());
        }
        return function(view<T, std::int64_t>());
    }

  private:
    template <Real T, ColumnNumber I>
    CsrView<T, I> view() const {
        const auto entries = static_cast<std::size_t>(std::min(data.size(), indices.size()));
        const auto n_starts = static_cast<std::size_t>(std::max<py::ssize_t>(indptr.size(), 1));
        CsrView<T, I> view;
        view.values = as_vector<T>(data, static_cast<std::size_t>(data.size()), "data");
        view.columns = as_vector<I>(indices, static_cast<std::size_t>(indices.size()), "indices");
        view.starts = as_vector<I>(indptr, n_starts, "indptr");
        view.rows = n_starts - 1;
        view.cols = n_features;
        view.entries = entries;
        return view;
    }
};

/// Rows as Python gives them: a dense array or a sparse matrix.
using GivenRows = std::variant<CsrArrays, py::array>;

/// Rows of T, dense or sparse. Sparse rows are not checked here: see RowsView::checked.
/// @throws TypeError or ValueError for another dtype or a layout that cannot be viewed
template <Real T>
RowsView<T> as_rows_view(const GivenRows& rows, const char* name) {
    const auto* const sparse = std::get_if<CsrArrays>(&rows);
    if (!sparse) return as_dense_view<T>(std::get<py::array>(rows), name);
    return sparse->with_view<T>([](const auto& view) -> RowsView<T> { return view; });
}

/// The same for dense or sparse rows. Sparse rows are not checked here: see RowsView::checked.
template <class Function>
decltype(auto) with_rows_view(const GivenRows& rows, const std::optional<py::array>& scales,
                              const char* name, Function&& function) {
    const auto* const sparse = std::get_if<CsrArrays>(&rows);
    if (!sparse) {
        return with_rows_view(std::get<py::array>(rows), scales, name,
                              std::forward<Function>(function));
    }
    if (scales) throw py::value_error("row_scales are for int8 rows");
    return with_dtype(sparse->data, name, [&]<class T>(T) -> decltype(auto) {
        return function(as_rows_view<T>(rows, name));
    });
}

}  // namespace exemplar_svm::python
