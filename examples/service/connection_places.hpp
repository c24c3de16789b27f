#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <vector>

/// Places for connections; each takes a thread. When all are taken, a new connection gets the place
/// of the one whose client has kept it waiting longest. So clients that send nothing, send a byte
/// now and then, or do not read their answers cannot keep others out. A connection that waits for a
/// search, not for its client, keeps its place.
class ConnectionPlaces {
    using Clock = std::chrono::steady_clock;

  public:
    /// A connection that has a place.
    class Connection {
      public:
        Connection(ConnectionPlaces& places, int socket);
        ~Connection();
        Connection(const Connection&) = delete;
        Connection& operator=(const Connection&) = delete;

        /// While one of these exists, the connection waits for its client.
        class Waiting {
          public:
            /// @param since  when the wait began
            Waiting(Connection& connection, Clock::time_point since);
            ~Waiting();
            Waiting(const Waiting&) = delete;
            Waiting& operator=(const Waiting&) = delete;

          private:
            Connection& connection_;
        };

        /// Whether the connection has lost its place. Its socket is then shut down, to end its
        /// wait.
        bool is_evicted() const;

        /// Whether the connection should end soon: others wait for a place, or the service ends.
        bool is_in_the_way() const;

      private:
        friend class ConnectionPlaces;

        ConnectionPlaces& places_;
        const int socket_;
        bool is_waiting_ = false, is_evicted_ = false;
        Clock::time_point since_{};
    };

    explicit ConnectionPlaces(std::size_t n_places) : n_free_(n_places), n_places_(n_places) {}

    /// Waits for a place, and evicts another connection if there is none.
    void take();
    void give_back();

    /// Waits until all places are free, when the service ends.
    void clear();

  private:
    template <class Done>
    void make_room(std::unique_lock<std::mutex>& lock, Clock::duration grace, Done&& done);

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::size_t n_free_;
    const std::size_t n_places_;
    std::size_t n_wanted_ = 0;  // places that new connections wait for
    bool is_ending_ = false;
    std::vector<Connection*> connections_;
};
