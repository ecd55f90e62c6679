#pragma once

// BINRPC over unix stream, unix datagram, TCP and UDP, as Kamailio's `ctl` serves it. No client can
// hold up the control thread or another client: nothing blocks, each turn does bounded work, and
// what a client has outstanding is bounded.
//
// Bounds:  kConnectionsMax streams; beyond, the one whose last whole request is longest ago goes.
//          kRequestMax bytes of request; kBacklogMax reply bytes before the next request is looked
//          at; kPendingMax reply bytes for all clients; kStallSeconds without taking a byte of a
//          reply. Idle and half-finished connections stay, as in Kamailio.
// Threads: the io_context's one thread.
// Source:  spec/binrpc.md 1, 5, 6.

#include <memory>
#include <string>
#include <vector>

#include "cp/rpc/methods.h"
#include "cp/rpc/socket.h"

namespace asio {
class io_context;
}

namespace lb::rpc {

inline constexpr std::size_t kConnectionsMax = 128;
inline constexpr std::size_t kBacklogMax = 256 * 1024;
inline constexpr std::size_t kPendingMax = 256 * 1024 * 1024;
inline constexpr int kStallSeconds = 60;

class BinrpcServer final : public SocketDirectory {
public:
    BinrpcServer(asio::io_context& io, cp::Control& control);
    ~BinrpcServer() override;

    Status listen(const SocketName& name, const FileRights& rights);

    std::vector<SocketInfo> listeners() const override;
    std::vector<SocketInfo> connections() const override;

    struct Impl;

private:
    std::shared_ptr<Impl> impl_;
};

}  // namespace lb::rpc
