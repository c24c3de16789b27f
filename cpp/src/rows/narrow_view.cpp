#include "exemplar_svm/narrow_view.hpp"

#include "kernels/dispatch.hpp"
#include "kernels/prefetch.hpp"

namespace exemplar_svm {
namespace {

template <Real T, class Kind>
const kernels::NarrowTable<T>& table(Kind kind) noexcept {
    return kernels::active_narrow<T>().of[static_cast<std::size_t>(kind)];
}

}  // namespace

const void* NarrowRows::row(std::size_t i) const noexcept {
    return data_ + static_cast<std::ptrdiff_t>(i) * stride_ * element_bytes_;
}

const float* NarrowRows::scale(std::size_t i) const noexcept {
    return scales_ == nullptr ? nullptr : scales_ + i;
}

NarrowRows NarrowRows::from(std::size_t first) const noexcept {
    NarrowRows rest = *this;
    rest.data_ = static_cast<const std::byte*>(row(first));
    rest.scales_ = scale(first);
    return rest;
}

NarrowRows NarrowRows::from_column(std::size_t first) const noexcept {
    NarrowRows part = *this;
    part.data_ += first * element_bytes_;
    return part;
}

void NarrowRows::prefetch(std::size_t i, std::size_t n) const noexcept {
    exemplar_svm::prefetch(static_cast<const std::byte*>(row(i)), n * element_bytes_);
}

template <Real T>
void NarrowRows::copy(std::size_t i, std::size_t n, T* out) const noexcept {
    table<T>(kind_).widen(row(i), scale(i), n, out);
}

template <Real T>
T NarrowRows::dot(std::size_t i, const T* w, std::size_t n) const noexcept {
    return table<T>(kind_).dot(row(i), scale(i), w, n);
}

template <Real T>
T NarrowRows::squared_norm(std::size_t i, std::size_t n) const noexcept {
    return table<T>(kind_).squared_norm(row(i), scale(i), n);
}

template <Real T>
void NarrowRows::dot_rows(std::size_t begin, std::size_t end, const T* w, std::size_t n,
                          T* out) const noexcept {
    table<T>(kind_).dot_rows(row(begin), stride_, scale(begin), end - begin, w, n, out);
}

template <Real T>
void NarrowRows::dot_rows_two(std::size_t begin, std::size_t end, const T* w0, const T* w1,
                              std::size_t n, T* out0, T* out1) const noexcept {
    table<T>(kind_).dot_rows_two(row(begin), stride_, scale(begin), end - begin, w0, w1, n, out0,
                                 out1);
}

template void NarrowRows::copy(std::size_t, std::size_t, float*) const noexcept;
template void NarrowRows::copy(std::size_t, std::size_t, double*) const noexcept;
template float NarrowRows::dot(std::size_t, const float*, std::size_t) const noexcept;
template double NarrowRows::dot(std::size_t, const double*, std::size_t) const noexcept;
template float NarrowRows::squared_norm(std::size_t, std::size_t) const noexcept;
template double NarrowRows::squared_norm(std::size_t, std::size_t) const noexcept;
template void NarrowRows::dot_rows(std::size_t, std::size_t, const float*, std::size_t,
                                   float*) const noexcept;
template void NarrowRows::dot_rows(std::size_t, std::size_t, const double*, std::size_t,
                                   double*) const noexcept;
template void NarrowRows::dot_rows_two(std::size_t, std::size_t, const float*, const float*,
                                       std::size_t, float*, float*) const noexcept;
template void NarrowRows::dot_rows_two(std::size_t, std::size_t, const double*, const double*,
                                       std::size_t, double*, double*) const noexcept;

}  // namespace exemplar_svm
