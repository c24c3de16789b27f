#include "request.hpp"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <system_error>

using nlohmann::json;

namespace {

void expect(bool condition, const std::string& sentence) {
    if (!condition) throw RequestError(400, sentence);
}

std::size_t checked_k(std::uint64_t k, const Limits& limits) {
    expect(k >= 1 && k <= limits.max_k, "k must be from 1 to " + std::to_string(limits.max_k));
    return static_cast<std::size_t>(k);
}

std::chrono::nanoseconds checked_timeout(double milliseconds) {
    constexpr double hour = 3'600'000.0;
    // Written so that NaN is refused.
    expect(milliseconds > 0.0 && milliseconds <= hour,
           "timeout_ms must be more than 0 and at most 3600000");
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
        std::chrono::duration<double, std::milli>(milliseconds));
}

void check_count(std::size_t n_positives, const Limits& limits) {
    expect(n_positives >= 1 && n_positives <= limits.max_positives,
           "positives has " + std::to_string(n_positives) + " vectors, expected from 1 to " +
               std::to_string(limits.max_positives));
}

void append_vector(const json& values, const std::string& name, const Limits& limits,
                   std::vector<float>& out) {
    expect(values.is_array(), name + " must be an array of numbers");
    expect(values.size() == limits.n_features, name + " has " + std::to_string(values.size()) +
                                                   " numbers, but the index holds rows of " +
                                                   std::to_string(limits.n_features));
    for (const json& value : values) {
        expect(value.is_number(), name + " holds something that is not a number");
        const double number = value.get<double>();
        expect(std::abs(number) <= std::numeric_limits<float>::max(),
               name + " holds a number that is too large for float32");
        out.push_back(static_cast<float>(number));
    }
}

template <class Number>
Number parse_number(std::string_view text, const char* sentence) {
    Number number{};
    const char* const end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, number);
    expect(error == std::errc() && stopped == end, sentence);
    return number;
}

}  // namespace

SearchRequest parse_json(std::string_view body, std::string_view field, const Limits& limits) {
    const json document = json::parse(body, nullptr, /*allow_exceptions=*/false);
    expect(!document.is_discarded(), "the body is not JSON");
    expect(document.is_object(), "the body must be a JSON object");

    SearchRequest request;
    for (const auto& [key, value] : document.items()) {
        if (key == "k") {
            expect(value.is_number_unsigned(), "k must be a positive integer");
            request.k = checked_k(value.get<std::uint64_t>(), limits);
        } else if (key == "timeout_ms") {
            expect(value.is_number(), "timeout_ms must be a number");
            request.timeout = checked_timeout(value.get<double>());
        } else {
            // Ignoring a misspelt field would answer another question than the client asked.
            expect(key == field, "unknown field \"" + key + "\"");
        }
    }

    const auto found = document.find(field);
    expect(found != document.end(), "the field \"" + std::string(field) + "\" is missing");
    if (field == "query") {
        request.n_positives = 1;
        append_vector(*found, "query", limits, request.positives);
        return request;
    }
    expect(found->is_array(), "positives must be an array of arrays of numbers");
    check_count(found->size(), limits);
    request.n_positives = found->size();
    request.positives.reserve(request.n_positives * limits.n_features);
    for (std::size_t i = 0; i < request.n_positives; ++i) {
        append_vector((*found)[i], "positives[" + std::to_string(i) + "]", limits,
                      request.positives);
    }
    return request;
}

SearchRequest parse_raw(std::string_view body, bool single, std::string_view k,
                        std::string_view timeout_ms, const Limits& limits) {
    SearchRequest request;
    if (!k.empty()) {
        request.k =
            checked_k(parse_number<std::uint64_t>(k, "k must be a positive integer"), limits);
    }
    if (!timeout_ms.empty()) {
        request.timeout =
            checked_timeout(parse_number<double>(timeout_ms, "timeout_ms must be a number"));
    }

    const std::size_t vector_bytes = limits.n_features * sizeof(float);
    expect(!body.empty() && body.size() % vector_bytes == 0,
           "the body has " + std::to_string(body.size()) + " bytes, but a float32 vector has " +
               std::to_string(vector_bytes));
    request.n_positives = body.size() / vector_bytes;
    expect(!single || request.n_positives == 1, "the body holds more than one vector");
    check_count(request.n_positives, limits);
    request.positives.resize(request.n_positives * limits.n_features);
    std::memcpy(request.positives.data(), body.data(), body.size());
    for (const float value : request.positives) {
        expect(std::isfinite(value), "the body holds a number that is not finite");
    }
    return request;
}
