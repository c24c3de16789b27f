#pragma once

namespace exemplar_svm::bench {

/// Bytes per second at which threads read uncached memory: the best of a few readings of 256 MB,
/// measured on the first call. No scan of many rows can be faster.
double read_bound(int n_threads = 1);

}  // namespace exemplar_svm::bench
