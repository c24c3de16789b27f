#include "guarded_server.hpp"

#include <unistd.h>

#include <utility>

#include "connection_threads.hpp"
#include "request.hpp"

GuardedServer::GuardedServer(std::size_t n_connections, std::size_t max_body,
                             std::function<void(int)> refused, const Patience& patience)
    : places_(n_connections),
      max_body_(max_body),
      refused_(std::move(refused)),
      patience_(patience) {
    set_payload_max_length(max_body);
    set_keep_alive_max_count(1000);
    new_task_queue = [this, n_connections] {
        return new ConnectionThreads(places_, n_connections);
    };
}

bool GuardedServer::process_and_close_socket(socket_t socket) {
    try {
        ClientStream client(socket, places_, patience_);
        serve(client);
    } catch (...) {
        // Memory has run out before httplib has a request to answer. No other code would catch
        // this.
    }
    ::close(socket);
    return true;
}

void GuardedServer::serve(ClientStream& client) {
    for (std::size_t left = keep_alive_max_count_; left > 0; --left) {
        try {
            if (!client.await_request(max_body_)) return;
        } catch (const RequestError& error) {
            refused_(error.code());
            client.refuse(error.code(), error.what());
            return;
        }
        const bool is_last = left == 1 || client.is_in_the_way();
        if (is_last) client.close_after_answer();
        bool client_leaves = false;
        const bool is_answered = process_request(client, is_last, client_leaves, nullptr);
        if (!is_answered || client_leaves || client.is_closing()) return;
    }
}
