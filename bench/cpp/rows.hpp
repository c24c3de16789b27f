#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "exemplar_svm/matrix_view.hpp"
#include "npy.hpp"

namespace exemplar_svm::bench {

/// Unit rows to search, and queries.
class Dataset {
  public:
    std::string source;  ///< "real" or "synthetic"
    DenseView<float> rows;
    DenseView<float> queries;

    std::size_t bytes() const noexcept { return rows.rows * rows.cols * sizeof(float); }

  private:
    friend Dataset make_dataset(std::size_t n, std::size_t d);

    std::vector<float> values_;  // of synthetic rows and queries
    std::unique_ptr<MappedFile> rows_file_, queries_file_;
};

/// n rows of d features and at least 50 queries, made once and kept. Real ones come from
/// NxD-rows.npy and NxD-queries.npy in the folder named by EXEMPLAR_SVM_BENCH_ROWS, where
/// bench/cpp/export_rows.py writes them. Otherwise they are synthetic, clustered like text
/// embeddings.
/// @throws std::invalid_argument for files with other contents
const Dataset& dataset(std::size_t n, std::size_t d);

}  // namespace exemplar_svm::bench
