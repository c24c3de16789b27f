#pragma once

#include <httplib.h>

#include <atomic>
#include <exemplar_svm/index.hpp>

#include "metrics.hpp"
#include "request.hpp"
#include "search_slots.hpp"

/// Answers requests about one index, from any number of threads at once.
class Service {
  public:
    /// @param n_searches   how many may run at the same time
    /// @param max_waiting  how many more may wait for a slot
    Service(const exemplar_svm::Index<float>& index, std::size_t n_searches,
            std::size_t max_waiting);

    const Limits& limits() const noexcept { return limits_; }

    /// Adds the endpoints to a server. This service must outlive the server.
    void serve_on(httplib::Server& server);

    /// Counts a request that was refused before it came here.
    void count_refusal(int code) noexcept { metrics_.count_request(Endpoint::other, code, {}); }

    /// From now on /health answers 503, and every answer asks its client to close the connection.
    /// Requests are still answered.
    void drain() noexcept { draining_.store(true, std::memory_order_relaxed); }

  private:
    void answer_search(const httplib::Request& request, httplib::Response& response,
                       const httplib::ContentReader& read, bool single);
    void search(const SearchRequest& request, httplib::Response& response);
    void finish(const httplib::Request& request, httplib::Response& response);

    const exemplar_svm::Index<float>& index_;
    const Limits limits_;
    SearchSlots slots_;
    Metrics metrics_;
    std::atomic<bool> draining_{false};
};
