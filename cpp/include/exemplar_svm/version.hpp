#pragma once

// The only place that states the version: CMake and the Python package read it from here.
#define EXEMPLAR_SVM_VERSION "0.1.0"

namespace exemplar_svm {

/// The version, "major.minor.patch", of the linked library; EXEMPLAR_SVM_VERSION is that of the
/// headers. Before 1.0 both must have the same minor version.
const char* version() noexcept;

}  // namespace exemplar_svm
