#pragma once

#include <stdexcept>
#include <string>

namespace exemplar_svm {

/// Throws std::invalid_argument with `sentence` unless `condition` holds.
/// For constructors only: everything that is called per search is noexcept and reports a status.
inline void require(bool condition, const char* sentence) {
    if (!condition) throw std::invalid_argument(sentence);
}

inline void require(bool condition, const std::string& sentence) {
    if (!condition) throw std::invalid_argument(sentence);
}

}  // namespace exemplar_svm
