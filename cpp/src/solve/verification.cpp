#include "solve/verification.hpp"

#include <algorithm>

#include "exemplar_svm/certificate.hpp"
#include "exemplar_svm/scan.hpp"

namespace exemplar_svm {
namespace {

void add(BlockSummary& total, const BlockSummary& part) noexcept {
    total.violation = std::max(total.violation, part.violation);
    total.loss += part.loss;
    total.gap += part.gap;
    total.quadratic_rounding += part.quadratic_rounding;
    total.linear_rounding += part.linear_rounding;
    total.n_support += part.n_support;
}

}  // namespace

template <Real T>
BlockSummary verify(const Samples<T>& samples, const DescentWeights<T>& weights, Accuracy accuracy,
                    ExecutorRef executor, BlockSummary* summaries, T* scores) noexcept {
    const Problem<T>& problem = samples.problem();
    const bool is_precise = accuracy == Accuracy::precise;
    const double rounding = is_precise ? weights.precise_rounding() : weights.score_rounding();
    const RowBlocks blocks = row_blocks(problem.rows);
    for_each_block(
        executor, blocks, [&](std::size_t begin, std::size_t end, std::size_t block) noexcept {
            score_block(problem.rows, begin, end, weights.rounded(), scores + begin);
            BlockSummary summary;
            for (std::size_t i = begin; i < end; ++i) {
                const double cost = samples.row_cost(i), dual = weights.row_dual(i);
                if (cost <= 0.0) continue;
                double slack = 1.0 - samples.row_label(i) * static_cast<double>(scores[i]);
                // scores[i] stays in T: equal rows must have equal scores, whatever their duals.
                if (is_precise && (dual > 0.0 || slack > -weights.score_rounding())) {
                    slack = 1.0 - samples.row_label(i) * weights.precise_score(i);
                }
                add_sample(summary, problem.loss, cost, samples.row_penalty(i), dual, slack,
                           rounding);
                summary.n_support += dual > 0.0 ? 1 : 0;
            }
            summaries[block] = summary;
        });

    BlockSummary total;
    for (std::size_t block = 0; block < blocks.count(); ++block) add(total, summaries[block]);
    for (std::size_t j = 0; j < samples.n_examples(); ++j) {
        const std::size_t i = samples.n_rows() + j;
        add_sample(total, problem.loss, samples.cost(i), samples.penalty(i), weights.dual(i),
                   1.0 - weights.precise_product(i), weights.precise_rounding(i));
    }
    return total;
}

template <Real T>
void report_verified(const BlockSummary& verified, const DescentWeights<T>& weights,
                     SolveReport& report) noexcept {
    report.n_support = verified.n_support;
    report.violation = verified.violation;
    report.primal = weights.half_square() + verified.loss;
    const Proof proof = proof_of(verified, weights.drift());
    report.gap = proof.gap;
    report.score_rounding_bound = weights.score_rounding();
    report.weights_error_bound = proof.weights_error + weights.coef_rounding();
}

template BlockSummary verify(const Samples<float>&, const DescentWeights<float>&, Accuracy,
                             ExecutorRef, BlockSummary*, float*) noexcept;
template BlockSummary verify(const Samples<double>&, const DescentWeights<double>&, Accuracy,
                             ExecutorRef, BlockSummary*, double*) noexcept;
template void report_verified(const BlockSummary&, const DescentWeights<float>&,
                              SolveReport&) noexcept;
template void report_verified(const BlockSummary&, const DescentWeights<double>&,
                              SolveReport&) noexcept;

}  // namespace exemplar_svm
