#pragma once

#include <httplib.h>

#include <cstddef>
#include <functional>

#include "client_stream.hpp"
#include "connection_places.hpp"

/// A server that clients cannot starve. It checks requests before httplib reads them; httplib does
/// not limit the time and size of a whole head, and accepts two lengths.
class GuardedServer : public httplib::Server {
  public:
    /// @param n_connections  each takes a thread
    /// @param refused  called with the code of every request refused before httplib saw it
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
