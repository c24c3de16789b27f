#include "metrics.hpp"

#include <algorithm>
#include <charconv>

namespace esvm = exemplar_svm;

namespace {

// Relaxed order everywhere: no counter publishes other data.
constexpr auto relaxed = std::memory_order_relaxed;

template <class Number>
void append(std::string& out, Number number) {
    std::array<char, 32> text;
    const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
    out.append(text.data(), end);
}

void write_sample(std::string& out, std::string_view name, std::string_view suffix,
                  std::string_view labels, auto number) {
    out.append(name).append(suffix);
    if (!labels.empty()) out.append("{").append(labels).append("}");
    out.append(" ");
    append(out, number);
    out.append("\n");
}

void write_type(std::string& out, std::string_view name, std::string_view type,
                std::string_view help) {
    out.append("# HELP ").append(name).append(" ").append(help).append("\n");
    out.append("# TYPE ").append(name).append(" ").append(type).append("\n");
}

std::string label(std::string_view name, std::string_view value) {
    return std::string(name).append("=\"").append(value).append("\"");
}

}  // namespace

Endpoint endpoint_of(std::string_view path) noexcept {
    const auto* const last = endpoint_paths.end() - 1;
    return static_cast<Endpoint>(std::find(endpoint_paths.begin(), last, path) -
                                 endpoint_paths.begin());
}

void LatencyHistogram::add(std::chrono::nanoseconds duration) noexcept {
    const double seconds = std::chrono::duration<double>(duration).count();
    const auto* const bound = std::lower_bound(bounds.begin(), bounds.end(), seconds);
    counts_[static_cast<std::size_t>(bound - bounds.begin())].fetch_add(1, relaxed);
    nanoseconds_.fetch_add(static_cast<std::uint64_t>(duration.count()), relaxed);
}

void LatencyHistogram::write(std::string& out, std::string_view name,
                             std::string_view labels) const {
    std::string prefix(labels);
    if (!prefix.empty()) prefix.append(",");
    std::uint64_t up_to_here = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
        up_to_here += counts_[i].load(relaxed);
        std::string le = prefix + "le=\"";
        if (i < bounds.size()) {
            append(le, bounds[i]);
        } else {
            le.append("+Inf");
        }
        write_sample(out, name, "_bucket", le.append("\""), up_to_here);
    }
    write_sample(out, name, "_sum", labels, static_cast<double>(nanoseconds_.load(relaxed)) * 1e-9);
    // The sum of the lines above. A separate counter could already be ahead of them.
    write_sample(out, name, "_count", labels, up_to_here);
}

void Metrics::count_request(Endpoint endpoint, int code,
                            std::chrono::nanoseconds duration) noexcept {
    const auto* const place = std::find(codes.begin(), codes.end() - 1, code);
    const auto row = static_cast<std::size_t>(endpoint);
    requests_[row][static_cast<std::size_t>(place - codes.begin())].fetch_add(1, relaxed);
    request_seconds_[row].add(duration);
}

void Metrics::count_search(esvm::SearchStatus status, std::chrono::nanoseconds duration) noexcept {
    searches_[static_cast<std::size_t>(status)].fetch_add(1, relaxed);
    search_seconds_.add(duration);
}

std::string Metrics::text() const {
    std::string out;
    constexpr std::string_view requests = "exemplar_svm_http_requests_total";
    write_type(out, requests, "counter", "Requests answered, by path and status code.");
    for (std::size_t e = 0; e < endpoint_paths.size(); ++e) {
        for (std::size_t c = 0; c < codes.size(); ++c) {
            const std::string code = codes[c] == 0 ? "other" : std::to_string(codes[c]);
            write_sample(out, requests, "",
                         label("endpoint", endpoint_paths[e]) + "," + label("code", code),
                         requests_[e][c].load(relaxed));
        }
    }

    constexpr std::string_view request_seconds = "exemplar_svm_http_request_seconds";
    write_type(out, request_seconds, "histogram",
               "Time from a request's arrival to its answer, waiting included.");
    for (std::size_t e = 0; e < endpoint_paths.size(); ++e) {
        request_seconds_[e].write(out, request_seconds, label("endpoint", endpoint_paths[e]));
    }

    constexpr std::string_view searches = "exemplar_svm_searches_total";
    write_type(out, searches, "counter", "Searches, by how they ended.");
    for (std::size_t s = 0; s < searches_.size(); ++s) {
        write_sample(out, searches, "", label("status", to_string(esvm::SearchStatus(s))),
                     searches_[s].load(relaxed));
    }

    constexpr std::string_view search_seconds = "exemplar_svm_search_seconds";
    write_type(out, search_seconds, "histogram", "Time of searches alone, without waiting.");
    search_seconds_.write(out, search_seconds, "");
    return out;
}
