#pragma once

// Every RPC method: one table with name, help and handler, the same for all wires.
//
// Threads: the control thread only.
// Source:  spec/dispatcher.md 6, spec/binrpc.md 8; the texts of replies and faults are interface.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cp/control.h"
#include "cp/rpc/params.h"
#include "cp/rpc/value.h"

namespace lb::rpc {

// One control socket, or one stream connection to it, as ctl.listen and ctl.who show them.
struct SocketInfo {
    std::string transport;  // unix_stream unix_dgram tcp udp
    std::string local, local_port;
    std::string peer, peer_port;  // connections only
};

// What ctl.* asks of the BINRPC server.
class SocketDirectory {
public:
    virtual ~SocketDirectory() = default;
    virtual std::vector<SocketInfo> listeners() const = 0;
    virtual std::vector<SocketInfo> connections() const = 0;
};

struct Context {
    cp::Control& control;
    const SocketDirectory& sockets;
};

struct Method {
    std::string_view name;
    std::string_view help;
    Reply (*call)(Context&, const Params&);
    bool list = false;   // in JSON its reply is an array
    bool newer = false;  // 5.6 does not have it: answered always, listed with compat = "6.1" only
};

// In strcmp order of their names.
std::span<const Method> methods() noexcept;
const Method* find_method(std::string_view name) noexcept;

// Runs a method, or answers fault 500 "command NAME not found".
Reply call(Context& context, std::string_view name, const Params& params);
Reply call(Context& context, const Method& method, const Params& params);

// Handlers, by file: methods_dispatcher.cc, methods_explain.cc, methods_siplane.cc,
// methods_trace.cc, methods_traffic.cc.
Reply dispatcher_add(Context&, const Params&);
Reply dispatcher_hash(Context&, const Params&);
Reply dispatcher_list(Context&, const Params&);
Reply dispatcher_oclist(Context&, const Params&);
Reply dispatcher_ping_active(Context&, const Params&);
Reply dispatcher_reload(Context&, const Params&);
Reply dispatcher_remove(Context&, const Params&);
Reply dispatcher_set_duid_state(Context&, const Params&);
Reply dispatcher_set_state(Context&, const Params&);
Reply siplane_drain(Context&, const Params&);
Reply siplane_explain(Context&, const Params&);
Reply siplane_reload_preview(Context&, const Params&);
Reply siplane_stats(Context&, const Params&);
Reply siplane_tables(Context&, const Params&);
Reply siplane_trace(Context&, const Params&);
Reply siplane_traffic(Context&, const Params&);
Reply siplane_undrain(Context&, const Params&);

}  // namespace lb::rpc
