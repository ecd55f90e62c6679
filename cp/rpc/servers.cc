#include "cp/rpc/servers.h"

#include <asio/io_context.hpp>

#include "cp/rpc/binrpc_server.h"
#include "cp/rpc/jsonrpc.h"
#include "cp/rpc/jsonrpc_server.h"

namespace lb::rpc {

struct RpcServers::Impl {
    Impl(asio::io_context& io, const cp::RpcConfig& config, cp::Control& the_control)
        : control(the_control),
          binrpc(io, the_control),
          jsonrpc(io, the_control, binrpc, config.reply_dir, JsonStyle{config.json_pretty}) {}

    cp::Control& control;
    BinrpcServer binrpc;
    JsonrpcServer jsonrpc;
    std::vector<std::string> warnings;
};

namespace {

// No user name or password protects a control socket: whoever reaches it may do everything.
void warn_if_reachable(const SocketName& name, std::vector<std::string>& warnings) {
    if (name.is_path()) return;
    const Result<SystemAddress> address = resolve(name);
    if (!address || address->is_loopback()) return;
    warnings.push_back("control socket " + std::string(name.transport()) + ":" + name.host + ":" +
                       std::to_string(name.port) +
                       " is open to other hosts, and BINRPC asks nobody for a password");
}

template <class Server>
Status open_all(Server& server, const std::vector<std::string>& names, const FileRights& rights,
                std::vector<std::string>& warnings) {
    for (const std::string& text : names) {
        const Result<SocketName> name = parse_socket_name(text);
        if (!name) return failed(name.error());
        const Status opened = server.listen(*name, rights);
        if (!opened) return opened;
        warn_if_reachable(*name, warnings);
    }
    return {};
}

}  // namespace

RpcServers::RpcServers(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RpcServers::~RpcServers() = default;

Result<std::unique_ptr<RpcServers>> RpcServers::create(asio::io_context& io,
                                                       const cp::RpcConfig& config,
                                                       cp::Control& control) {
    auto impl = std::make_unique<Impl>(io, config, control);
    const FileRights rights{config.mode, config.owner, config.group};
    Status opened = open_all(impl->binrpc, config.binrpc, rights, impl->warnings);
    if (opened) opened = open_all(impl->jsonrpc, config.jsonrpc, rights, impl->warnings);
    if (!opened) return failed(opened.error());
    return std::unique_ptr<RpcServers>(new RpcServers(std::move(impl)));
}

const std::vector<std::string>& RpcServers::warnings() const noexcept { return impl_->warnings; }

cp::HttpAnswer RpcServers::answer_http(std::string_view body) {
    Context context{impl_->control, impl_->binrpc};
    return answer_json_post(context, body);
}

}  // namespace lb::rpc
