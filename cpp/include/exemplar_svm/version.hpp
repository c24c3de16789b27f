#pragma once

// The one place where the version is written: CMake and the Python package both read it from here.
#define EXEMPLAR_SVM_VERSION "0.1.0"

namespace exemplar_svm {

/// The version of the library that a program is linked with, as EXEMPLAR_SVM_VERSION is that of the
/// headers it was compiled with: "major.minor.patch". Before 1.0 a program needs both to be of the
/// same minor version.
const char* version() noexcept;

}  // namespace exemplar_svm
