#include "rows.hpp"

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>
#include <utility>

#include "exemplar_svm/error.hpp"

namespace exemplar_svm::bench {
namespace {

constexpr std::size_t n_queries = 60;

/// Cluster centres around a common mean, and rows of length 1 around the centres.
std::vector<float> clustered(std::size_t n, std::size_t d) {
    std::mt19937_64 random(42);
    std::normal_distribution<float> normal;
    const std::size_t n_clusters = n / 100 + 4;
    std::vector<float> centres(n_clusters * d);
    for (float& c : centres) c = 0.6f + normal(random);
    std::uniform_int_distribution<std::size_t> any_cluster(0, n_clusters - 1);
    std::vector<float> values(n * d);
    for (std::size_t i = 0; i < n; ++i) {
        const float* const centre = centres.data() + any_cluster(random) * d;
        float* const x = values.data() + i * d;
        float square = 0.0f;
        for (std::size_t c = 0; c < d; ++c) {
            x[c] = centre[c] + normal(random);
            square += x[c] * x[c];
        }
        for (std::size_t c = 0; c < d; ++c) x[c] /= std::sqrt(square);
    }
    return values;
}

}  // namespace

Dataset make_dataset(std::size_t n, std::size_t d) {
    Dataset made;
    const auto stride = static_cast<std::ptrdiff_t>(d);
    const char* const folder = std::getenv("EXEMPLAR_SVM_BENCH_ROWS");
    const std::string name = std::to_string(n) + "x" + std::to_string(d);
    const std::filesystem::path prefix = std::filesystem::path(folder ? folder : "") / name;
    if (folder != nullptr && std::filesystem::exists(prefix.string() + "-rows.npy")) {
        made.source = "real";
        made.rows_file_ = std::make_unique<MappedFile>(prefix.string() + "-rows.npy");
        made.queries_file_ = std::make_unique<MappedFile>(prefix.string() + "-queries.npy");
        made.rows = npy_rows(*made.rows_file_);
        made.queries = npy_rows(*made.queries_file_);
        require(made.rows.rows == n && made.rows.cols == d && made.queries.cols == d &&
                    made.queries.rows > 0,
                "the files of " + name + " hold other shapes");
    } else {
        made.source = "synthetic";
        made.values_ = clustered(n + n_queries, d);
        made.rows = {made.values_.data(), n, d, stride};
        made.queries = {made.values_.data() + n * d, n_queries, d, stride};
    }
    return made;
}

const Dataset& dataset(std::size_t n, std::size_t d) {
    static std::map<std::pair<std::size_t, std::size_t>, Dataset> made;
    const auto [place, is_new] = made.try_emplace({n, d});
    if (is_new) place->second = make_dataset(n, d);
    return place->second;
}

}  // namespace exemplar_svm::bench
