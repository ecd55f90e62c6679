#pragma once

// Where a ping to a destination goes and where it is sent from (spec/dispatcher.md 5.1, last
// lines).
//
// Threads: the control thread only.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cp/dispatcher.h"
#include "dp/base/address.h"

namespace lb::cp {

struct PingListener {
    Endpoint endpoint;
    std::string name;  // sockname
};

// Where a ping goes, as far as that is known now.
struct PingHop {
    std::optional<Endpoint> endpoint;  // nothing, and not `asking`: the name does not resolve
    bool asking = false;               // the answer comes later

    bool operator==(const PingHop&) const = default;
};

// Resolves the host of a next hop that is no address, without waiting; empty: names do not resolve.
using HopResolver = std::function<PingHop(std::string_view host, std::uint16_t port)>;

class PingRoute {
public:
    struct Options {
        std::vector<PingListener> listeners;
        std::string outbound_proxy;
        std::string ds_default_socket, ds_default_sockname, ds_ping_socket;
        HopResolver resolve;
        // True if what `remote` is sent leaves by an interface that has this address of ours;
        // empty: never.
        std::function<bool(const IpAddress& local, const IpAddress& remote)> on_the_way;
    };
    explicit PingRoute(Options options) : options_(std::move(options)) {}

    // Next hop: attribute obproxy, else outbound_proxy, else the destination.
    PingHop remote(const Destination& destination) const;

    // The first of these that names a listener of the family: attributes ping_socket, sockname,
    // socket, then ds_ping_socket, ds_default_sockname, ds_default_socket; then a listener on the
    // way to `remote`, as relayed requests have it; then the first listener. Nothing if there is
    // none.
    std::optional<Endpoint> local(const Destination& destination, const IpAddress& remote) const;

private:
    std::optional<Endpoint> by_way(const IpAddress& remote) const;
    std::optional<Endpoint> by_socket(std::string_view text, Family family) const;
    std::optional<Endpoint> by_name(std::string_view name, Family family) const;

    Options options_;
};

}  // namespace lb::cp
