#include "solve/cholesky.hpp"

#include <cmath>
#include <cstddef>
#include <vector>

#include "catch.hpp"
#include "reference.hpp"
#include "threads_executor.hpp"

using namespace exemplar_svm;
using reference::Random;

namespace {

/// 1 + V'V for vectors V, of the given scale in every third coordinate.
struct Case {
    std::size_t order;
    std::vector<double> vectors, scratch;
    Cholesky factor;

    Case(std::size_t n_order, std::size_t n_vectors, double scale, Random& random)
        : order(n_order),
          vectors(random.normals<double>(n_vectors * n_order)),
          scratch(Cholesky::scratch_size(n_order)),
          factor(n_order, scratch.data()) {
        for (std::size_t v = 0; v < vectors.size(); ++v) {
            if (v % order % 3 == 0) vectors[v] *= scale;
        }
    }

    void form(ExecutorRef executor, double lowest) {
        factor.reset(order);
        for (std::size_t j = 0; j < order; ++j) {
            for (std::size_t c = j; c < order; ++c) factor.row(j)[c] = j == c ? 1.0 : 0.0;
        }
        factor.add(executor, vectors.data(), vectors.size() / order);
        factor.factorise(executor, lowest);
    }

    std::vector<double> product(const std::vector<double>& x) const {
        std::vector<double> result = x;
        for (std::size_t v = 0; v < vectors.size(); v += order) {
            double dot = 0.0;
            for (std::size_t c = 0; c < order; ++c) dot += vectors[v + c] * x[c];
            for (std::size_t c = 0; c < order; ++c) result[c] += dot * vectors[v + c];
        }
        return result;
    }
};

}  // namespace

TEST_CASE("a Cholesky factor inverts the matrix, whatever its order and the scales in it") {
    const double lowest = GENERATE(0.0, 1.0);
    Random random(1);
    for (const std::size_t order : {1u, 5u, 31u, 32u, 33u, 64u, 100u}) {
        for (const double scale : {1.0, 1e-4, 1e4}) {
            Case c(order, 40, scale, random);
            c.form(SerialExecutor{}, lowest);
            const std::vector<double> x = random.normals<double>(order);
            std::vector<double> found = c.product(x);
            c.factor.solve(found.data());
            CAPTURE(order, scale);
            CHECK(c.factor.order() == order);
            CHECK(reference::distance(found, x) < 1e-5);
        }
    }
}

TEST_CASE("the number of threads changes no bit of a Cholesky factor") {
    Random random(2);
    Case c(300, 400, 1.0, random);
    c.form(SerialExecutor{}, 1.0);
    const std::vector<double> serial = c.scratch;
    c.form(reference::ThreadsExecutor{3}, 1.0);
    CHECK(c.scratch == serial);
}

TEST_CASE("a singular matrix has a factor that is good in all other directions") {
    Random random(3);
    Case c(20, 4, 1.0, random);
    c.factor.reset(20);
    for (std::size_t j = 0; j < 20; ++j) {
        for (std::size_t k = j; k < 20; ++k) {
            c.factor.row(j)[k] = j == k ? 1e-30 : 0.0;  // next to nothing beside the vectors
        }
    }
    c.factor.add(SerialExecutor{}, c.vectors.data(), 4);
    c.factor.factorise(SerialExecutor{}, 0.0);
    std::vector<double> x(c.vectors.begin(), c.vectors.begin() + 20);
    c.factor.solve(x.data());
    for (const double value : x) CHECK(std::isfinite(value));
    const std::vector<double> back = c.product(x);  // with the identity, which hardly matters
    double along = 0.0;
    for (std::size_t k = 0; k < 20; ++k) along += (back[k] - x[k]) * c.vectors[k];
    CHECK(along ==
          Approx(reference::dot(std::vector<double>(c.vectors.begin(), c.vectors.begin() + 20),
                                std::vector<double>(c.vectors.begin(), c.vectors.begin() + 20)))
              .epsilon(1e-6));
}
