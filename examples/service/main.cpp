// Serves exemplar-SVM searches over the rows of a .npy file by HTTP.

#include <httplib.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <exemplar_svm/error.hpp>
#include <exemplar_svm/index.hpp>
#include <exemplar_svm/version.hpp>
#include <stdexcept>
#include <string_view>
#include <thread>

#include "guarded_server.hpp"
#include "npy.hpp"
#include "service.hpp"

namespace esvm = exemplar_svm;

namespace {

constexpr std::size_t max_searches = 64;

// Each connection takes a thread, which mostly waits for a request or for a slot. Connections
// beyond the searches that run or wait are left for other requests, such as /health.
constexpr std::size_t max_waiting = 48, other_connections = 16;

constexpr std::chrono::milliseconds drain_time{1000};

struct Options {
    const char* rows = nullptr;
    int port = 8080;
    std::size_t n_searches = std::max(1U, std::thread::hardware_concurrency());
    const char* host = "127.0.0.1";
};

template <class Number>
Number parse(std::string_view text, const char* name, Number least, Number most) {
    Number number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    esvm::require(error == std::errc() && end == text.data() + text.size() && number >= least &&
                      number <= most,
                  std::string(name) + " must be from " + std::to_string(least) + " to " +
                      std::to_string(most));
    return number;
}

Options parse_options(int argc, char** argv) {
    esvm::require(argc >= 2 && argc <= 5, "one to four arguments are expected");
    Options options;
    options.rows = argv[1];
    if (argc > 2) options.port = parse(argv[2], "PORT", 0, 65535);
    if (argc > 3) options.n_searches = parse<std::size_t>(argv[3], "THREADS", 1, max_searches);
    if (argc > 4) options.host = argv[4];
    return options;
}

/// The signals that ask the service to end. They are blocked in the thread that makes this object
/// and in the threads it starts later, so they interrupt nothing.
class EndSignals {
  public:
    EndSignals() {
        sigemptyset(&set_);
        sigaddset(&set_, SIGTERM);
        sigaddset(&set_, SIGINT);
        pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    }

    void wait() const {
        int signal = 0;
        while (sigwait(&set_, &signal) != 0) {}
    }

    /// @return whether another signal came before the time was over
    bool wait_for(std::chrono::milliseconds duration) const {
        const timespec time{.tv_sec = static_cast<time_t>(duration.count() / 1000),
                            .tv_nsec = static_cast<long>(duration.count() % 1000 * 1'000'000)};
        return sigtimedwait(&set_, nullptr, &time) >= 0;
    }

  private:
    sigset_t set_{};
};

/// @return the port
int bind(httplib::Server& server, const Options& options) {
    int listening = -1;
    server.set_socket_options([&listening](int socket) {
        listening = socket;
        // httplib's default, SO_REUSEPORT, would let two services share a port unawares.
        const int yes = 1;
        setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    });
    const int port = options.port == 0
                         ? server.bind_to_any_port(options.host)
                         : (server.bind_to_port(options.host, options.port) ? options.port : -1);
    esvm::require(port > 0, "cannot listen on " + std::string(options.host) + ":" +
                                std::to_string(options.port));
    // httplib was compiled for five connections that wait to be accepted. A larger burst drops
    // some; their clients try again after a second.
    ::listen(listening, SOMAXCONN);
    return port;
}

int run(const Options& options) {
    const EndSignals end_signals;
    const MappedFile file(options.rows);
    const esvm::Index<float> index(npy_rows(file));
    Service service(index, options.n_searches, max_waiting);

    GuardedServer server(options.n_searches + max_waiting + other_connections,
                         service.limits().max_body(),
                         [&service](int code) { service.count_refusal(code); });
    service.serve_on(server);
    // Headers and body of an answer are sent apart, and must not wait for each other.
    server.set_tcp_nodelay(true);
    const int port = bind(server, options);
    std::printf("exemplar_svm %s: %zu rows of %zu features on http://%s:%d, %zu searches at once\n",
                esvm::version(), index.n_rows(), index.n_features(), options.host, port,
                options.n_searches);
    std::fflush(stdout);

    std::atomic<bool> asked_to_end{false};
    std::atomic<bool> ended{false};
    std::thread ending([&] {
        end_signals.wait();
        if (ended) return;
        asked_to_end = true;
        std::puts("draining");
        std::fflush(stdout);
        service.drain();
        // Time for load balancers to see it; a second signal cuts it short.
        end_signals.wait_for(drain_time);
        // A server that does not run yet would miss the request to stop.
        while (!server.is_running() && !ended) std::this_thread::yield();
        server.stop();
    });
    // Returns when every request under way has been answered.
    server.listen_after_bind();
    ended = true;
    pthread_kill(ending.native_handle(),
                 SIGTERM);  // the socket has failed and this thread still waits
    ending.join();
    std::puts(asked_to_end ? "ended" : "the listening socket failed");
    return asked_to_end ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(parse_options(argc, argv));
    } catch (const std::exception& error) {
        std::fprintf(stderr,
                     "service: %s\n"
                     "usage: service ROWS.npy [PORT] [THREADS] [HOST]\n",
                     error.what());
        return 2;
    }
}
