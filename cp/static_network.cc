#include "cp/static_network.h"

#include "dp/base/assert.h"

namespace lb::cp {
namespace {

Prefix default_prefix(const IpAddress& gateway) {
    return *Prefix::parse(gateway.is_ipv6() ? "::/0" : "0.0.0.0/0");
}

void add_port(const PortConfig& port, table::InterfaceIndex index, table::NetworkState& state) {
    state.interfaces[index].addresses = port.addresses;
    for (const Prefix& address : port.addresses) {
        state.routes.push_back({address.network(), index, {}, 0});
    }
    for (const IpAddress& gateway : port.gateway) {
        state.routes.push_back({default_prefix(gateway), index, gateway, kGatewayMetric + index});
    }
    for (const auto& [address, mac] : port.neighbors) {
        state.neighbours.push_back({index, address, mac});
    }
}

}  // namespace

void add_static_network(const std::vector<PortConfig>& ports, table::NetworkState& state) {
    LB_ASSERT(ports.size() == state.interfaces.size());
    for (std::size_t i = 0; i < ports.size(); ++i) {
        if (ports[i].tap.empty()) add_port(ports[i], static_cast<table::InterfaceIndex>(i), state);
    }
}

}  // namespace lb::cp
