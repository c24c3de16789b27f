#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

namespace exemplar_svm {

/// The loss of one sample with label y and score f(x).
enum class Loss : std::uint8_t {
    squared_hinge,  ///< max(0, 1 - y f(x))^2, LinearSVC's default
    hinge,          ///< max(0, 1 - y f(x)), the loss of Malisiewicz, Gupta, Efros, ICCV 2011
};

/// Factors on C for the positives and for the negatives.
struct ClassWeight {
    /// scikit-learn's "balanced": of N = n + p samples, a positive weighs N/(2p) and a negative
    /// N/(2n), so both classes weigh the same. `positive` and `negative` are ignored.
    bool balanced = true;
    double positive = 1.0;
    double negative = 1.0;
};

/// When the solver stops, and in what order it visits rows.
struct SolverSettings {
    /// Largest allowed violation of the optimality conditions, in units of the score: the maximal
    /// projected gradient of the dual.
    double tol = 1e-4;
    /// Largest allowed error bound of a score (certificate.hpp). The solver continues until it is
    /// proven, or until the arithmetic allows no better proof.
    double score_tol = std::numeric_limits<double>::infinity();
    /// Passes over the active rows before the solver gives up.
    std::uint32_t max_epochs = 1000;
    /// Seed of the generator that permutes the rows in every epoch.
    std::uint64_t seed = 0;
    /// Skip rows that are likely to stay at their bound (Hsieh et al. 2008, Algorithm 3). The
    /// result is verified over all rows either way.
    bool shrinking = true;
};

/// Settings that may differ from search to search on one index.
struct SearchSettings {
    double C = 0.1;
    /// Regularise toward prior * (mean of the positives) instead of toward zero.
    double prior = 0.0;
    /// Stop once this many leading ranks are proven, even short of the solver's goal; 0: always
    /// solve to the goal. Only rankings by working set use this setting.
    std::size_t certify = 0;
    /// Return scores in standard deviations from the mean score of the background, estimated on at
    /// most 2,048 of its rows, so that results of different searches can be merged. The ranking and
    /// the report stay the same; the report's bounds hold for scores before standardization. Only
    /// rankings use this setting.
    bool standardize = false;
    /// Searches prove scores to tol / 50 or better, whatever score_tol is.
    SolverSettings solver{};
};

/// What an index prepares for searches, which determines their Strategy. All methods give the same
/// answer. Searches with more than 32 examples always visit all rows.
enum class Method : std::uint8_t {
    automatic,    ///< chosen by the shape of the rows, C and the number of examples
    full,         ///< nothing: every search visits every row
    working_set,  ///< a model for guessing scores: searches prove that few rows suffice
    gram,         ///< the Gram matrix, which updates all scores; fit() visits every row
    primal,       ///< a Gaussian model of the rows: descent on the primal, for the squared hinge
                  ///< and 1,024 or more dense rows
};

/// What the scans of a working-set search read.
enum class SketchType : std::uint8_t {
    none,  ///< the rows
    int8,  ///< scalar quantisation with exact error bounds: a quarter of the bytes of float32
};

/// The settings of an exemplar SVM. The defaults are LinearSVC(C=0.1, class_weight="balanced").
struct IndexSettings {
    Loss loss = Loss::squared_hinge;
    ClassWeight class_weight{};
    /// Value s of the constant feature. Its (regularised) weight is the intercept divided by s.
    double intercept_scaling = 1.0;
    /// Act as if the mean of the rows were subtracted from rows and examples.
    bool center = false;
    /// Refuse rows that hold NaN or infinity.
    bool check_finite = true;
    Method method = Method::automatic;
    SketchType sketch = SketchType::none;  ///< int8 requires working_set or automatic
    SearchSettings search{};
};

/// Whether require_valid() would not throw.
bool is_valid(const SearchSettings& settings) noexcept;

/// @throws std::invalid_argument with a sentence that names the setting and its value
void require_valid(const SolverSettings& settings);
void require_valid(const SearchSettings& settings);
void require_valid(const IndexSettings& settings);

}  // namespace exemplar_svm
