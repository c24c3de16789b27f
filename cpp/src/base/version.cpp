#include "exemplar_svm/version.hpp"

namespace exemplar_svm {

const char* version() noexcept { return EXEMPLAR_SVM_VERSION; }

}  // namespace exemplar_svm
