#pragma once

#include <cstddef>
#include <vector>

#include "exemplar_svm/real.hpp"
#include "exemplar_svm/rows_view.hpp"
#include "exemplar_svm/stop_condition.hpp"

namespace exemplar_svm {

/// The most main directions of a background.
inline constexpr std::size_t gaussian_rank = 16;

/// What rows have in common: the mean and the main directions of variance of a sample of them,
/// spread evenly over the rows; of sparse rows, which hardly share directions, the mean alone. A
/// linear discriminant (Hariharan, Malik, Ramanan, ECCV 2012) made of these guesses which rows will
/// support an exemplar SVM, and how the objective is curved; nothing else depends on it.
template <Real T>
class GaussianModel {
  public:
    GaussianModel() = default;

    /// Reads the sample a few times over: of order n_sampled * cols * rank. @throws Stopped
    explicit GaussianModel(const RowsView<T>& rows, const StopCondition& stop = {});

    bool empty() const noexcept { return mean_.empty(); }
    const std::vector<T>& mean() const noexcept { return mean_; }
    std::size_t bytes() const noexcept;

    /// The trace of the covariance: the mean of ||x - mean||^2. 0 if nothing is known.
    double mean_square() const noexcept { return mean_square_; }

    /// Main directions, orthonormal but for those that are zero, and the parts of the trace along
    /// them; along any other direction it is other_variance(), on average.
    std::size_t rank() const noexcept { return variances_.size(); }
    const T* direction(std::size_t r) const noexcept {
        return directions_.data() + r * mean_.size();
    }
    double variance(std::size_t r) const noexcept { return variances_[r]; }
    double other_variance() const noexcept { return other_variance_; }

    /// About how many rows will support where each costs so much, if that is not nearly all of
    /// them.
    double expected_support(double cost) const noexcept;

    /// Gaussian approximation of the SVM's weights, up to a factor: (I + strength S)^-1 (x - mean),
    /// where S is the covariance in units of its trace. Of order cols * rank.
    ///
    /// @param x    cols values, replaced by the weights
    void suppress(double* x) const noexcept;

    /// visit(name, values) of each of the parts that a file keeps (index.hpp).
    template <class Self, class Visit>
    static void visit_parts(Self& self, Visit&& visit) {
        visit("background_mean", self.mean_);
        visit("background_directions", self.directions_);
        visit("background_variances", self.variances_);
        visit("background_other_variance", self.other_variance_);
        visit("background_mean_square", self.mean_square_);
    }

    /// @throws std::invalid_argument if the parts are not those of rows of so many features
    void require_valid(std::size_t n_features) const;

  private:
    bool is_finite() const noexcept;
    void measure(const RowsView<T>& rows, const StopCondition& stop);
    void measure_sparse(const RowsView<T>& rows, const StopCondition& stop);

    std::vector<T> mean_;
    std::vector<T> directions_;      // orthonormal, one per row
    std::vector<double> variances_;  // along them, as parts of the trace
    double other_variance_ = 0.0;    // along any other direction, on average
    double mean_square_ = 0.0;
};

}  // namespace exemplar_svm
