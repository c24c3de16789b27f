#pragma once

#include <cstddef>
#include <vector>

#include "exemplar_svm/real.hpp"
#include "exemplar_svm/rows_view.hpp"
#include "exemplar_svm/stop_condition.hpp"

namespace exemplar_svm {

/// The number of main directions of a Gaussian model, at most.
inline constexpr std::size_t gaussian_rank = 16;

/// A Gaussian model of the rows: the mean and the main directions of variance of a sample, spread
/// evenly over the rows. For sparse rows, which hardly share directions, it is the mean alone. Its
/// linear discriminant (Hariharan, Malik, Ramanan, ECCV 2012) guesses which rows become support
/// vectors, and how the objective is curved. Nothing proven depends on it.
template <Real T>
class GaussianModel {
  public:
    GaussianModel() = default;

    /// Reads the sample a few times: n_sampled * cols * rank steps. @throws Stopped
    explicit GaussianModel(const RowsView<T>& rows, const StopCondition& stop = {});

    bool empty() const noexcept { return mean_.empty(); }
    const std::vector<T>& mean() const noexcept { return mean_; }
    std::size_t bytes() const noexcept;

    /// The trace of the covariance: the mean of ||x - mean||^2; 0 for an empty model.
    double mean_square() const noexcept { return mean_square_; }

    /// The main directions, orthonormal or zero, and the fraction of the trace along each;
    /// other_variance() is the average fraction along any other direction.
    std::size_t rank() const noexcept { return variances_.size(); }
    const T* direction(std::size_t r) const noexcept {
        return directions_.data() + r * mean_.size();
    }
    double variance(std::size_t r) const noexcept { return variances_[r]; }
    double other_variance() const noexcept { return other_variance_; }

    /// The expected number of support vectors at this cost per row, unless that is nearly all rows.
    double expected_support(double cost) const noexcept;

    /// Gaussian approximation of the SVM's weights, up to a factor: (I + strength S)^-1 (x - mean),
    /// where S is the covariance in units of its trace. Takes cols * rank steps.
    ///
    /// @param x    cols values, replaced by the weights
    void suppress(double* x) const noexcept;

    /// Calls visit(name, values) for each part that a file keeps (index.hpp).
    template <class Self, class Visit>
    static void visit_parts(Self& self, Visit&& visit) {
        visit("background_mean", self.mean_);
        visit("background_directions", self.directions_);
        visit("background_variances", self.variances_);
        visit("background_other_variance", self.other_variance_);
        visit("background_mean_square", self.mean_square_);
    }

    /// @throws std::invalid_argument if the parts do not fit rows of n_features
    void require_valid(std::size_t n_features) const;

  private:
    bool is_finite() const noexcept;
    void measure(const RowsView<T>& rows, const StopCondition& stop);
    void measure_sparse(const RowsView<T>& rows, const StopCondition& stop);

    std::vector<T> mean_;
    std::vector<T> directions_;      // orthonormal, one per row
    std::vector<double> variances_;  // along them, as fractions of the trace
    double other_variance_ = 0.0;    // along any other direction, on average
    double mean_square_ = 0.0;
};

}  // namespace exemplar_svm
