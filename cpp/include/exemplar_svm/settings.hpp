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
    /// scikit-learn's "balanced": with N = n + p samples, a positive weighs N/(2p) and a negative
    /// N/(2n), so that both classes weigh the same. `positive` and `negative` are then not read.
    bool balanced = true;
    double positive = 1.0;
    double negative = 1.0;
};

/// When the solver stops, and in what order it visits.
struct SolverSettings {
    /// Largest allowed violation of the optimality conditions, in units of the score: the maximal
    /// projected gradient of the dual.
    double tol = 1e-4;
    /// The solver also goes on until every score is proven to be this close to its exact value
    /// (certificate.hpp), or until the arithmetic allows no more.
    double score_tol = std::numeric_limits<double>::infinity();
    /// Passes over the active rows before the solver gives up.
    std::uint32_t max_epochs = 1000;
    /// Of the generator that permutes the rows in every epoch.
    std::uint64_t seed = 0;
    /// Leave rows out of the next epochs that are likely to stay at their bound (Hsieh et al. 2008,
    /// Algorithm 3). The result is verified over all rows either way.
    bool shrinking = true;
};

/// What may differ from search to search on one index.
struct SearchSettings {
    double C = 0.1;
    /// Regularise toward prior * (mean of the positives) instead of toward zero.
    double prior = 0.0;
    /// Stop as soon as so many leading ranks are proven, if that is before the solver's own goal.
    /// 0: go on to the goal. Read by searches for the best rows with working sets.
    std::size_t certify = 0;
    /// Return scores in standard deviations from the mean score of the background, measured on at
    /// most 2,048 of its rows, so that the results of different searches can be merged. Never
    /// changes a ranking, nor the report, whose bounds are those of the scores before. Read by
    /// searches for the best rows.
    bool standardize = false;
    /// Scores are proven at least to tol / 50, whatever score_tol is.
    SolverSettings solver{};
};

/// What an index prepares, and with that the strategy of its searches (Strategy). All strategies
/// have the same answer. Searches with more than 32 examples are always done over all rows.
enum class Method : std::uint8_t {
    automatic,    ///< as suits the shape of the rows, C and the number of examples
    full,         ///< nothing: coordinate descent over all rows
    working_set,  ///< what guesses scores: coordinate descent over few rows
    gram,    ///< the Gram matrix, which keeps all scores up to date; models are fitted over all
             ///< rows
    primal,  ///< a Gaussian model of the rows: descent on the primal, for the squared hinge and
             ///< 1,024 or more dense rows
};

/// What the scans of a working-set search read.
enum class SketchType : std::uint8_t {
    none,  ///< the rows
    int8,  ///< eight bits per feature, with exact bounds on what they miss: a quarter of float32
};

/// The exemplar SVM itself. The defaults are those of the recipe:
/// LinearSVC(C=0.1, class_weight="balanced").
struct IndexSettings {
    Loss loss = Loss::squared_hinge;
    ClassWeight class_weight{};
    /// Value s of the constant feature whose weight is the (regularised) intercept divided by s.
    double intercept_scaling = 1.0;
    /// Work as if the mean of the rows had been subtracted from rows and positives.
    bool center = false;
    /// Refuse rows that hold NaN or infinity.
    bool check_finite = true;
    Method method = Method::automatic;
    SketchType sketch = SketchType::none;  ///< other than none only if searches use working sets
    SearchSettings search{};
};

/// What require_valid would say, for calls that must not throw.
bool is_valid(const SearchSettings& settings) noexcept;

/// @throws std::invalid_argument with a sentence that names the setting and its value
void require_valid(const SolverSettings& settings);
void require_valid(const SearchSettings& settings);
void require_valid(const IndexSettings& settings);

}  // namespace exemplar_svm
