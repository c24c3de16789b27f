#include "exemplar_svm/settings.hpp"

#include <cmath>
#include <sstream>

#include "exemplar_svm/error.hpp"

namespace exemplar_svm {
namespace {

void require_positive(double value, const char* name) {
    if (std::isfinite(value) && value > 0.0) return;
    std::ostringstream sentence;
    sentence << name << " is " << value << ", but must be positive and finite";
    require(false, sentence.str());
}

/// Whether products with costs, norms and other moderate values cannot overflow.
bool is_moderate(double value) noexcept { return value >= 1e-60 && value <= 1e60; }

void require_moderate(double value, const char* name) {
    require_positive(value, name);
    if (is_moderate(value)) return;
    std::ostringstream sentence;
    sentence << name << " is " << value << ", but must be between 1e-60 and 1e60";
    require(false, sentence.str());
}

}  // namespace

bool is_valid(const SearchSettings& settings) noexcept {
    const auto positive = [](double value) { return std::isfinite(value) && value > 0.0; };
    return is_moderate(settings.C) && std::isfinite(settings.prior) && settings.prior >= 0.0 &&
           positive(settings.solver.tol) && settings.solver.score_tol > 0.0 &&
           settings.solver.max_epochs > 0;
}

void require_valid(const SolverSettings& settings) {
    require_positive(settings.tol, "tol");
    require(settings.score_tol > 0.0, "score_tol must be positive");
    require(settings.max_epochs > 0, "max_epochs is 0, but must be positive");
}

void require_valid(const SearchSettings& settings) {
    require_moderate(settings.C, "C");
    if (!(std::isfinite(settings.prior) && settings.prior >= 0.0)) {
        std::ostringstream sentence;
        sentence << "prior is " << settings.prior << ", but must be zero or positive, and finite";
        require(false, sentence.str());
    }
    require_valid(settings.solver);
}

void require_valid(const IndexSettings& settings) {
    require_moderate(settings.intercept_scaling, "intercept_scaling");
    if (!settings.class_weight.balanced) {
        require_positive(settings.class_weight.positive, "class_weight of the positives");
        require_positive(settings.class_weight.negative, "class_weight of the negatives");
    }
    require_valid(settings.search);
}

}  // namespace exemplar_svm
