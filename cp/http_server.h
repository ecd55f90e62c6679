#pragma once

// The HTTP side of the daemon:
//
//   GET  /          a page for people          GET  /healthz   200, or 503 and a sentence
//   GET  /metrics   for Prometheus             POST /jsonrpc   JSON-RPC 2.0
//
// Bounds:  kThreads requests at a time, kBacklog connections waiting in the kernel; bytes and times
//          of each in http_connection.h. One request a connection.
// Threads: its own, a little less favoured than the control thread's. They share with the control
//          thread one immutable Report, made there at most once in kReportAge; a JSON-RPC request
//          runs there. No byte of a client is ever waited for on the control thread.
// Errors:  503 if the control thread does not get to it within kPatience.
// Notes:   there is no password. A page in an operator's browser must not give orders: a POST with
//          an Origin header is refused (Fetch standard, 3.1: every browser sends one).

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "cp/http_answer.h"
#include "cp/report.h"
#include "dp/base/address.h"
#include "dp/base/result.h"

namespace asio {
class io_context;
}

namespace lb::cp {

// Both run on the control thread.
struct HttpSources {
    std::function<Report()> report;
    std::function<HttpAnswer(std::string_view body)> jsonrpc;
};

class HttpServer {
public:
    static constexpr unsigned kThreads = 8;
    static constexpr int kBacklog = 64;
    static constexpr std::chrono::milliseconds kReportAge{1000};
    static constexpr std::chrono::milliseconds kPatience{2000};

    // Port 0: any, see local(). `io` and what `sources` refer to outlive the server.
    static Result<std::unique_ptr<HttpServer>> create(asio::io_context& io, const Endpoint& listen,
                                                      HttpSources sources);
    // On the control thread, as create(). Its threads have ended when it returns.
    ~HttpServer();
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;

    const Endpoint& local() const noexcept;
    // A sentence for the log if others than this host can reach it, else empty.
    std::string warning() const;

private:
    struct Impl;
    explicit HttpServer(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace lb::cp
