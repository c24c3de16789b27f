#include "service.hpp"

#include <chrono>
#include <exception>
#include <limits>
#include <nlohmann/json.hpp>

#include "client_stream.hpp"
#include "connection_threads.hpp"

namespace esvm = exemplar_svm;
using nlohmann::json;
using Clock = std::chrono::steady_clock;

namespace {

// A thread serves one request at a time, from its headers to its answer.
thread_local Clock::time_point arrival{};

void set_json(httplib::Response& response, int code, const json& body) {
    response.status = code;
    // Keeps the answer UTF-8, whatever bytes a sentence quotes.
    response.set_content(body.dump(-1, ' ', false, json::error_handler_t::replace),
                         "application/json");
}

void set_error(httplib::Response& response, int code, std::string_view sentence) {
    set_json(response, code, {{"error", sentence}});
    if (code == 503) response.set_header("Retry-After", "1");
}

/// Sentences for refusals by httplib itself.
std::string_view sentence_for(int code) {
    switch (code) {
        case 400: return "this is no HTTP request that is understood here";
        case 404: return "there is no such path, or not with this method";
        case 414: return "the address is too long";
        default: return "the request was refused";
    }
}

/// The decoded body. Unread bytes are never taken for the next request, because the connection then
/// ends.
std::string read_body(const httplib::Request& request, const httplib::ContentReader& read,
                      std::size_t max_size) {
    if (request.is_multipart_form_data()) {
        throw RequestError(415, "send application/json or application/octet-stream");
    }
    // The size of a compressed or chunked body is known only after reading it.
    std::string body;
    bool fits = true;
    const bool is_complete = read([&](const char* data, std::size_t size) {
        fits = size <= max_size - body.size();
        if (fits) body.append(data, size);
        return fits;
    });
    if (!fits) {
        throw RequestError(413, "the body is larger than " + std::to_string(max_size) + " bytes");
    }
    if (!is_complete) {
        throw RequestError(400, "the body ended early, came too slowly, or could not be decoded");
    }
    return body;
}

}  // namespace

Service::Service(const esvm::Index<float>& index, std::size_t n_searches, std::size_t max_waiting)
    : index_(index),
      limits_{.n_features = index.n_features()},
      slots_(index, n_searches, max_waiting, limits_.max_k, limits_.max_positives) {}

void Service::serve_on(httplib::Server& server) {
    using httplib::Request, httplib::Response, httplib::ContentReader;
    using Routing = httplib::Server::HandlerResponse;

    server.set_pre_routing_handler([](const Request& request, Response& response) {
        arrival = Clock::now() - ConnectionThreads::take_wait();
        if (request.method == "GET" || request.method == "HEAD") return Routing::Unhandled;
        const Endpoint endpoint = endpoint_of(request.path);
        if (request.method != "POST" ||
            (endpoint != Endpoint::search && endpoint != Endpoint::search_shared)) {
            // httplib would read the body first, and does not limit what it decodes.
            set_error(response, 404, sentence_for(404));
        } else if (!request.has_header("Content-Length") &&
                   !request.has_header("Transfer-Encoding")) {
            set_error(response, 411, "a POST needs a Content-Length");
        } else {
            return Routing::Unhandled;
        }
        return Routing::Handled;
    });

    server.Post("/search",
                [this](const Request& request, Response& response, const ContentReader& read) {
                    answer_search(request, response, read, /*single=*/true);
                });
    server.Post("/search_shared",
                [this](const Request& request, Response& response, const ContentReader& read) {
                    answer_search(request, response, read, /*single=*/false);
                });
    server.Get("/health", [this](const Request&, Response& response) {
        const bool draining = draining_.load(std::memory_order_relaxed);
        set_json(response, draining ? 503 : 200, {{"status", draining ? "draining" : "serving"}});
    });
    server.Get("/metrics", [this](const Request&, Response& response) {
        response.status = 200;
        response.set_content(metrics_.text(), "text/plain; version=0.0.4; charset=utf-8");
    });

    server.set_exception_handler([](const Request&, Response& response, std::exception_ptr) {
        // Most likely memory has run out. Clients get no details.
        set_error(response, 500, "the request failed here");
    });
    server.set_error_handler([](const Request&, Response& response) {
        if (response.body.empty()) {
            set_error(response, response.status, sentence_for(response.status));
        }
    });
    // httplib calls this last before it sends any answer, so a client that has its answer finds it
    // counted.
    server.set_post_routing_handler(
        [this](const Request& request, Response& response) { finish(request, response); });
}

void Service::answer_search(const httplib::Request& request, httplib::Response& response,
                            const httplib::ContentReader& read, bool single) {
    try {
        const std::string body = read_body(request, read, limits_.max_body());
        const bool is_raw = request.get_header_value("Content-Type") == "application/octet-stream";
        search(is_raw ? parse_raw(body, single, request.get_param_value("k"),
                                  request.get_param_value("timeout_ms"), limits_)
                      : parse_json(body, single ? "query" : "positives", limits_),
               response);
    } catch (const RequestError& error) {
        set_error(response, error.code(), error.what());
    }
}

void Service::search(const SearchRequest& request, httplib::Response& response) {
    // The deadline counts from the arrival, whatever the time is spent on.
    const esvm::StopCondition stop = request.timeout
                                         ? esvm::StopCondition::at(arrival + *request.timeout)
                                         : esvm::StopCondition{};

    // The answer if all of the time was spent waiting for a slot.
    esvm::SearchReport report;
    report.status = esvm::SearchStatus::deadline;
    report.score_error_bound = std::numeric_limits<double>::infinity();
    json scores = json::array();
    json rows = json::array();

    Clock::duration duration{};
    if (const SearchSlots::Lease slot = slots_.take(stop.deadline)) {
        const auto n_features = static_cast<std::ptrdiff_t>(limits_.n_features);
        const Clock::time_point start = Clock::now();
        report = index_.search_shared(
            {request.positives.data(), request.n_positives, limits_.n_features, n_features},
            request.k, slot->workspace, slot->scores.data(), slot->rows.data(),
            esvm::SerialExecutor{}, stop);
        duration = Clock::now() - start;
        // JSON has no -infinity for padding, so empty places are left out.
        for (std::size_t rank = 0; rank < request.k && slot->rows[rank] >= 0; ++rank) {
            scores.push_back(slot->scores[rank]);
            rows.push_back(slot->rows[rank]);
        }
    }
    metrics_.count_search(report.status, duration);

    if (report.status == esvm::SearchStatus::invalid_input) {
        throw RequestError(
            400, report.reason == esvm::InvalidInput::vector_too_large
                     ? "the vectors are too large to compute with in float32"
                     : "the search was refused: " + std::string(to_string(report.reason)));
    }
    // An infinite bound (nothing is known) becomes null.
    set_json(response, 200,
             {{"scores", std::move(scores)},
              {"rows", std::move(rows)},
              {"status", to_string(report.status)},
              {"score_error_bound", report.score_error_bound},
              {"certified_k", report.certified_k}});
}

void Service::finish(const httplib::Request& request, httplib::Response& response) {
    ClientStream& client = *ClientStream::current();
    if (draining_.load(std::memory_order_relaxed)) client.close_after_answer();
    if (client.is_closing()) {
        response.headers.erase("Keep-Alive");
        response.headers.erase("Connection");
        response.set_header("Connection", "close");
    }
    // Refused before its headers were read: its duration is unknown.
    const Clock::time_point now = Clock::now();
    const Clock::time_point since = std::exchange(arrival, Clock::time_point{});
    metrics_.count_request(endpoint_of(request.path), response.status,
                           since == Clock::time_point{} ? Clock::duration::zero() : now - since);
}
