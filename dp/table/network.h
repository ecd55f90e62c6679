#pragma once

// Where addresses are: our interfaces and their addresses, routes (longest prefix first) and
// neighbours. Built by the control plane from config and netlink, then never changed.
//
// Threads: immutable after build(); any thread reads.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dp/base/address.h"
#include "dp/base/limits.h"
#include "dp/net/packet.h"

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

struct RouteEntry {
    Prefix prefix;
    InterfaceIndex interface = kNoInterface;
    IpAddress gateway;         // none: on link
    std::uint32_t metric = 0;  // lower wins among equal prefixes

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

// How a datagram to one address leaves us.
struct Hop {
    InterfaceIndex interface = kNoInterface;  // kNoInterface: no route
    IpAddress neighbour;                      // the gateway, or the target itself
    const MacAddress* mac = nullptr;          // null: not known (yet), the kernel must resolve it
};

class Network {
public:
    // Never fails: entries that name an interface out of range, a gateway of the other family or no
    // MAC are left out. Subnets of the interfaces' addresses are on link unless a route for the
    // same prefix says otherwise. Of neighbours with the same interface and address the first
    // stays. Cost: linear, about 0.1 us per route or neighbour.
    static std::unique_ptr<const Network> build(NetworkState state);
    ~Network();

    const std::vector<Interface>& interfaces() const noexcept;
    const Interface& interface(InterfaceIndex index) const noexcept;

    // The interface that a frame with this tag on this device belongs to; kNoInterface for a VLAN
    // that nobody configured.
    InterfaceIndex find_interface(std::uint16_t device, std::uint16_t vlan) const noexcept;

    // True for an address of one of our interfaces.
    bool owns(const IpAddress& address) const noexcept;

    // Longest prefix match, then the neighbour's MAC. Allocation-free.
    Hop resolve(const IpAddress& target) const noexcept;

    std::size_t memory_bytes() const noexcept;

private:
    Network();
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace lb::table
