#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "catch.hpp"
#include "kernels/dispatch.hpp"
#include "reference.hpp"

using namespace exemplar_svm;
using reference::Random;

namespace {

/// n random values that end where their allocation ends and begin `offset` elements after it
/// begins, so that AddressSanitizer sees every access outside of them.
template <class T>
class Buffer {
  public:
    Buffer(std::size_t n, std::size_t offset, Random& random)
        : offset_(offset), size_(offset + n), values_(new T[offset + n]) {
        for (std::size_t j = 0; j < size_; ++j) values_[j] = static_cast<T>(random.normal());
    }

    T* data() const { return values_.get() + offset_; }
    std::vector<T> before() const { return {values_.get(), values_.get() + offset_}; }
    std::vector<T> copy() const { return {values_.get() + offset_, values_.get() + size_}; }

  private:
    std::size_t offset_, size_;
    std::unique_ptr<T[]> values_;
};

struct Exact {
    long double value = 0.0L;
    long double sum_of_magnitudes = 0.0L;
};

template <class T, class U>
Exact exact_dot(const T* a, const U* b, std::size_t n) {
    Exact exact;
    for (std::size_t j = 0; j < n; ++j) {
        const long double product = static_cast<long double>(a[j]) * static_cast<long double>(b[j]);
        exact.value += product;
        exact.sum_of_magnitudes += std::abs(product);
    }
    return exact;
}

/// n products and n - 1 additions, whatever their order, for the precision of `Result`.
template <class Result>
bool is_dot(Result computed, const Exact& exact, std::size_t n) {
    const long double bound = static_cast<long double>(std::numeric_limits<Result>::epsilon()) *
                              static_cast<long double>(n) * exact.sum_of_magnitudes;
    return std::abs(static_cast<long double>(computed) - exact.value) <= bound;
}

/// One product and one addition per element.
template <class Y, class X>
bool is_axpy(const std::vector<Y>& computed, Y alpha, const X* x, const std::vector<Y>& y) {
    for (std::size_t j = 0; j < y.size(); ++j) {
        const long double product =
            static_cast<long double>(alpha) * static_cast<long double>(x[j]);
        const long double exact = product + static_cast<long double>(y[j]);
        const long double bound = static_cast<long double>(std::numeric_limits<Y>::epsilon()) *
                                  (std::abs(product) + std::abs(exact));
        if (!(std::abs(static_cast<long double>(computed[j]) - exact) <= bound)) return false;
    }
    return true;
}

template <class T>
auto bits(T value) {
    return std::bit_cast<std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>>(value);
}

std::vector<std::size_t> lengths() {
    std::vector<std::size_t> all;
    for (std::size_t n = 0; n <= 67; ++n) all.push_back(n);
    all.insert(all.end(), {384, 385, 1536, 1551});
    return all;
}

template <Real T>
const kernels::KernelTable<T>& table(const kernels::Kernels& kernels) {
    if constexpr (std::is_same_v<T, float>) {
        return kernels.f32;
    } else {
        return kernels.f64;
    }
}

/// body(table, n) for every supported instruction set and every length.
template <Real T, class Body>
void for_all(Body body) {
    for (const Isa isa : all_isas) {
        if (!isa_supported(isa)) continue;
        for (const std::size_t n : lengths()) {
            INFO(isa_name(isa) << ", length " << n);
            body(table<T>(*kernels::find(isa)), n);
        }
    }
}

}  // namespace

TEMPLATE_TEST_CASE("dot is the sum of products", "", float, double) {
    using T = TestType;
    Random random(1);
    for_all<T>([&](const auto& kernels, std::size_t n) {
        for (std::size_t offset = 0; offset < 4; ++offset) {
            const Buffer<T> a(n, offset, random), b(n, 3 - offset, random);
            CHECK(is_dot(kernels.dot(a.data(), b.data(), n), exact_dot(a.data(), b.data(), n), n));
        }
    });
}

TEMPLATE_TEST_CASE("dot_wide is the sum of products in double precision", "", float, double) {
    using T = TestType;
    Random random(2);
    for_all<T>([&](const auto& kernels, std::size_t n) {
        for (std::size_t offset = 0; offset < 4; ++offset) {
            const Buffer<double> a(n, offset, random);
            const Buffer<T> b(n, 3 - offset, random);
            const double computed = kernels.dot_wide(a.data(), b.data(), n);
            CHECK(is_dot(computed, exact_dot(a.data(), b.data(), n), n));
        }
    });
}

TEMPLATE_TEST_CASE("axpy adds a multiple and touches nothing else", "", float, double) {
    using T = TestType;
    Random random(3);
    for_all<T>([&](const auto& kernels, std::size_t n) {
        for (std::size_t offset = 0; offset < 4; ++offset) {
            const Buffer<T> x(n, 3 - offset, random), y(n, offset, random);
            const auto y_before = y.copy(), before_y = y.before(), x_before = x.copy();
            const T alpha = static_cast<T>(random.normal());
            kernels.axpy(alpha, x.data(), y.data(), n);
            CHECK(is_axpy(y.copy(), alpha, x.data(), y_before));
            CHECK(y.before() == before_y);
            CHECK(x.copy() == x_before);
        }
    });
}

TEMPLATE_TEST_CASE("axpy_wide adds a multiple in double precision", "", float, double) {
    using T = TestType;
    Random random(4);
    for_all<T>([&](const auto& kernels, std::size_t n) {
        for (std::size_t offset = 0; offset < 4; ++offset) {
            const Buffer<T> x(n, 3 - offset, random);
            const Buffer<double> y(n, offset, random);
            const auto y_before = y.copy(), before_y = y.before();
            const double alpha = random.normal();
            kernels.axpy_wide(alpha, x.data(), y.data(), n);
            CHECK(is_axpy(y.copy(), alpha, x.data(), y_before));
            CHECK(y.before() == before_y);
        }
    });
}

TEMPLATE_TEST_CASE("dot_pair is three dots at once", "", float, double) {
    using T = TestType;
    Random random(6);
    for_all<T>([&](const auto& kernels, std::size_t n) {
        for (std::size_t offset = 0; offset < 4; ++offset) {
            const Buffer<T> a(n, offset, random), b(n, 3 - offset, random), c(n, 1, random);
            T out[3];
            kernels.dot_pair(a.data(), b.data(), c.data(), n, out);
            CHECK(is_dot(out[0], exact_dot(a.data(), b.data(), n), n));
            CHECK(is_dot(out[1], exact_dot(a.data(), c.data(), n), n));
            CHECK(is_dot(out[2], exact_dot(b.data(), c.data(), n), n));
        }
    });
}

TEMPLATE_TEST_CASE("axpy_pair and axpy_wide_four add several multiples", "", float, double) {
    using T = TestType;
    Random random(7);
    for_all<T>([&](const auto& kernels, std::size_t n) {
        // Two more roundings than one axpy has, per multiple.
        const auto is_close = [&](double computed, double exact, double size, double epsilon) {
            return std::abs(computed - exact) <= 4.0 * epsilon * size;
        };
        const Buffer<T> x0(n, 0, random), x1(n, 1, random), x2(n, 2, random), x3(n, 3, random);
        const T* const x[] = {x0.data(), x1.data(), x2.data(), x3.data()};
        const double alpha[] = {random.normal(), random.normal(), random.normal(), 0.0};

        const Buffer<T> y(n, 2, random);
        const auto y_before = y.copy(), before_y = y.before();
        const T a = static_cast<T>(alpha[0]), b = static_cast<T>(alpha[1]);
        kernels.axpy_pair(a, x[0], b, x[1], y.data(), n);
        const Buffer<double> wide(n, 1, random);
        const auto wide_before = wide.copy();
        kernels.axpy_wide_four(alpha, x, wide.data(), n);
        bool pair = true, four = true;
        for (std::size_t j = 0; j < n; ++j) {
            const double parts[] = {static_cast<double>(y_before[j]),
                                    static_cast<double>(a) * static_cast<double>(x[0][j]),
                                    static_cast<double>(b) * static_cast<double>(x[1][j])};
            pair =
                pair && is_close(static_cast<double>(y.data()[j]), parts[0] + parts[1] + parts[2],
                                 std::abs(parts[0]) + std::abs(parts[1]) + std::abs(parts[2]),
                                 static_cast<double>(std::numeric_limits<T>::epsilon()));
            double sum = wide_before[j], size = std::abs(sum);
            for (std::size_t r = 0; r < 4; ++r) {
                const double part = alpha[r] * static_cast<double>(x[r][j]);
                sum += part;
                size += std::abs(part);
            }
            four =
                four && is_close(wide.data()[j], sum, size, std::numeric_limits<double>::epsilon());
        }
        CHECK(pair);
        CHECK(four);
        CHECK(y.before() == before_y);
    });
}

TEMPLATE_TEST_CASE("axpy_four adds four multiples and touches nothing else", "", float, double) {
    using T = TestType;
    Random random(10);
    for_all<T>([&](const auto& kernels, std::size_t n) {
        const Buffer<T> x0(n, 0, random), x1(n, 1, random), x2(n, 2, random), x3(n, 3, random);
        const T* const x[] = {x0.data(), x1.data(), x2.data(), x3.data()};
        const auto alpha = random.normals<T>(4);
        const Buffer<T> y(n, 2, random);
        const auto y_before = y.copy(), before_y = y.before();
        kernels.axpy_four(alpha.data(), x, y.data(), n);
        bool close = true;
        for (std::size_t j = 0; j < n; ++j) {
            double sum = static_cast<double>(y_before[j]), size = std::abs(sum);
            for (std::size_t r = 0; r < 4; ++r) {
                const double part = static_cast<double>(alpha[r]) * static_cast<double>(x[r][j]);
                sum += part;
                size += std::abs(part);
            }
            close =
                close && std::abs(static_cast<double>(y.data()[j]) - sum) <=
                             4.0 * static_cast<double>(std::numeric_limits<T>::epsilon()) * size;
        }
        CHECK(close);
        CHECK(y.before() == before_y);
    });
}

TEMPLATE_TEST_CASE("dot_rows is the dot of every row, whose bits depend on that row alone", "",
                   float, double) {
    using T = TestType;
    Random random(5);
    for_all<T>([&](const auto& kernels, std::size_t n) {
        const auto cols = static_cast<std::ptrdiff_t>(n);
        const Buffer<T> w(n, 1, random);
        for (std::size_t n_rows = 0; n_rows < 10; ++n_rows) {
            for (const std::ptrdiff_t stride :
                 {cols, cols + 1, cols + 5, std::ptrdiff_t{0}, -cols, -cols - 3}) {
                // From the first to the last element of any row, and no further.
                const auto steps = static_cast<std::ptrdiff_t>(n_rows) - 1;
                const auto span = static_cast<std::size_t>(
                    std::max<std::ptrdiff_t>(n_rows == 0 ? 0 : std::abs(stride) * steps + cols, 0));
                const Buffer<T> rows(span, n_rows % 4, random);
                const T* first = rows.data() + (stride < 0 && steps > 0 ? -stride * steps : 0);
                const Buffer<T> out(n_rows, 0, random);
                kernels.dot_rows(first, stride, n_rows, w.data(), n, out.data());

                bool close = true, same_bits = true;
                for (std::size_t i = 0; i < n_rows; ++i) {
                    const T* row = first + static_cast<std::ptrdiff_t>(i) * stride;
                    T alone = T(0);
                    kernels.dot_rows(row, cols, 1, w.data(), n, &alone);
                    same_bits = same_bits && bits(alone) == bits(out.data()[i]);
                    close = close && is_dot(out.data()[i], exact_dot(row, w.data(), n), n);
                }
                CAPTURE(n_rows, stride);
                CHECK(close);
                CHECK(same_bits);
            }
        }
    });
}

TEMPLATE_TEST_CASE("dot_rows_two has the bits of dot_rows, twice", "", float, double) {
    using T = TestType;
    Random random(8);
    for_all<T>([&](const auto& kernels, std::size_t n) {
        const Buffer<T> w0(n, 1, random), w1(n, 2, random);
        for (const std::size_t n_rows : {0u, 1u, 2u, 3u, 4u, 5u, 9u}) {
            for (const std::size_t padding : {0u, 3u}) {
                const std::size_t span = n_rows == 0 ? 0 : n_rows * (n + padding) - padding;
                const auto stride = static_cast<std::ptrdiff_t>(n + padding);
                const Buffer<T> rows(span, n_rows % 4, random);
                const Buffer<T> out0(n_rows, 1, random), out1(n_rows, 2, random);
                const auto before0 = out0.before(), before1 = out1.before();
                kernels.dot_rows_two(rows.data(), stride, n_rows, w0.data(), w1.data(), n,
                                     out0.data(), out1.data());
                std::vector<T> alone0(n_rows), alone1(n_rows);
                kernels.dot_rows(rows.data(), stride, n_rows, w0.data(), n, alone0.data());
                kernels.dot_rows(rows.data(), stride, n_rows, w1.data(), n, alone1.data());
                CAPTURE(n_rows, padding);
                CHECK(out0.copy() == alone0);
                CHECK(out1.copy() == alone1);
                CHECK(out0.before() == before0);
                CHECK(out1.before() == before1);
            }
        }
    });
}

TEMPLATE_TEST_CASE("dot_sparse reads the columns of a row, and nothing else", "", float, double) {
    using T = TestType;
    Random random(11);
    for_all<T>([&](const auto& kernels, std::size_t n) {
        // Columns up to both ends of w, those between missing.
        const std::size_t d = 3 * n + 1;
        const Buffer<T> w(d, 1, random), values(n, 2, random);
        const Buffer<double> wide(d, 1, random);
        const std::unique_ptr<std::int32_t[]> columns(new std::int32_t[n]);
        std::vector<T> picked(n);
        std::vector<double> picked_wide(n);
        for (std::size_t j = 0; j < n; ++j) {
            const std::size_t c = j + 1 == n ? d - 1 : 3 * j;
            columns[j] = static_cast<std::int32_t>(c);
            picked[j] = w.data()[c];
            picked_wide[j] = wide.data()[c];
        }
        const T product = kernels.dot_sparse(values.data(), columns.get(), n, w.data());
        CHECK(is_dot(product, exact_dot(picked.data(), values.data(), n), n));
        const double precise =
            kernels.dot_sparse_wide(values.data(), columns.get(), n, wide.data());
        CHECK(is_dot(precise, exact_dot(picked_wide.data(), values.data(), n), n));
    });
}

TEST_CASE("sum_nibbles adds up the tables' entries of every row") {
    SplitMix64 bytes_of(9);
    constexpr std::size_t n_rows = kernels::signature_rows;
    for (const Isa isa : all_isas) {
        if (!isa_supported(isa)) continue;
        for (const std::size_t n_bytes : {std::size_t{0}, std::size_t{1}, std::size_t{2},
                                          std::size_t{48}, kernels::signature_run}) {
            for (const bool largest : {false, true}) {
                std::vector<std::uint8_t> codes(n_rows * n_bytes), tables(32 * n_bytes);
                for (auto& code : codes) code = static_cast<std::uint8_t>(bytes_of.next());
                for (auto& entry : tables) {
                    entry = largest ? 127 : static_cast<std::uint8_t>(bytes_of.next() % 128);
                }
                std::uint16_t sums[n_rows], expected[n_rows] = {};
                kernels::find(isa)->sum_nibbles(codes.data(), n_bytes, tables.data(), sums);
                for (std::size_t lane = 0; lane < n_rows; ++lane) {
                    const std::size_t place = lane / 2 + lane % 2 * (n_rows / 2);
                    for (std::size_t b = 0; b < n_bytes; ++b) {
                        const std::uint8_t code = codes[n_rows * b + lane];
                        expected[place] = static_cast<std::uint16_t>(
                            expected[place] + tables[32 * b + code % 16] +
                            tables[32 * b + 16 + code / 16]);
                    }
                }
                INFO(isa_name(isa) << ", " << n_bytes << " bytes");
                CHECK(std::equal(sums, sums + n_rows, expected));
            }
        }
    }
}

TEST_CASE("dot_codes is exact, and reads nothing else") {
    Random random(6);
    for (const Isa isa : all_isas) {
        if (!isa_supported(isa)) continue;
        const auto dot_codes = kernels::find(isa)->dot_codes;
        for (const std::size_t n : {0u, 16u, 32u, 48u, 384u, 1536u}) {
            for (const std::size_t n_rows : {0u, 1u, 2u, 3u, 4u, 5u, 7u, 8u, 13u, 301u}) {
                const Buffer<std::int8_t> codes(n_rows * n, n_rows % 5, random);
                const Buffer<std::int16_t> w(n, 3, random);
                const Buffer<std::int32_t> out(n_rows, 2, random);
                // Now and then the largest that are allowed, of one sign.
                const bool largest = n_rows % 2 == 1;
                const auto limit = static_cast<int>(std::min<std::size_t>(
                    32767, n == 0 ? 0 : ((std::size_t{1} << 31) - 1) / (127 * n)));
                for (std::size_t j = 0; j < n_rows * n; ++j) {
                    codes.data()[j] = static_cast<std::int8_t>(
                        largest ? -127 : static_cast<int>(random.below(255)) - 127);
                }
                for (std::size_t j = 0; j < n; ++j) {
                    const auto range = static_cast<std::size_t>(2 * limit + 1);
                    w.data()[j] = static_cast<std::int16_t>(
                        largest ? limit : static_cast<int>(random.below(range)) - limit);
                }
                const auto before = out.before();
                dot_codes(codes.data(), n_rows, w.data(), n, out.data());
                bool exact = true;
                for (std::size_t i = 0; i < n_rows; ++i) {
                    std::int64_t sum = 0;
                    for (std::size_t j = 0; j < n; ++j) {
                        sum += std::int64_t{codes.data()[i * n + j]} * w.data()[j];
                    }
                    exact = exact && sum == out.data()[i];
                }
                INFO(isa_name(isa) << ", " << n_rows << " rows of " << n);
                CHECK(exact);
                CHECK(out.before() == before);
            }
        }
    }
}

TEMPLATE_TEST_CASE("infinities and NaN come through", "", float, double) {
    using T = TestType;
    for_all<T>([&](const auto& kernels, std::size_t n) {
        if (n == 0) return;
        for (const std::size_t at : {std::size_t{0}, n / 2, n - 1}) {
            std::vector<T> a(n, T(1)), b(n, T(1));
            a[at] = std::numeric_limits<T>::infinity();
            CHECK(kernels.dot(a.data(), b.data(), n) == a[at]);
            b[at] = T(0);
            CHECK(std::isnan(kernels.dot(a.data(), b.data(), n)));
        }
    });
}
