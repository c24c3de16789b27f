#pragma once

// The translation units of single instruction sets include this file. It must bring in no inline
// code: the linker could keep the copy compiled for AVX-512 for everybody.
#include <cstddef>
#include <cstdint>

#include "exemplar_svm/narrow.hpp"

namespace exemplar_svm::kernels {

/// The partial sums of a product with a sparse row; some instruction sets have more.
inline constexpr std::size_t sparse_sums = 4;

/// The arithmetic of one instruction set for one element type. Pointers need no alignment beyond
/// that of their type. Nothing outside the n elements is read or written.
template <class T>
struct KernelTable {
    /// sum of a[j] * b[j]
    T (*dot)(const T* a, const T* b, std::size_t n) noexcept;

    /// sum of a[j] * b[j], computed in double precision
    double (*dot_wide)(const double* a, const T* b, std::size_t n) noexcept;

    /// a . b, a . c and b . c, into out.
    void (*dot_pair)(const T* a, const T* b, const T* c, std::size_t n, T* out) noexcept;

    /// y[j] += alpha * x[j]
    void (*axpy)(T alpha, const T* x, T* y, std::size_t n) noexcept;

    /// y[j] += alpha * x[j] + beta * z[j]
    void (*axpy_pair)(T alpha, const T* x, T beta, const T* z, T* y, std::size_t n) noexcept;

    /// y[j] += alpha * x[j], in double precision
    void (*axpy_wide)(double alpha, const T* x, double* y, std::size_t n) noexcept;

    /// y[j] += alpha[0] * x[0][j] + ... + alpha[3] * x[3][j]
    void (*axpy_four)(const T* alpha, const T* const* x, T* y, std::size_t n) noexcept;

    /// The same, in double precision
    void (*axpy_wide_four)(const double* alpha, const T* const* x, double* y,
                           std::size_t n) noexcept;

    /// out[i] = dot of row i with w. Several rows at a time share the loads of w; the bits of a
    /// result do not depend on the row's place.
    void (*dot_rows)(const T* rows, std::ptrdiff_t stride, std::size_t n_rows, const T* w,
                     std::size_t n, T* out) noexcept;

    /// dot_rows with two w in one reading of the rows, with the same bits.
    void (*dot_rows_two)(const T* rows, std::ptrdiff_t stride, std::size_t n_rows, const T* w0,
                         const T* w1, std::size_t n, T* out0, T* out1) noexcept;

    /// sum of values[j] * w[columns[j]], in T and in double precision
    T(*dot_sparse)
    (const T* values, const std::int32_t* columns, std::size_t n, const T* w) noexcept;
    double (*dot_sparse_wide)(const T* values, const std::int32_t* columns, std::size_t n,
                              const double* w) noexcept;

    /// Partial sums per row in dot_rows, for bounds on its rounding.
    std::size_t partial_sums;
};

/// The arithmetic on rows of one narrow type, widened as they are loaded. Every result has the bits
/// that KernelTable<T> gives for the rows as floats (widened again for double). `scale` and
/// `scales` are null for types without.
template <class T>
struct NarrowTable {
    /// out[j] = row[j]
    void (*widen)(const void* row, const float* scale, std::size_t n, T* out) noexcept;

    /// KernelTable<T>::dot of w with a row, and of a row with itself.
    T (*dot)(const void* row, const float* scale, const T* w, std::size_t n) noexcept;
    T (*squared_norm)(const void* row, const float* scale, std::size_t n) noexcept;

    /// KernelTable<T>::dot_rows and dot_rows_two. @param stride  in elements
    void (*dot_rows)(const void* rows, std::ptrdiff_t stride, const float* scales,
                     std::size_t n_rows, const T* w, std::size_t n, T* out) noexcept;
    void (*dot_rows_two)(const void* rows, std::ptrdiff_t stride, const float* scales,
                         std::size_t n_rows, const T* w0, const T* w1, std::size_t n, T* out0,
                         T* out1) noexcept;
};

/// For float16, bfloat16, int8, and int8 with scales.
template <class T>
struct NarrowTables {
    NarrowTable<T> of[4];
};

/// Rows per block of sign codes (model/sign_codes.hpp).
inline constexpr std::size_t signature_rows = 32;
/// Most bytes of a row per call of sum_nibbles: its sums then fit into 16 bits.
inline constexpr std::size_t signature_run = 256;

/// The codes of a row come in groups of this size (sketch.hpp).
inline constexpr std::size_t code_group = 16;

struct Kernels {
    KernelTable<float> f32;
    KernelTable<double> f64;

    /// Sums table entries over a block of signature_rows rows and at most signature_run bytes.
    /// codes[32 b ...] has the b-th byte of every row. tables[32 b ...] and tables[32 b + 16 ...]
    /// have 16 values of at most 127 for the low and the high four bits of that byte. out[t] is the
    /// sum over b of both entries for the row in lane 2 t, and out[16 + t] that for lane 2 t + 1.
    void (*sum_nibbles)(const std::uint8_t* codes, std::size_t n_bytes, const std::uint8_t* tables,
                        std::uint16_t* out) noexcept;

    /// out[i] = sum over j < n of codes[i * n + j] * w[j], exactly. n is a multiple of code_group,
    /// and 127 times the sum of |w[j]| is below 2^31, so no sum overflows.
    void (*dot_codes)(const std::int8_t* codes, std::size_t n_rows, const std::int16_t* w,
                      std::size_t n, std::int32_t* out) noexcept;

    NarrowTables<float> narrow_f32;
    NarrowTables<double> narrow_f64;
};

// Each is defined where the compiler can compile it: see architecture.hpp.
extern const Kernels baseline;
extern const Kernels avx2;
extern const Kernels avx512;
extern const Kernels neon;

}  // namespace exemplar_svm::kernels
