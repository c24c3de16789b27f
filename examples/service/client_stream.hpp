#pragma once

#include <httplib.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <string_view>

#include "connection_places.hpp"
#include "request_head.hpp"

/// How long a client may take for each part of a request, however many pieces it comes in.
struct Patience {
    std::chrono::milliseconds idle{5'000};  ///< before it begins to send
    std::chrono::milliseconds head{5'000};
    std::chrono::milliseconds body{10'000};
    std::chrono::milliseconds answer{10'000};  ///< to read it
    std::chrono::milliseconds leave{1'000};    ///< to stop sending when it is refused
};

/// A client's socket, as httplib reads and writes it: with limits on the time and the size of a
/// request as a whole, where httplib's own are on each piece of it. A body ends for httplib where
/// the head says that it ends.
class ClientStream final : public httplib::Stream {
    using Clock = std::chrono::steady_clock;

  public:
    /// Owns the socket.
    ClientStream(int socket, ConnectionPlaces& places, const Patience& patience);
    ~ClientStream() override;

    /// Reads the head of the next request, which read() will begin with.
    /// @return whether there is one: false if the client has left, or sends nothing
    /// @throws RequestError
    bool await_request(std::size_t max_body);

    /// Answers in httplib's place, and leaves it at that.
    void refuse(int code, std::string_view sentence);

    /// No further request is read after this one.
    void close_after_answer() noexcept { is_closing_ = true; }

    /// Whether the connection ends with this request: so it was told, or the body was not read to
    /// its end, or nobody can be sure where that is.
    bool is_closing() const noexcept { return is_closing_ || is_chunked_ || body_left_ > 0; }

    bool is_in_the_way() const { return place_.is_in_the_way(); }

    /// That of the request which the calling thread serves.
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
    Clock::time_point since_{}, deadline_{};  // of the part
    bool is_closing_ = false;

    std::array<char, 8192> buffer_;  // a head fits into it
    std::size_t begin_ = 0, end_ = 0;
    std::size_t head_left_ = 0;
    std::uint64_t body_left_ = 0;
    bool is_chunked_ = false;
};
