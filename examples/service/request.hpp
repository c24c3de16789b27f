#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

/// The limits of a service.
struct Limits {
    std::size_t n_features = 0;
    std::size_t max_k = 1000;
    std::size_t max_positives = 64;

    /// Room for the positives as JSON with more digits than a float has, and a little more.
    std::size_t max_body() const noexcept { return max_positives * n_features * 32 + 4096; }
};

/// A request that cannot be answered: the status code, and a sentence for the client.
class RequestError : public std::runtime_error {
  public:
    RequestError(int code, const std::string& sentence)
        : std::runtime_error(sentence), code_(code) {}
    int code() const noexcept { return code_; }

  private:
    int code_;
};

struct SearchRequest {
    std::vector<float> positives;  ///< one after the other
    std::size_t n_positives = 0;
    std::size_t k = 10;
    std::optional<std::chrono::nanoseconds> timeout;
};

/// {"query": [...], "k": 10, "timeout_ms": 20}, or "positives": [[...], ...] in place of "query".
/// @param field  the field that the endpoint expects
/// @throws RequestError
SearchRequest parse_json(std::string_view body, std::string_view field, const Limits& limits);

/// Little-endian float32, one positive after the other.
/// @param single  whether exactly one positive is expected
/// @param k, timeout_ms  from the address; empty if missing
/// @throws RequestError
SearchRequest parse_raw(std::string_view body, bool single, std::string_view k,
                        std::string_view timeout_ms, const Limits& limits);
