#pragma once

#include <httplib.h>

#include <cstddef>
#include <functional>

#include "client_stream.hpp"
#include "connection_places.hpp"

/// A server that its clients cannot starve: a guard in front of httplib's reading of requests,
/// which has no limit on the time and the size of a whole head, and does not look at two lengths.
class GuardedServer : public httplib::Server {
  public:
    /// @param n_connections  each holds a thread
    /// @param refused  is told the code of every request that was refused before httplib saw it
    GuardedServer(std::size_t n_connections, std::size_t max_body, std::function<void(int)> refused,
                  const Patience& patience = {});

  private:
    bool process_and_close_socket(socket_t socket) override;
    void serve(ClientStream& client);

    ConnectionPlaces places_;
    const std::size_t max_body_;
    const std::function<void(int)> refused_;
    const Patience patience_;
};
