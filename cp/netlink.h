#pragma once

// The kernel's view of our TAP twins: links, addresses, routes of the main table and neighbours,
// kept as a mirror by netlink; and the few things that we ask the kernel to do to the twins.
//
// Only what concerns a twin is kept: a route by another device is not a way out of our ports. Of
// routes that refuse all are kept.
// Threads: the control thread only.
// Cost:    a notification is O(log routes); what a notification cannot say exactly (link down,
// replaced or
//          multipath routes, overrun) costs one dump, however many such notifications were read
//          together.
// Source:  rtnetlink(7); RFC 3549.

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "dp/base/address.h"
#include "dp/base/result.h"
#include "dp/table/network.h"

namespace lb::cp {

// The kernel device that stands for one of our interfaces.
struct Twin {
    std::string device;  // kernel name
    table::InterfaceIndex interface = table::kNoInterface;
};

// One next hop whose MAC the kernel shall keep fresh.
using NextHop = std::pair<table::InterfaceIndex, IpAddress>;

class Netlink {
public:
    // Opens the sockets, subscribes, and reads the first state. A twin that does not exist yet is
    // taken in when it appears.
    static Result<std::unique_ptr<Netlink>> open(std::vector<Twin> twins);
    ~Netlink();
    Netlink(const Netlink&) = delete;
    Netlink& operator=(const Netlink&) = delete;

    // Readable when notifications wait. Non-blocking.
    int fd() const noexcept;

    // Reads what waits. True if the mirror changed in a way that tables depend on, since it was
    // last said so; an error forgets nothing of that.
    Result<bool> process();

    // Reads everything from the kernel again. What differs is told by process().
    Status resync();
    // True while the mirror may differ from the kernel, as reading everything failed or was
    // interrupted by changes. process() tries again: call it after a while, fd() says nothing.
    bool stale() const noexcept;
    std::uint64_t overruns()
        const noexcept;  // times that notifications were lost and all was read again

    // Fills in what the kernel knows of `interfaces` (indexed by InterfaceIndex): addresses, MTU
    // (the smaller one), routes and neighbours. Interfaces without a twin stay as given. A route
    // that refuses (blackhole and the like) is one by kNoInterface.
    table::NetworkState state(std::vector<table::Interface> interfaces) const;

    // Interfaces whose twin came up since the last call. Of one that went down before, the kernel
    // has flushed routes, IPv6 addresses and neighbours.
    std::set<table::InterfaceIndex> take_risen();

    // Kernel index of an interface's twin, 0 if there is none now.
    unsigned device_index(table::InterfaceIndex interface) const noexcept;
    table::InterfaceIndex interface_of(unsigned device_index) const noexcept;

    // Commands to one twin. Asking for what is there already is no error.
    Status set_up(const std::string& device);
    Status add_address(const std::string& device, const Prefix& address);
    // A default route by `gateway`, with a metric that leaves the host's own default route in
    // charge.
    Status add_gateway(const std::string& device, const IpAddress& gateway);
    Status add_neighbour(const std::string& device, const IpAddress& address,
                         const MacAddress& mac);

    // Says which next hops are in use (sorted, no duplicates); others are let go. The kernel then
    // resolves them and keeps them fresh by itself (NTF_EXT_MANAGED, Linux 5.16); `refresh()` does
    // it where it cannot.
    void want_neighbours(const std::vector<NextHop>& next_hops);
    bool manages_neighbours() const noexcept;
    // For kernels before 5.16, every few seconds: asks for resolution of the next hops in use.
    void refresh_neighbours();

private:
    Netlink();
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace lb::cp
