// Times of single calls and their spread: exact searches beside plain kNN scans.
//
//   bench_latency [ROWS] [FEATURES] [SECONDS]
//
// Closed loop: every thread asks again as soon as it has its answer. Open loop: queries arrive at
// fixed times, at 60 % of the closed loop's rate. Latency counts from the arrival, so it includes
// the time spent queueing behind a slow call. Both kinds of call alternate in slices of one run, so
// other load on the machine hits both.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <thread>
#include <vector>

#include "exemplar_svm/error.hpp"
#include "exemplar_svm/index.hpp"
#include "exemplar_svm/scan.hpp"
#include "rows.hpp"
#include "statistics.hpp"

using namespace exemplar_svm;
using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

namespace {

constexpr std::size_t k = 10;
constexpr double load = 0.6;  // of the open loop, as a share of the closed loop's rate

/// The state of one request thread.
class Caller {
  public:
    Caller(const Index<float>& index, const DenseView<float>& queries)
        : index_(index), queries_(queries), workspace_(index, k), scores_(index.n_rows()) {}

    void search(std::size_t q) {
        report_ = index_.search(query(q), k, workspace_, scores_.data(), rows_);
        require(report_.status == SearchStatus::converged, "a search has not converged");
    }

    void search_in_time(std::size_t q, std::chrono::nanoseconds budget) {
        report_ = index_.search(query(q), k, workspace_, scores_.data(), rows_, SerialExecutor{},
                                StopCondition::after(budget));
    }

    void scan(std::size_t q) {
        score_rows(index_.rows(), {query(q), 0.0}, SerialExecutor{}, scores_.data());
        TopK<float> best(ranking_, k);
        offer_block(scores_.data(), 0, index_.n_rows(), best);
        best.finish();
    }

    std::vector<RowNumber> rows() const { return {rows_, rows_ + k}; }
    const SearchReport& report() const { return report_; }

  private:
    const float* query(std::size_t q) const { return queries_.row(q % queries_.rows); }

    const Index<float>& index_;
    DenseView<float> queries_;
    Workspace<float> workspace_;
    std::vector<float> scores_;
    RowNumber rows_[k];
    Ranked<float> ranking_[k];
    SearchReport report_;
};

using Call = void (Caller::*)(std::size_t);

class Bench {
  public:
    Bench(const bench::Dataset& data, double seconds) : index_(data.rows), seconds_(seconds) {
        for (std::size_t t = 0; t < 8; ++t) {
            callers_.push_back(std::make_unique<Caller>(index_, data.queries));
            for (std::size_t q = 0; q < 3; ++q) {  // warms the workspace up
                callers_[t]->search(q);
                callers_[t]->scan(q);
            }
        }
        n_queries_ = data.queries.rows;
    }

    void closed_and_open_loops() {
        std::printf("%-7s %7s %-6s %8s %8s %8s %8s %8s %8s\n", "loop", "threads", "call", "p50/ms",
                    "p90", "p99", "p99.9", "max", "calls");
        for (const std::size_t n_threads : {1u, 2u, 4u, 8u}) {
            std::vector<double> searches, scans;
            slices(searches, scans, [&](Call call, double seconds, std::vector<double>& out) {
                closed(call, n_threads, seconds, out);
            });
            print("closed", n_threads, searches, scans);
            if (n_threads == 1) {
                median_search_ = bench::quantile(searches, 0.5);
                unevenness_ = uneven(searches) / uneven(scans);
            }
            // Relative to the closed loop's rate over its half of the time.
            const double search_rate =
                load * static_cast<double>(searches.size()) / (0.5 * seconds_);
            const double scan_rate = load * static_cast<double>(scans.size()) / (0.5 * seconds_);
            std::vector<double> open_searches, open_scans;
            slices(open_searches, open_scans,
                   [&](Call call, double seconds, std::vector<double>& out) {
                       open(call, n_threads, call == &Caller::search ? search_rate : scan_rate,
                            seconds, out);
                   });
            print("open", n_threads, open_searches, open_scans);
        }
        std::printf("one thread, closed: p99/p50 of a search is %.2f times that of a scan\n\n",
                    unevenness_);
    }

    /// Searches with less time than they need.
    void deadlines() {
        Caller& caller = *callers_[0];
        std::vector<std::vector<RowNumber>> exact;
        for (std::size_t q = 0; q < n_queries_; ++q) {
            caller.search(q);
            exact.push_back(caller.rows());
        }
        std::printf("%-24s %10s %10s %14s %16s %14s\n", "budget", "time/budget", "p99",
                    "within 1.1", "exact top ten", "stopped");
        for (const double part : {0.25, 0.5, 0.75, 1.0}) {
            const double budget = part * median_search_;
            std::vector<double> ratios;
            double found = 0.0, stopped = 0.0;
            const auto n_calls =
                static_cast<std::size_t>(std::clamp(0.5 * seconds_ / budget, 50.0, 5'000.0));
            for (std::size_t q = 0; q < n_calls; ++q) {
                const auto began = Clock::now();
                caller.search_in_time(
                    q, std::chrono::nanoseconds(static_cast<std::int64_t>(1e9 * budget)));
                ratios.push_back(Seconds(Clock::now() - began).count() / budget);
                stopped += caller.report().status == SearchStatus::deadline ? 1.0 : 0.0;
                const auto& best = exact[q % n_queries_];
                for (const RowNumber row : caller.rows()) {
                    found += std::find(best.begin(), best.end(), row) != best.end() ? 1.0 : 0.0;
                }
            }
            const auto n = static_cast<double>(n_calls);
            const auto in_time = static_cast<double>(
                std::count_if(ratios.begin(), ratios.end(), [](double r) { return r <= 1.1; }));
            std::printf("%.2f medians: %6.3f ms  %10.3f %10.3f %13.1f%% %15.1f%% %13.1f%%\n", part,
                        1e3 * budget, bench::quantile(ratios, 0.5), bench::quantile(ratios, 0.99),
                        100.0 * in_time / n, 100.0 * found / n / static_cast<double>(k),
                        100.0 * stopped / n);
        }
    }

  private:
    static double uneven(const std::vector<double>& seconds) {
        return bench::quantile(seconds, 0.99) / bench::quantile(seconds, 0.5);
    }

    static void print(const char* loop, std::size_t n_threads, const std::vector<double>& searches,
                      const std::vector<double>& scans) {
        for (const auto* seconds : {&searches, &scans}) {
            std::printf("%-7s %7zu %-6s", loop, n_threads,
                        seconds == &searches ? "search" : "scan");
            for (const double q : {0.5, 0.9, 0.99, 0.999, 1.0}) {
                std::printf(" %8.3f", 1e3 * bench::quantile(*seconds, q));
            }
            std::printf(" %8zu\n", seconds->size());
        }
        std::fflush(stdout);
    }

    /// Both kinds of call in turn.
    template <class Loop>
    void slices(std::vector<double>& searches, std::vector<double>& scans, Loop&& loop) const {
        constexpr int n_slices = 10;
        const double slice = seconds_ / (2 * n_slices);
        for (int s = 0; s < n_slices; ++s) {
            loop(&Caller::search, slice, searches);
            loop(&Caller::scan, slice, scans);
        }
    }

    void closed(Call call, std::size_t n_threads, double seconds, std::vector<double>& out) {
        const auto end =
            Clock::now() + std::chrono::duration_cast<Clock::duration>(Seconds(seconds));
        on_threads(n_threads, out, [&](Caller& caller, std::vector<double>& latencies) {
            while (Clock::now() < end) {
                const auto began = Clock::now();
                (caller.*call)(next_query_++);
                latencies.push_back(Seconds(Clock::now() - began).count());
            }
        });
    }

    void open(Call call, std::size_t n_threads, double rate, double seconds,
              std::vector<double>& out) {
        const auto began = Clock::now();
        const auto n_arrivals = static_cast<std::size_t>(rate * seconds) + 1;
        std::atomic<std::size_t> next{0};
        on_threads(n_threads, out, [&](Caller& caller, std::vector<double>& latencies) {
            for (std::size_t i; (i = next++) < n_arrivals;) {
                const auto arrival = began + std::chrono::duration_cast<Clock::duration>(
                                                 Seconds(static_cast<double>(i) / rate));
                std::this_thread::sleep_until(arrival);
                (caller.*call)(next_query_++);
                latencies.push_back(Seconds(Clock::now() - arrival).count());
            }
        });
    }

    template <class Body>
    void on_threads(std::size_t n_threads, std::vector<double>& out, Body&& body) {
        std::vector<std::vector<double>> latencies(n_threads);
        std::vector<std::thread> threads;
        for (std::size_t t = 0; t < n_threads; ++t) {
            threads.emplace_back([&, t] { body(*callers_[t], latencies[t]); });
        }
        for (std::size_t t = 0; t < n_threads; ++t) {
            threads[t].join();
            out.insert(out.end(), latencies[t].begin(), latencies[t].end());
        }
    }

    Index<float> index_;
    double seconds_;
    std::size_t n_queries_ = 0;
    std::vector<std::unique_ptr<Caller>> callers_;
    std::atomic<std::size_t> next_query_{0};
    double median_search_ = 0.0;
    double unevenness_ = 0.0;
};

}  // namespace

int main(int argc, char** argv) {
    try {
        const auto number = [&](int place, double otherwise) {
            const double value = argc > place ? std::strtod(argv[place], nullptr) : otherwise;
            require(value > 0.0, "usage: bench_latency [ROWS] [FEATURES] [SECONDS per line]");
            return value;
        };
        const auto& data = bench::dataset(static_cast<std::size_t>(number(1, 10'000)),
                                          static_cast<std::size_t>(number(2, 384)));
        std::printf("%zu x %zu, %s rows, %zu queries, k = %zu\n", data.rows.rows, data.rows.cols,
                    data.source.c_str(), data.queries.rows, k);
        Bench latency(data, number(3, 5.0));
        latency.closed_and_open_loops();
        latency.deadlines();
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "bench_latency: %s\n", error.what());
        return 1;
    }
}
