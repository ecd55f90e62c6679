#pragma once

// Where addresses are: our interfaces and their addresses, routes (longest prefix first) and
// neighbours. Built by the control plane from config and netlink, then never changed.
//
// Threads: immutable after build(); any thread reads.

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dp/base/address.h"
#include "dp/base/assert.h"
#include "dp/base/limits.h"
#include "dp/net/frame.h"
#include "dp/net/packet.h"
#include "dp/table/hash_index.h"
#include "dp/table/prefix_trie.h"

namespace lb::table {

// One [[port]] entry: a device, or one VLAN of it.
struct Interface {
    std::string name;
    std::uint16_t device = 0;  // index of the DPDK device, as in net::Packet::device
    std::uint16_t vlan = net::kNoVlan;
    MacAddress mac;
    std::uint16_t mtu = 1500;  // of the IP packet
    std::vector<Prefix> addresses;

    friend bool operator==(const Interface&, const Interface&) = default;
};

using InterfaceIndex = std::uint16_t;
inline constexpr InterfaceIndex kNoInterface = 0xffff;

// An interface as frames are told by that come in by it.
struct Port {
    MacAddress mac;
    InterfaceIndex interface = kNoInterface;
};

struct RouteEntry {
    Prefix prefix;
    InterfaceIndex interface = kNoInterface;  // kNoInterface: what it covers has no route
    IpAddress gateway;                        // none: on link
    std::uint32_t metric = 0;                 // lower wins among equal prefixes

    friend bool operator==(const RouteEntry&, const RouteEntry&) = default;
};

struct NeighbourEntry {
    InterfaceIndex interface = kNoInterface;
    IpAddress address;
    MacAddress mac;

    friend bool operator==(const NeighbourEntry&, const NeighbourEntry&) = default;
};

// What build() is given; the control plane's mirror of the kernel.
struct NetworkState {
    std::vector<Interface> interfaces;
    std::vector<RouteEntry> routes;
    std::vector<NeighbourEntry> neighbours;

    friend bool operator==(const NetworkState&, const NetworkState&) = default;
};

// A UDP payload of this size or more may be too large for a link behind a gateway, a tunnel for
// instance: no link that matters takes less than IPv6 asks for (RFC 8200 5). Over IPv4 it leaves
// without DF (RFC 791 2.3), as nobody here would hear what a router has to say about it.
inline constexpr std::size_t kCuttable = 1280 - net::kIpv4Header - net::kUdpHeader + 1;

// How a datagram to one address leaves us.
struct Hop {
    InterfaceIndex interface = kNoInterface;  // kNoInterface: no route
    IpAddress neighbour;                      // the gateway, or the target itself
    const MacAddress* mac = nullptr;          // null: not known (yet), the kernel must resolve it
    // A UDP payload below this size leaves in one plain frame (dp/net/frame.h), with that Ethernet
    // header and DF. 0 if it needs a tag, is IPv6, or the MAC is not known.
    std::uint16_t plain_end = 0;
    net::PlainEthernet ethernet{};
};

class Network {
public:
    // Never fails: entries that name an interface out of range, a gateway of the other family or no
    // MAC are left out. Subnets of the interfaces' addresses are on link unless a route for the
    // same prefix says otherwise. Of neighbours with the same interface and address the first
    // stays. Cost: linear, about 0.1 us per route or neighbour.
    static std::unique_ptr<const Network> build(NetworkState state);
    Network(const Network&) = delete;
    Network& operator=(const Network&) = delete;

    const std::vector<Interface>& interfaces() const noexcept { return state_.interfaces; }
    const Interface& interface(InterfaceIndex index) const noexcept {
        LB_ASSERT(index < count_);
        return state_.interfaces[index];
    }

    // The interface that a frame with this tag on this device belongs to; kNoInterface for a VLAN
    // that nobody configured.
    const Port& find_port(std::uint16_t device, std::uint16_t vlan) const noexcept {
        if (vlan != net::kNoVlan) return find_tagged(device, vlan);
        return device < untagged_end_ ? ports_[device] : kNoPort;
    }
    InterfaceIndex find_interface(std::uint16_t device, std::uint16_t vlan) const noexcept {
        return find_port(device, vlan).interface;
    }

    // True for an address of one of our interfaces.
    bool owns(const IpAddress& address) const noexcept {
        if (!address.is_ipv4()) return owns_by_index(address);
        const std::uint32_t quad = quad_of(address), there = own_quads_[quad_slot(quad)];
        return there == kAskIndex ? owns_by_index(address) : there == quad;
    }

    // Nearly all that we send to: a neighbour of known MAC that no gateway leads to, an address of
    // one other host. Null says nothing.
    const Hop* find_neighbour(const IpAddress& target) const noexcept {
        const std::uint32_t at = on_link_index_.find(
            hash_of(target), [&](std::uint32_t i) { return on_link_[i].neighbour == target; });
        return at == HashIndex::kNone ? nullptr : &on_link_[at];
    }

    // Longest prefix match, then the neighbour's MAC. Allocation-free.
    Hop resolve(const IpAddress& target) const noexcept {
        Hop room;
        return resolve(target, room);
    }
    // The same without a copy: `room`, or what lasts as long as this network.
    const Hop& resolve(const IpAddress& target, Hop& room) const noexcept {
        const Hop* const neighbour = find_neighbour(target);
        return neighbour == nullptr ? resolve_by_route(target, room) : *neighbour;
    }

    std::size_t memory_bytes() const noexcept;

private:
    // A table of our IPv4 addresses, as they lie in memory, each in the slot that its hash says.
    // Where several would be it has kAskIndex, where none is kNobody; in kNobody's own slot never
    // that.
    static constexpr std::size_t kQuadSlots = 64;
    static constexpr Port kNoPort{};
    static constexpr std::uint32_t kAskIndex = 0, kNobody = 0xffffffff;
    static std::uint32_t quad_of(const IpAddress& address) noexcept {
        std::uint32_t quad;
        std::memcpy(&quad, address.data(), sizeof quad);
        return quad;
    }
    static std::size_t quad_slot(std::uint32_t quad) noexcept {
        return quad * 0x9e3779b1U >> (32 - std::bit_width(kQuadSlots - 1));
    }

    Network() = default;
    const MacAddress* find_mac(InterfaceIndex interface, const IpAddress& address) const noexcept;
    const Port& find_tagged(std::uint16_t device, std::uint16_t vlan) const noexcept;
    // `plain_max`: what plain_end is at most.
    Hop make_hop(InterfaceIndex interface, const IpAddress& neighbour,
                 std::size_t plain_max) const noexcept;
    const Hop& resolve_by_route(const IpAddress& target, Hop& room) const noexcept;
    bool owns_by_index(const IpAddress& address) const noexcept;
    void make_indexes();
    void make_quads();
    void insert_routes();
    void find_on_link();

    NetworkState state_;     // never moves after make_indexes(): hops point into it
    std::size_t count_ = 0;  // of interfaces
    // First by device those that take frames without a tag, then by interface all that there are.
    std::vector<Port> ports_;
    std::size_t untagged_end_ = 0;
    std::vector<IpAddress> own_;
    std::array<std::uint32_t, kQuadSlots> own_quads_{};
    std::vector<Hop> by_route_;  // what resolve() says by each route; no neighbour: it is on link
    std::vector<Hop> on_link_;   // what find_neighbour() finds
    HashIndex tagged_index_, own_index_, neighbour_index_, on_link_index_;
    PrefixTrie ipv4_{8}, ipv6_{4};
};

}  // namespace lb::table
