#include "connection_places.hpp"

#include <sys/socket.h>

#include <algorithm>

using Connection = ConnectionPlaces::Connection;

namespace {

// A request usually arrives with its connection, or soon after.
constexpr std::chrono::milliseconds newcomers_grace{50};
constexpr std::chrono::milliseconds ending_grace{1000};

}  // namespace

Connection::Connection(ConnectionPlaces& places, int socket) : places_(places), socket_(socket) {
    const std::scoped_lock lock(places_.mutex_);
    places_.connections_.push_back(this);
}

Connection::~Connection() {
    {
        const std::scoped_lock lock(places_.mutex_);
        std::erase(places_.connections_, this);
    }
    places_.changed_.notify_all();
}

Connection::Waiting::Waiting(Connection& connection, Clock::time_point since)
    : connection_(connection) {
    ConnectionPlaces& places = connection_.places_;
    bool is_watched = false;
    {
        const std::scoped_lock lock(places.mutex_);
        connection_.is_waiting_ = true;
        connection_.since_ = since;
        is_watched = places.n_wanted_ > 0 || places.is_ending_;
    }
    if (is_watched) places.changed_.notify_all();
}

Connection::Waiting::~Waiting() {
    const std::scoped_lock lock(connection_.places_.mutex_);
    connection_.is_waiting_ = false;
}

bool Connection::is_evicted() const {
    const std::scoped_lock lock(places_.mutex_);
    return is_evicted_;
}

bool Connection::is_in_the_way() const {
    const std::scoped_lock lock(places_.mutex_);
    return places_.n_wanted_ > 0 || places_.is_ending_;
}

void ConnectionPlaces::take() {
    std::unique_lock lock(mutex_);
    ++n_wanted_;
    make_room(lock, newcomers_grace, [this] { return n_free_ > 0; });
    --n_wanted_;
    --n_free_;
}

void ConnectionPlaces::give_back() {
    {
        const std::scoped_lock lock(mutex_);
        ++n_free_;
    }
    changed_.notify_all();
}

void ConnectionPlaces::clear() {
    std::unique_lock lock(mutex_);
    is_ending_ = true;
    make_room(lock, ending_grace, [this] { return n_free_ == n_places_; });
}

/// Evicts one connection after the other, the one that has waited longest for its client first.
template <class Done>
void ConnectionPlaces::make_room(std::unique_lock<std::mutex>& lock, Clock::duration grace,
                                 Done&& done) {
    while (!done()) {
        Connection* longest = nullptr;
        bool is_one_leaving = false;
        for (Connection* const connection : connections_) {
            is_one_leaving = is_one_leaving || connection->is_evicted_;
            if (!connection->is_waiting_) continue;
            if (longest == nullptr || connection->since_ < longest->since_) longest = connection;
        }
        if (longest == nullptr || is_one_leaving) {
            changed_.wait(lock);
        } else if (const auto due = longest->since_ + grace; Clock::now() < due) {
            changed_.wait_until(lock, due);
        } else {
            longest->is_evicted_ = true;
            ::shutdown(longest->socket_, SHUT_RDWR);  // wakes its thread
        }
    }
}
