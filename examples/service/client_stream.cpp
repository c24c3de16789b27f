#include "client_stream.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "request.hpp"

namespace {

// The most that is read from a refused client, so that it can see the answer.
constexpr std::size_t max_dismissed = 16'000'000;

/// The length of a head with its empty line; 0 if it is incomplete.
std::size_t head_length(std::string_view text) noexcept {
    for (std::size_t line = text.find('\n'); line != std::string_view::npos;) {
        const std::size_t next = text.find('\n', line + 1);
        // check_head refuses lines that end in LF alone.
        if (next == line + 1 || (next == line + 2 && text[line + 1] == '\r')) return next + 1;
        line = next;
    }
    return 0;
}

}  // namespace

ClientStream::ClientStream(int socket, ConnectionPlaces& places, const Patience& patience)
    : socket_(socket), patience_(patience), place_(places, socket) {
    current_ = this;
}

ClientStream::~ClientStream() {
    current_ = nullptr;
    if (is_closing()) dismiss();
    ::shutdown(socket_, SHUT_RDWR);
}

/// Reads before closing: a socket closed with unread input would discard the answer under way.
void ClientStream::dismiss() {
    ::shutdown(socket_, SHUT_WR);
    begin(Part::none, patience_.leave);
    std::array<char, 65536> ignored;
    for (std::size_t n_read = 0; n_read < max_dismissed;) {
        const ssize_t n = receive(ignored.data(), ignored.size());
        if (n <= 0) return;
        n_read += static_cast<std::size_t>(n);
    }
}

void ClientStream::begin(Part part, std::chrono::milliseconds time) {
    part_ = part;
    since_ = Clock::now();
    deadline_ = since_ + time;
}

bool ClientStream::await_request(std::size_t max_body) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= std::exchange(begin_, 0);
    const bool has_begun = end_ > 0;
    begin(Part::head, has_begun ? patience_.head : patience_.idle);
    bool is_first = !has_begun;
    while ((head_left_ = head_length({buffer_.data(), end_})) == 0) {
        if (end_ == buffer_.size()) {
            const bool is_line = std::memchr(buffer_.data(), '\n', end_) == nullptr;
            throw RequestError(is_line ? 414 : 431,
                               is_line ? "the address is too long" : "the head is too large");
        }
        const ssize_t n = receive(buffer_.data() + end_, buffer_.size() - end_);
        if (n < 0 && end_ > 0) throw RequestError(408, "the head came too slowly");
        if (n <= 0) return false;
        end_ += static_cast<std::size_t>(n);
        if (std::exchange(is_first, false)) deadline_ = Clock::now() + patience_.head;
    }
    const BodyFraming framing = check_head({buffer_.data(), head_left_}, max_body);
    is_chunked_ = framing.is_chunked;
    // Room for the lengths of chunks.
    body_left_ = is_chunked_ ? 2 * std::uint64_t{max_body} : framing.length;
    return true;
}

void ClientStream::refuse(int code, std::string_view sentence) {
    const std::string body = nlohmann::json({{"error", sentence}}).dump();
    const std::string answer =
        "HTTP/1.1 " + std::to_string(code) +
        " Refused\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: " +
        std::to_string(body.size()) + "\r\n\r\n" + body;
    is_closing_ = true;
    for (std::size_t n_sent = 0; n_sent < answer.size();) {
        const ssize_t n = write(answer.data() + n_sent, answer.size() - n_sent);
        if (n <= 0) return;
        n_sent += static_cast<std::size_t>(n);
    }
}

/// Waits until the socket is ready or the time of the part is over.
bool ClientStream::wait(short events) {
    const ConnectionPlaces::Connection::Waiting waiting(place_, since_);
    for (;;) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now()).count();
        if (left <= 0) return false;
        pollfd ready{.fd = socket_, .events = events, .revents = 0};
        const int n = ::poll(&ready, 1, static_cast<int>(left));
        if (n < 0 && errno != EINTR) return false;
        // An error of the socket shows when the socket is used.
        if (n > 0) return !place_.is_evicted();
    }
}

/// @return 0 if the client has left or was evicted; negative if it took too long
ssize_t ClientStream::receive(char* data, std::size_t size) {
    for (;;) {
        const ssize_t n = ::recv(socket_, data, size, MSG_DONTWAIT);
        if (n >= 0) return n;
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) return 0;
        if (!wait(POLLIN)) return place_.is_evicted() ? 0 : -1;
    }
}

ssize_t ClientStream::take_buffered(char* data, std::size_t size) noexcept {
    const std::size_t n = std::min(size, end_ - begin_);
    std::memcpy(data, buffer_.data() + begin_, n);
    begin_ += n;
    return static_cast<ssize_t>(n);
}

ssize_t ClientStream::read(char* data, std::size_t size) {
    if (head_left_ > 0) {
        const ssize_t n = take_buffered(data, std::min(size, head_left_));
        head_left_ -= static_cast<std::size_t>(n);
        return n;
    }
    size = static_cast<std::size_t>(std::min<std::uint64_t>(size, body_left_));
    if (size == 0) return 0;
    if (part_ != Part::body) begin(Part::body, patience_.body);
    const ssize_t n = begin_ < end_ ? take_buffered(data, size) : receive(data, size);
    if (n > 0) body_left_ -= static_cast<std::uint64_t>(n);
    return n;
}

ssize_t ClientStream::write(const char* data, std::size_t size) {
    if (part_ != Part::answer) begin(Part::answer, patience_.answer);
    for (;;) {
        const ssize_t n = ::send(socket_, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0) return n;
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) return -1;
        if (!wait(POLLOUT)) return -1;
    }
}

bool ClientStream::is_readable() const {
    pollfd ready{.fd = socket_, .events = POLLIN, .revents = 0};
    return begin_ < end_ || ::poll(&ready, 1, 0) > 0;
}

bool ClientStream::is_writable() const {
    pollfd ready{.fd = socket_, .events = POLLOUT, .revents = 0};
    return ::poll(&ready, 1, 0) > 0 && (ready.revents & POLLOUT) != 0;
}
