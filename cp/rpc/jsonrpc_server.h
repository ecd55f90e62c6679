#pragma once

// JSON-RPC over unix datagram sockets and FIFOs, as Kamailio's `jsonrpcs` serves it to kamcli and
// kamctl.
//
// Bounds:  kJsonDatagramMax and kFifoRequestMax bytes of request; kRepliesMax replies wait for
// their
//          FIFO's reader, each for kReplyTries tries and kReplySeconds; a request on a FIFO that
//          does not end within kPartSeconds is dropped, so that the next client finds the FIFO
//          clean.
// Threads: the io_context's one thread.
// Source:  spec/jsonrpc.md.

#include <memory>
#include <string>

#include "cp/rpc/json_text.h"
#include "cp/rpc/methods.h"
#include "cp/rpc/socket.h"

namespace asio {
class io_context;
}

namespace lb::rpc {

inline constexpr std::size_t kJsonDatagramMax = 65456;
inline constexpr std::size_t kFifoRequestMax = 8191;
inline constexpr std::size_t kRepliesMax = 64;
inline constexpr int kReplyTries = 5;
inline constexpr int kReplySeconds = 5;
inline constexpr int kPartSeconds = 2;

class JsonrpcServer {
public:
    JsonrpcServer(asio::io_context& io, cp::Control& control, const SocketDirectory& sockets,
                  std::string reply_dir, JsonStyle style);
    ~JsonrpcServer();

    Status listen(const SocketName& name, const FileRights& rights);

    struct Impl;

private:
    std::shared_ptr<Impl> impl_;
};

}  // namespace lb::rpc
