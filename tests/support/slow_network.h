#pragma once

// The slow, obvious twin of table::Network::resolve(): looks at every route.

#include "dp/table/network.h"

namespace lb::test {

inline table::Hop slow_resolve(const table::NetworkState& state, const IpAddress& target) {
    std::vector<table::RouteEntry> routes = state.routes;
    for (std::size_t i = 0; i < state.interfaces.size(); ++i) {
        for (const Prefix& prefix : state.interfaces[i].addresses) {
            if (prefix.length == prefix.address.bits()) continue;
            routes.push_back(
                {prefix, static_cast<table::InterfaceIndex>(i), IpAddress(), 0xffffffff});
        }
    }
    const table::RouteEntry* best = nullptr;
    for (const table::RouteEntry& route : routes) {
        const bool nowhere = route.interface == table::kNoInterface;
        if (route.interface >= state.interfaces.size() && !nowhere) continue;
        if (!route.prefix.contains(target)) continue;
        if (best == nullptr || route.prefix.length > best->prefix.length ||
            (route.prefix.length == best->prefix.length && route.metric < best->metric)) {
            best = &route;
        }
    }
    if (best == nullptr || best->interface == table::kNoInterface) return {};
    table::Hop hop{best->interface, best->gateway.is_none() ? target : best->gateway, nullptr};
    for (const table::NeighbourEntry& entry : state.neighbours) {
        if (entry.interface == hop.interface && entry.address == hop.neighbour &&
            hop.mac == nullptr) {
            hop.mac = &entry.mac;
        }
    }
    return hop;
}

}  // namespace lb::test
