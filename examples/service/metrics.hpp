#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exemplar_svm/search_report.hpp>
#include <string>
#include <string_view>

/// The endpoints that are counted separately. A path that is not served counts as `other`, so
/// clients cannot create labels.
enum class Endpoint : std::uint8_t { search, search_shared, health, metrics, other };
inline constexpr std::array<std::string_view, 5> endpoint_paths = {"/search", "/search_shared",
                                                                   "/health", "/metrics", "other"};

Endpoint endpoint_of(std::string_view path) noexcept;

/// A histogram of durations. Wait-free: a request adds to three atomics.
class LatencyHistogram {
  public:
    static constexpr std::array<double, 12> bounds = {  // seconds
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5};

    void add(std::chrono::nanoseconds duration) noexcept;

    /// @param labels  of every line, such as `endpoint="/search"`; may be empty
    void write(std::string& out, std::string_view name, std::string_view labels) const;

  private:
    std::array<std::atomic<std::uint64_t>, bounds.size() + 1>
        counts_{};  // the last counts what exceeds all bounds
    std::atomic<std::uint64_t> nanoseconds_{0};
};

/// Counters of the service, and their text in Prometheus's format.
class Metrics {
  public:
    void count_request(Endpoint endpoint, int code, std::chrono::nanoseconds duration) noexcept;
    void count_search(exemplar_svm::SearchStatus status,
                      std::chrono::nanoseconds duration) noexcept;

    std::string text() const;

  private:
    static constexpr std::array<int, 13> codes = {200, 400, 404, 408, 411, 413, 414,
                                                  415, 431, 500, 501, 503, 0};  // 0: any other

    template <class T, std::size_t n>
    using PerEndpoint = std::array<std::array<T, n>, endpoint_paths.size()>;

    PerEndpoint<std::atomic<std::uint64_t>, codes.size()> requests_{};
    std::array<LatencyHistogram, endpoint_paths.size()> request_seconds_;
    std::array<std::atomic<std::uint64_t>, 5> searches_{};  // per SearchStatus
    LatencyHistogram search_seconds_;
};
