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

/// n rows of d features and at least 50 queries. Real ones from NxD-rows.npy and NxD-queries.npy,
/// which bench/cpp/export_rows.py writes, if the folder that EXEMPLAR_SVM_BENCH_ROWS names has
/// them; else synthetic ones, clustered as text embeddings are. Made once and kept.
/// @throws std::invalid_argument for files that hold something else
const Dataset& dataset(std::size_t n, std::size_t d);

}  // namespace exemplar_svm::bench
