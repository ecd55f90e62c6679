#include "cp/http_server.h"

#include <httplib.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "cp/handover.h"
#include "cp/http_connection.h"
#include "cp/metrics.h"
#include "cp/status_page.h"

namespace lb::cp {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kNice = 10;  // on a busy core the control thread goes first
constexpr char kPlain[] = "text/plain; charset=utf-8";

// The library's parser over our connection.
class Stream final : public httplib::Stream {
public:
    explicit Stream(HttpConnection& connection) : connection_(connection) {}
    bool is_readable() const override { return true; }
    bool is_writable() const override { return true; }
    ssize_t read(char* out, std::size_t size) override { return connection_.read(out, size); }
    ssize_t write(const char* data, std::size_t size) override {
        return connection_.write(data, size);
    }
    void get_remote_ip_and_port(std::string& ip, int& port) const override {
        tell(connection_.peer(), ip, port);
    }
    void get_local_ip_and_port(std::string& ip, int& port) const override {
        tell(connection_.local(), ip, port);
    }
    socket_t socket() const override { return connection_.fd(); }

private:
    static void tell(const Endpoint& endpoint, std::string& ip, int& port) {
        ip = endpoint.address.text();
        port = endpoint.port;
    }
    HttpConnection& connection_;
};

// The library's requests and routes, without its sockets, threads and time-outs: those wait for
// each byte anew, so that a slow client could keep a thread for hours.
class Routes final : public httplib::Server {
public:
    void serve(HttpConnection& connection) {
        Stream stream(connection);
        bool closed = false;
        process_request(stream, true, closed, [](httplib::Request& request) { tame(request); });
    }

private:
    static void drop(httplib::Request& request, const char* header) {
        request.headers.erase(header);
    }
    // Leaves out what costs much and gives us nothing.
    static void tame(httplib::Request& request) {
        const bool gzip =
            request.get_header_value("Accept-Encoding").find("gzip") != std::string::npos;
        drop(request, "Accept-Encoding");  // brotli at its best level takes seconds
        if (gzip) request.set_header("Accept-Encoding", "gzip");
        drop(request, "Content-Encoding");  // a small body that unpacks to a large one
        drop(request, "Range");
        request.ranges.clear();
        drop(request, "Content-Type");  // forms: parsed, and limited to 8 KiB
    }
};

Result<FileDescriptor> listen_on(const Endpoint& endpoint) {
    const auto refuse = [&](const char* what) {
        return failed(Errc::kUnavailable, "http: cannot " + std::string(what) + " " +
                                              endpoint.text() + ": " + std::strerror(errno));
    };
    const bool ipv6 = endpoint.address.is_ipv6();
    FileDescriptor fd(
        ::socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) return refuse("open a socket for");
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (ipv6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    // An address of a twin may come up after us.
    ::setsockopt(fd.get(), IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));

    sockaddr_storage storage{};
    socklen_t size = 0;
    if (ipv6) {
        sockaddr_in6 in6{};
        in6.sin6_family = AF_INET6;
        in6.sin6_port = htons(endpoint.port);
        std::memcpy(&in6.sin6_addr, endpoint.address.data(), sizeof(in6.sin6_addr));
        std::memcpy(&storage, &in6, size = sizeof(in6));
    } else {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_port = htons(endpoint.port);
        std::memcpy(&in.sin_addr, endpoint.address.data(), sizeof(in.sin_addr));
        std::memcpy(&storage, &in, size = sizeof(in));
    }
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&storage), size) != 0) {
        return refuse("bind");
    }
    if (::listen(fd.get(), HttpServer::kBacklog) != 0) return refuse("listen on");
    return fd;
}

Endpoint bound_to(int fd) {
    sockaddr_storage storage{};
    socklen_t size = sizeof(storage);
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
    return endpoint_of(&storage);
}

void say(httplib::Response& response, int status, const std::string& text) {
    response.status = status;
    response.set_content(text + "\n", kPlain);
}

std::string health_text(const Report& report) {
    return "ok: generation " + std::to_string(report.stats.generation) + ", " +
           std::to_string(report.stats.workers.size()) + " workers, " +
           std::to_string(report.destinations_total) + " destinations";
}

}  // namespace

struct HttpServer::Impl {
    Impl(asio::io_context& io, HttpSources given, FileDescriptor on)
        : sources(std::move(given)),
          handover(io),
          listener(std::move(on)),
          stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
          local(bound_to(listener.get())) {
        set_routes();
    }

    HttpSources sources;
    Handover handover;
    FileDescriptor listener;
    FileDescriptor stop;  // readable: the threads shall end
    Endpoint local;
    Routes routes;
    std::vector<std::thread> threads;

    std::mutex mutex;  // over a look at the report, so that one thread asks and the others wait
    std::shared_ptr<const Report> report;  // null: the control thread did not get to it
    std::optional<Clock::time_point> asked;

    void set_routes();
    void start_threads();
    void end_threads();
    void serve_all();
    std::optional<FileDescriptor> accept() const;
    std::shared_ptr<const Report> current();
    void with_report(httplib::Response& response,
                     const std::function<void(const Report& report)>& answer);
    void answer_jsonrpc(const httplib::Request& request, httplib::Response& response);
};

std::shared_ptr<const Report> HttpServer::Impl::current() {
    const std::lock_guard lock(mutex);
    if (asked && Clock::now() - *asked < kReportAge) return report;
    auto fresh = std::make_shared<Report>();
    const bool told = handover.run([&] { *fresh = sources.report(); }, kPatience);
    asked = Clock::now();
    report = told ? std::move(fresh) : nullptr;
    return report;
}

void HttpServer::Impl::with_report(httplib::Response& response,
                                   const std::function<void(const Report&)>& answer) {
    const std::shared_ptr<const Report> now = current();
    if (!now) return say(response, 503, "the control thread does not answer");
    answer(*now);
}

void HttpServer::Impl::answer_jsonrpc(const httplib::Request& request,
                                      httplib::Response& response) {
    if (request.has_header("Origin")) {
        return say(response, 403, "requests of web pages are refused: there is an Origin header");
    }
    // The library reads "1e9" as 1.
    const std::string length = request.get_header_value("Content-Length");
    if (length.find_first_not_of("0123456789") != std::string::npos) {
        return say(response, 400, "Content-Length is no number");
    }
    HttpAnswer answer;
    if (!handover.run([&] { answer = sources.jsonrpc(request.body); }, kPatience)) {
        return say(response, 503, "the control thread is busy; nothing was done");
    }
    response.status = answer.status;
    response.set_content(std::move(answer.body), "application/json");
}

void HttpServer::Impl::set_routes() {
    routes.set_payload_max_length(HttpConnection::kBodyBytesMax);
    routes.set_default_headers({{"Cache-Control", "no-store"},
                                {"X-Content-Type-Options", "nosniff"},
                                {"Content-Security-Policy",
                                 "default-src 'none'; style-src 'unsafe-inline'; "
                                 "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}});
    routes.Get("/", [this](const httplib::Request&, httplib::Response& response) {
        with_report(response, [&](const Report& now) {
            response.set_content(status_page(now), "text/html; charset=utf-8");
        });
    });
    routes.Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
        with_report(response, [&](const Report& now) {
            response.set_content(metrics_text(now), "text/plain; version=0.0.4; charset=utf-8");
        });
    });
    routes.Get("/healthz", [this](const httplib::Request&, httplib::Response& response) {
        with_report(response, [&](const Report& now) {
            if (!now.problem.empty()) return say(response, 503, now.problem);
            say(response, 200, health_text(now));
        });
    });
    routes.Post("/jsonrpc", [this](const httplib::Request& request, httplib::Response& response) {
        answer_jsonrpc(request, response);
    });
    routes.set_error_handler([](const httplib::Request&, httplib::Response& response) {
        if (!response.body.empty()) return;
        const std::string what = response.status == 404
                                     ? "not here: GET /, /metrics, /healthz or POST /jsonrpc"
                                     : "status " + std::to_string(response.status);
        say(response, response.status, what);
    });
}

std::optional<FileDescriptor> HttpServer::Impl::accept() const {
    for (;;) {
        std::array<pollfd, 2> wait{{{listener.get(), POLLIN, 0}, {stop.get(), POLLIN, 0}}};
        if (::poll(wait.data(), wait.size(), -1) < 0 && errno != EINTR) return std::nullopt;
        if (wait[1].revents != 0) return std::nullopt;
        FileDescriptor fd(
            ::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (fd) return fd;
        // Another thread was faster, or the client has gone. Without descriptors: not in a rush.
        const bool full = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
        if (full) std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
}

void HttpServer::Impl::serve_all() {
    ::setpriority(PRIO_PROCESS, 0, kNice);  // on Linux: of this thread
    while (std::optional<FileDescriptor> socket = accept()) {
        HttpConnection connection(std::move(*socket), stop.get());
        try {
            routes.serve(connection);
        } catch (const std::exception&) {
            // The library throws on some malformed requests; the connection ends, nothing else.
        }
    }
}

void HttpServer::Impl::start_threads() {
    // Signals are for the control thread.
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    for (unsigned i = 0; i < kThreads; ++i) threads.emplace_back([this] { serve_all(); });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void HttpServer::Impl::end_threads() {
    ::eventfd_write(stop.get(), 1);
    handover.close();
    for (std::thread& thread : threads) thread.join();
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() { impl_->end_threads(); }

Result<std::unique_ptr<HttpServer>> HttpServer::create(asio::io_context& io, const Endpoint& listen,
                                                       HttpSources sources) {
    Result<FileDescriptor> listener = listen_on(listen);
    if (!listener) return failed(std::move(listener).error());
    auto impl = std::make_unique<Impl>(io, std::move(sources), std::move(*listener));
    if (!impl->stop) return failed(Errc::kUnavailable, "http: no eventfd");
    impl->start_threads();
    return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

const Endpoint& HttpServer::local() const noexcept { return impl_->local; }

std::string HttpServer::warning() const {
    if (impl_->local.address.is_loopback()) return {};
    return "http.listen " + impl_->local.text() +
           " is open to other hosts: without a password they may read the status and, by "
           "/jsonrpc, run every command";
}

}  // namespace lb::cp
