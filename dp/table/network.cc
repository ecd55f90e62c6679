#include "dp/table/network.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "dp/base/assert.h"
#include "dp/table/hash_index.h"
#include "dp/table/prefix_trie.h"

namespace lb::table {
namespace {

std::uint64_t hash_of_port(std::uint16_t device, std::uint16_t vlan) noexcept {
    return ((static_cast<std::uint64_t>(device) << 16) | vlan) * 0x9e3779b97f4a7c15;
}

std::uint64_t hash_of_neighbour(InterfaceIndex interface, const IpAddress& address) noexcept {
    return hash_of(address) + interface * 0x9e3779b97f4a7c15;
}

// A route as a lookup answers it; `gateway_mac` is looked up when the table is built.
struct NextHop {
    InterfaceIndex interface = kNoInterface;
    IpAddress gateway;
    const MacAddress* gateway_mac = nullptr;
};

template <class Entry, class Hash>
HashIndex index_of(const std::vector<Entry>& entries, Hash hash) {
    std::vector<std::uint64_t> hashes;
    hashes.reserve(entries.size());
    for (const Entry& entry : entries) hashes.push_back(hash(entry));
    return HashIndex(hashes);
}

// A subnet that the kernel's routes do not mention (a port without a TAP twin) is on link all the
// same; where they do mention it, any metric of theirs wins.
void add_connected_routes(NetworkState& state) {
    for (std::size_t i = 0; i < state.interfaces.size(); ++i) {
        for (const Prefix& prefix : state.interfaces[i].addresses) {
            if (prefix.length == prefix.address.bits()) continue;  // only itself is there
            state.routes.push_back({prefix.network(), static_cast<InterfaceIndex>(i), IpAddress(),
                                    std::numeric_limits<std::uint32_t>::max()});
        }
    }
}

bool is_usable(const RouteEntry& route, std::size_t interfaces) {
    const bool family_fits =
        route.gateway.is_none() || route.gateway.family() == route.prefix.address.family();
    return route.interface < interfaces && !route.prefix.address.is_none() && family_fits &&
           route.prefix.length <= route.prefix.address.bits();
}

void drop_unusable(NetworkState& state) {
    const std::size_t count = std::min<std::size_t>(state.interfaces.size(), kInterfacesMax);
    state.interfaces.resize(count);
    std::erase_if(state.routes, [&](const RouteEntry& route) { return !is_usable(route, count); });
    std::erase_if(state.neighbours, [&](const NeighbourEntry& entry) {
        return entry.interface >= count || entry.address.is_none() || entry.mac.is_zero();
    });
}

}  // namespace

struct Network::Impl {
    NetworkState state;
    std::vector<IpAddress> own;
    std::vector<NextHop> hops;
    HashIndex ports, own_index, neighbour_index;
    PrefixTrie ipv4{8}, ipv6{4};

    const MacAddress* find_mac(InterfaceIndex interface, const IpAddress& address) const noexcept {
        const std::uint32_t at =
            neighbour_index.find(hash_of_neighbour(interface, address), [&](std::uint32_t i) {
                return state.neighbours[i].interface == interface &&
                       state.neighbours[i].address == address;
            });
        return at == HashIndex::kNone ? nullptr : &state.neighbours[at].mac;
    }

    // Shorter prefixes first, and of equal ones the best metric last, as PrefixTrie::insert() needs
    // it.
    void insert_routes() {
        std::stable_sort(state.routes.begin(), state.routes.end(),
                         [](const RouteEntry& a, const RouteEntry& b) {
                             if (a.prefix.length != b.prefix.length) {
                                 return a.prefix.length < b.prefix.length;
                             }
                             return a.metric > b.metric;
                         });
        for (const RouteEntry& route : state.routes) {
            PrefixTrie& trie = route.prefix.address.is_ipv4() ? ipv4 : ipv6;
            trie.insert(route.prefix, static_cast<std::uint32_t>(hops.size()));
            const MacAddress* const mac =
                route.gateway.is_none() ? nullptr : find_mac(route.interface, route.gateway);
            hops.push_back({route.interface, route.gateway, mac});
        }
    }

    // REQUIRES: `state` complete; it must not move afterwards, hops point into it.
    void make_indexes() {
        for (const Interface& entry : state.interfaces) {
            for (const Prefix& prefix : entry.addresses) own.push_back(prefix.address);
        }
        ports = index_of(state.interfaces, [](const Interface& entry) {
            return hash_of_port(entry.device, entry.vlan);
        });
        own_index = index_of(own, [](const IpAddress& address) { return hash_of(address); });
        neighbour_index = index_of(state.neighbours, [](const NeighbourEntry& entry) {
            return hash_of_neighbour(entry.interface, entry.address);
        });
        insert_routes();
    }
};

Network::Network() : impl_(std::make_unique<Impl>()) {}
Network::~Network() = default;

std::unique_ptr<const Network> Network::build(NetworkState state) {
    std::unique_ptr<Network> network(new Network);
    drop_unusable(state);
    add_connected_routes(state);
    network->impl_->state = std::move(state);
    network->impl_->make_indexes();
    return network;
}

const std::vector<Interface>& Network::interfaces() const noexcept {
    return impl_->state.interfaces;
}

const Interface& Network::interface(InterfaceIndex index) const noexcept {
    LB_ASSERT(index < impl_->state.interfaces.size());
    return impl_->state.interfaces[index];
}

InterfaceIndex Network::find_interface(std::uint16_t device, std::uint16_t vlan) const noexcept {
    const auto& interfaces = impl_->state.interfaces;
    const std::uint32_t at = impl_->ports.find(hash_of_port(device, vlan), [&](std::uint32_t i) {
        return interfaces[i].device == device && interfaces[i].vlan == vlan;
    });
    return at == HashIndex::kNone ? kNoInterface : static_cast<InterfaceIndex>(at);
}

bool Network::owns(const IpAddress& address) const noexcept {
    return impl_->own_index.find(hash_of(address), [&](std::uint32_t i) {
        return impl_->own[i] == address;
    }) != HashIndex::kNone;
}

Hop Network::resolve(const IpAddress& target) const noexcept {
    if (target.is_none()) return {};
    const PrefixTrie& trie = target.is_ipv4() ? impl_->ipv4 : impl_->ipv6;
    const std::uint32_t at = trie.find(target.data());
    if (at == PrefixTrie::kNone) return {};
    const NextHop& hop = impl_->hops[at];
    if (!hop.gateway.is_none()) return {hop.interface, hop.gateway, hop.gateway_mac};
    return {hop.interface, target, impl_->find_mac(hop.interface, target)};
}

std::size_t Network::memory_bytes() const noexcept {
    const NetworkState& state = impl_->state;
    std::size_t bytes = sizeof(Network) + sizeof(Impl);
    for (const Interface& entry : state.interfaces) {
        bytes +=
            sizeof(Interface) + entry.name.capacity() + entry.addresses.capacity() * sizeof(Prefix);
    }
    bytes += state.routes.capacity() * sizeof(RouteEntry) +
             state.neighbours.capacity() * sizeof(NeighbourEntry) +
             impl_->own.capacity() * sizeof(IpAddress) + impl_->hops.capacity() * sizeof(NextHop);
    return bytes + impl_->ports.memory_bytes() + impl_->own_index.memory_bytes() +
           impl_->neighbour_index.memory_bytes() + impl_->ipv4.memory_bytes() +
           impl_->ipv6.memory_bytes();
}

}  // namespace lb::table
