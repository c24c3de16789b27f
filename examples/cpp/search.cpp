// Searches random rows for one of them.

#include <cstdio>
#include <exemplar_svm/index.hpp>
#include <random>
#include <vector>

namespace esvm = exemplar_svm;

int main() {
    constexpr std::size_t n_rows = 10'000, n_features = 128, k = 5;
    std::mt19937 random(0);
    std::normal_distribution<float> normal;
    std::vector<float> data(n_rows * n_features);
    for (float& value : data) value = normal(random);

    const esvm::DenseView<float> rows{data.data(), n_rows, n_features, n_features};
    const esvm::Index index(rows);                      // checks, may throw; borrows the rows
    esvm::Workspace workspace(index, /*max_ranks=*/k);  // every allocation happens here

    std::vector<float> scores(k);
    std::vector<esvm::RowNumber> found(k);
    const esvm::SearchReport report =
        index.search(rows.row(42), k, workspace, scores.data(), found.data());  // noexcept
    for (std::size_t rank = 0; rank < k; ++rank) {
        std::printf("%zu. row %lld  %.6f\n", rank + 1, static_cast<long long>(found[rank]),
                    static_cast<double>(scores[rank]));
    }
    std::printf("%zu ranks proven exact, every score within %.1e\n", report.certified_k,
                report.score_error_bound);
    return found[0] == 42 ? 0 : 1;
}
