#pragma once

// All control sockets of the daemon, from the [rpc] section of its configuration.
//
// Threads: the io_context's one thread. Lifetime: io and control outlive it.

#include <memory>
#include <string>
#include <vector>

#include "cp/config.h"
#include "cp/control.h"
#include "cp/http_answer.h"
#include "cp/rpc/methods.h"

namespace asio {
class io_context;
}

namespace lb::rpc {

class RpcServers {
public:
    // Opens every socket; the first that cannot be opened is the error, and none stays.
    static Result<std::unique_ptr<RpcServers>> create(asio::io_context& io,
                                                      const cp::RpcConfig& config,
                                                      cp::Control& control);
    ~RpcServers();

    // Sentences for the log, such as a TCP socket that others than this host can reach.
    const std::vector<std::string>& warnings() const noexcept;

    // What an HTTP POST of a JSON-RPC request is answered with. The control thread only.
    cp::HttpAnswer answer_http(std::string_view body);

    struct Impl;

private:
    explicit RpcServers(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace lb::rpc
