// Embeds exact exemplar-SVM search in a program with threads of its own:
//
//   embed ROWS.npy [QUERIES.npy] [K] [THREADS]
//
// Answers every query three times: all queries at once, one per thread of the pool; one after the
// other, each on all threads; and within half of the time that the second kind took.

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <exemplar_svm/index.hpp>
#include <exemplar_svm/version.hpp>
#include <latch>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "npy.hpp"
#include "pool_executor.hpp"

namespace esvm = exemplar_svm;
using Clock = std::chrono::steady_clock;

namespace {

struct Options {
    std::string rows;
    std::optional<std::string> queries;
    std::size_t k = 5;
    std::size_t n_threads = std::max(1u, std::thread::hardware_concurrency());
};

std::size_t positive(std::string_view text) {
    std::size_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value == 0) {
        throw std::invalid_argument(std::string(text) + " is not a positive number");
    }
    return value;
}

Options parse(const std::vector<std::string>& arguments) {
    if (arguments.empty() || arguments.size() > 4) {
        throw std::invalid_argument("usage: embed ROWS.npy [QUERIES.npy] [K] [THREADS]");
    }
    Options options{arguments[0], {}};
    if (arguments.size() > 1) options.queries = arguments[1];
    if (arguments.size() > 2) options.k = positive(arguments[2]);
    if (arguments.size() > 3) options.n_threads = positive(arguments[3]);
    return options;
}

struct Answer {
    esvm::SearchReport report;
    std::vector<float> scores;
    std::vector<esvm::RowNumber> rows;
    double seconds = 0.0;
};

class Searcher {
  public:
    Searcher(const esvm::Index<float>& index, std::size_t k)
        : index_(index), k_(k), workspace_(index, k) {}

    /// The search neither throws nor allocates; only the answer is allocated here.
    Answer search(const float* query, esvm::ExecutorRef executor = esvm::SerialExecutor{},
                  const esvm::StopCondition& stop = {}) {
        Answer answer{{}, std::vector<float>(k_), std::vector<esvm::RowNumber>(k_)};
        const auto began = Clock::now();
        answer.report = index_.search(query, k_, workspace_, answer.scores.data(),
                                      answer.rows.data(), executor, stop);
        answer.seconds = std::chrono::duration<double>(Clock::now() - began).count();
        return answer;
    }

  private:
    const esvm::Index<float>& index_;
    std::size_t k_;
    esvm::Workspace<float> workspace_;
};

double quantile(std::vector<double> values, double q) {
    std::sort(values.begin(), values.end());
    return values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1))];
}

void print(const char* what, const std::vector<Answer>& answers) {
    std::vector<double> milliseconds;
    std::size_t stopped = 0;
    for (const Answer& answer : answers) {
        milliseconds.push_back(1e3 * answer.seconds);
        stopped += answer.report.status == esvm::SearchStatus::deadline ? 1 : 0;
    }
    std::printf("%-28s p50 %.3f ms, p99 %.3f ms, max %.3f ms per call; %zu of %zu stopped\n", what,
                quantile(milliseconds, 0.5), quantile(milliseconds, 0.99),
                quantile(milliseconds, 1.0), stopped, answers.size());
}

void run(const Options& options) {
    const MappedFile rows_file(options.rows);
    const esvm::DenseView<float> rows = npy_rows(rows_file);
    std::optional<MappedFile> queries_file;
    esvm::DenseView<float> queries = rows;
    if (options.queries) {
        queries_file.emplace(*options.queries);
        queries = npy_rows(*queries_file);
    }
    queries.rows = std::min<std::size_t>(queries.rows, 100);
    if (queries.rows == 0) throw std::invalid_argument("there are no queries");
    if (queries.cols != rows.cols) {
        throw std::invalid_argument("the queries have " + std::to_string(queries.cols) +
                                    " features, but the rows have " + std::to_string(rows.cols));
    }

    ThreadPool pool(options.n_threads);
    const PoolExecutor executor(pool);
    const esvm::Index<float> index(rows, {}, executor);
    std::printf("exemplar_svm %s: %zu rows of %zu features, %zu threads\n", esvm::version(),
                index.n_rows(), index.n_features(), pool.size());

    // Like requests of a service: each on one thread, with that thread's workspace.
    std::vector<Answer> together(queries.rows);
    std::latch done(static_cast<std::ptrdiff_t>(pool.size()));
    for (std::size_t t = 0; t < pool.size(); ++t) {
        pool.submit([&, t] {
            Searcher searcher(index, options.k);
            for (std::size_t q = t; q < queries.rows; q += pool.size()) {
                together[q] = searcher.search(queries.row(q));
            }
            done.count_down();
        });
    }
    done.wait();

    // One search at a time, on all threads. Results have the same bits.
    Searcher searcher(index, options.k);
    std::vector<Answer> spread, timed;
    for (std::size_t q = 0; q < queries.rows; ++q) {
        spread.push_back(searcher.search(queries.row(q), executor));
        if (spread[q].rows != together[q].rows || spread[q].scores != together[q].scores) {
            throw std::runtime_error("a result depends on the threads");
        }
        const auto half =
            std::chrono::nanoseconds(static_cast<std::int64_t>(5e8 * spread[q].seconds));
        timed.push_back(
            searcher.search(queries.row(q), executor, esvm::StopCondition::after(half)));
    }

    for (std::size_t rank = 0; rank < options.k; ++rank) {
        std::printf("%3zu. row %lld  %.6f\n", rank + 1,
                    static_cast<long long>(together[0].rows[rank]),
                    static_cast<double>(together[0].scores[rank]));
    }
    std::printf("     %zu ranks proven exact, every score within %.1e\n",
                together[0].report.certified_k, together[0].report.score_error_bound);
    print("a thread per search:", together);
    print("a search on all threads:", spread);
    print("with half of that time:", timed);
}

}  // namespace

int main(int argc, char** argv) {
    try {
        run(parse(std::vector<std::string>(argv + 1, argv + argc)));
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "embed: %s\n", error.what());
        return 1;
    }
}
