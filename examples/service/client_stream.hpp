#pragma once

#include <httplib.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <string_view>

#include "connection_places.hpp"
#include "request_head.hpp"

/// Time limits for each part of a request as a whole, however many pieces it comes in.
struct Patience {
    std::chrono::milliseconds idle{5'000};  ///< before a request begins
    std::chrono::milliseconds head{5'000};
    std::chrono::milliseconds body{10'000};
    std::chrono::milliseconds answer{10'000};  ///< to read the answer
    std::chrono::milliseconds leave{1'000};    ///< to stop sending after a refusal
};

/// A client's socket as httplib reads and writes it, with limits on the time and size of a whole
/// request; httplib limits single reads only. The stream ends where the head says that the body
/// ends.
class ClientStream final : public httplib::Stream {
    using Clock = std::chrono::steady_clock;

  public:
    /// Takes ownership of the socket.
    ClientStream(int socket, ConnectionPlaces& places, const Patience& patience);
    ~ClientStream() override;

    /// Reads the head of the next request; read() then begins with it.
    /// @return whether there is a request: false if the client has left or sends nothing
    /// @throws RequestError
    bool await_request(std::size_t max_body);

    /// Sends an answer before httplib has seen the request, and discards what the client still
    /// sends.
    void refuse(int code, std::string_view sentence);

    /// Reads no further request after this one.
    void close_after_answer() noexcept { is_closing_ = true; }

    /// Whether the connection ends with this request: after close_after_answer(), or if the end of
    /// the body was not reached or is uncertain.
    bool is_closing() const noexcept { return is_closing_ || is_chunked_ || body_left_ > 0; }

    bool is_in_the_way() const { return place_.is_in_the_way(); }

    /// The stream of the request that the calling thread serves.
    static ClientStream* current() noexcept { return current_; }

    bool is_readable() const override;
    bool is_writable() const override;
    ssize_t read(char* data, std::size_t size) override;
    ssize_t write(const char* data, std::size_t size) override;
    void get_remote_ip_and_port(std::string&, int&) const override {}
    void get_local_ip_and_port(std::string&, int&) const override {}
    socket_t socket() const override { return socket_; }

  private:
    enum class Part { none, head, body, answer };

    void begin(Part part, std::chrono::milliseconds time);
    bool wait(short events);
    ssize_t receive(char* data, std::size_t size);
    ssize_t take_buffered(char* data, std::size_t size) noexcept;
    void dismiss();

    static inline thread_local ClientStream* current_ = nullptr;

    const int socket_;
    const Patience patience_;
    ConnectionPlaces::Connection place_;

    Part part_ = Part::none;
    Clock::time_point since_{}, deadline_{};  // of the current part
    bool is_closing_ = false;

    std::array<char, 8192> buffer_;  // large enough for a head
    std::size_t begin_ = 0, end_ = 0;
    std::size_t head_left_ = 0;
    std::uint64_t body_left_ = 0;
    bool is_chunked_ = false;
};
