#include "dp/table/network.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace lb::table {
namespace {

std::uint64_t hash_of_port(std::uint16_t device, std::uint16_t vlan) noexcept {
    return ((static_cast<std::uint64_t>(device) << 16) | vlan) * 0x9e3779b97f4a7c15;
}

std::uint64_t hash_of_neighbour(InterfaceIndex interface, const IpAddress& address) noexcept {
    return hash_of(address) + interface * 0x9e3779b97f4a7c15;
}

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

// A route by kNoInterface leads nowhere, and says so for its prefix: no shorter one takes over.
bool is_usable(const RouteEntry& route, std::size_t interfaces) {
    const bool family_fits =
        route.gateway.is_none() || route.gateway.family() == route.prefix.address.family();
    const bool leads = route.interface < interfaces || route.interface == kNoInterface;
    return leads && !route.prefix.address.is_none() && family_fits &&
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

const MacAddress* Network::find_mac(InterfaceIndex interface,
                                    const IpAddress& address) const noexcept {
    const std::uint32_t at =
        neighbour_index_.find(hash_of_neighbour(interface, address), [&](std::uint32_t i) {
            return state_.neighbours[i].interface == interface &&
                   state_.neighbours[i].address == address;
        });
    return at == HashIndex::kNone ? nullptr : &state_.neighbours[at].mac;
}

// Shorter prefixes first, and of equal ones the best metric last, as PrefixTrie::insert() needs it.
void Network::insert_routes() {
    // The last one stays in the trie. Of equals that is the first, as in the kernel.
    std::reverse(state_.routes.begin(), state_.routes.end());
    std::stable_sort(state_.routes.begin(), state_.routes.end(),
                     [](const RouteEntry& a, const RouteEntry& b) {
                         if (a.prefix.length != b.prefix.length) {
                             return a.prefix.length < b.prefix.length;
                         }
                         return a.metric > b.metric;
                     });
    for (const RouteEntry& route : state_.routes) {
        PrefixTrie& trie = route.prefix.address.is_ipv4() ? ipv4_ : ipv6_;
        trie.insert(route.prefix, static_cast<std::uint32_t>(by_route_.size()));
        by_route_.push_back(make_hop(route.interface, route.gateway, kCuttable));
    }
}

Hop Network::make_hop(InterfaceIndex index, const IpAddress& neighbour,
                      std::size_t plain_max) const noexcept {
    constexpr std::size_t kHeaders = net::kIpv6Header + net::kUdpHeader;
    if (index == kNoInterface) return {};
    Hop hop{index, neighbour};
    if (neighbour.is_none()) return hop;
    hop.mac = find_mac(index, neighbour);
    const Interface& out = interface(index);
    if (hop.mac == nullptr || !neighbour.is_ipv4() || out.vlan != net::kNoVlan) return hop;
    const std::size_t fits = out.mtu < kHeaders ? 0 : out.mtu - kHeaders + 1;
    hop.plain_end = static_cast<std::uint16_t>(std::min(fits, plain_max));
    hop.ethernet = {out.mac, *hop.mac};
    return hop;
}

// Most of what leaves goes to a neighbour: one probe answers for those, with what the routes say.
void Network::find_on_link() {
    for (const NeighbourEntry& entry : state_.neighbours) {
        if (owns(entry.address) || !is_plain_host(entry.address)) continue;
        Hop room;
        const Hop& hop = resolve_by_route(entry.address, room);
        if (hop.mac == &entry.mac && hop.neighbour == entry.address) on_link_.push_back(hop);
    }
    on_link_index_ = index_of(on_link_, [](const Hop& hop) { return hash_of(hop.neighbour); });
}

void Network::make_indexes() {
    count_ = state_.interfaces.size();
    for (std::size_t i = 0; i < count_; ++i) {
        const Interface& entry = state_.interfaces[i];
        for (const Prefix& prefix : entry.addresses) own_.push_back(prefix.address);
        if (entry.vlan != net::kNoVlan) continue;
        if (ports_.size() <= entry.device) ports_.resize(entry.device + 1U);
        Port& of_device = ports_[entry.device];
        if (of_device.interface == kNoInterface)
            of_device = {entry.mac, static_cast<InterfaceIndex>(i)};
    }
    untagged_end_ = ports_.size();
    for (std::size_t i = 0; i < count_; ++i)
        ports_.push_back({state_.interfaces[i].mac, static_cast<InterfaceIndex>(i)});
    tagged_index_ = index_of(state_.interfaces, [](const Interface& entry) {
        return hash_of_port(entry.device, entry.vlan);
    });
    own_index_ = index_of(own_, [](const IpAddress& address) { return hash_of(address); });
    neighbour_index_ = index_of(state_.neighbours, [](const NeighbourEntry& entry) {
        return hash_of_neighbour(entry.interface, entry.address);
    });
    make_quads();
    insert_routes();
    find_on_link();
}

void Network::make_quads() {
    own_quads_.fill(kNobody);
    own_quads_[quad_slot(kNobody)] = kAskIndex;
    for (const IpAddress& address : own_) {
        if (!address.is_ipv4()) continue;
        const std::uint32_t quad = quad_of(address);
        std::uint32_t& slot = own_quads_[quad_slot(quad)];
        if (slot != quad) slot = slot == kNobody ? quad : kAskIndex;
    }
}

bool Network::owns_by_index(const IpAddress& address) const noexcept {
    const auto same = [&](std::uint32_t i) { return own_[i] == address; };
    return own_index_.find(hash_of(address), same) != HashIndex::kNone;
}

std::unique_ptr<const Network> Network::build(NetworkState state) {
    std::unique_ptr<Network> network(new Network);
    drop_unusable(state);
    add_connected_routes(state);
    network->state_ = std::move(state);
    network->make_indexes();
    return network;
}

const Port& Network::find_tagged(std::uint16_t device, std::uint16_t vlan) const noexcept {
    const auto& interfaces = state_.interfaces;
    const std::uint32_t at = tagged_index_.find(hash_of_port(device, vlan), [&](std::uint32_t i) {
        return interfaces[i].device == device && interfaces[i].vlan == vlan;
    });
    return at == HashIndex::kNone ? kNoPort : ports_[untagged_end_ + at];
}

const Hop& Network::resolve_by_route(const IpAddress& target, Hop& room) const noexcept {
    if (target.is_none()) return room = {};
    const PrefixTrie& trie = target.is_ipv4() ? ipv4_ : ipv6_;
    const std::uint32_t at = trie.find(target.data());
    if (at == PrefixTrie::kNone) return room = {};
    const Hop& hop = by_route_[at];
    return hop.neighbour.is_none() ? room = make_hop(hop.interface, target, UINT16_MAX) : hop;
}

std::size_t Network::memory_bytes() const noexcept {
    std::size_t bytes = sizeof(Network);
    for (const Interface& entry : state_.interfaces) {
        bytes +=
            sizeof(Interface) + entry.name.capacity() + entry.addresses.capacity() * sizeof(Prefix);
    }
    bytes += state_.routes.capacity() * sizeof(RouteEntry) +
             state_.neighbours.capacity() * sizeof(NeighbourEntry) +
             own_.capacity() * sizeof(IpAddress) +
             (by_route_.capacity() + on_link_.capacity()) * sizeof(Hop) +
             ports_.capacity() * sizeof(Port);
    return bytes + tagged_index_.memory_bytes() + own_index_.memory_bytes() +
           neighbour_index_.memory_bytes() + on_link_index_.memory_bytes() + ipv4_.memory_bytes() +
           ipv6_.memory_bytes();
}

}  // namespace lb::table
