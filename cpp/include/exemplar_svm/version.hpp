#pragma once

// The one place where the version is written: CMake and the Python package both read it from here.
#define EXEMPLAR_SVM_VERSION "0.1.0"
