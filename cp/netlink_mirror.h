#pragma once

// What netlink messages add up to: a mirror of links, addresses, routes and neighbours. Pure:
// messages in, state out; cp/netlink reads them from the kernel.
//
// Threads: the control thread only.
// Invariant: after a whole dump, or after any sequence of messages of which none answered
// kAmbiguous, the mirror
//            equals the kernel's state (of the main table, and of the twins' addresses and
//            neighbours). Routes for one TOS only are left out: tables have no such key.

#include <linux/netlink.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cp/netlink.h"

namespace lb::cp {

class NetlinkMirror {
public:
    explicit NetlinkMirror(std::vector<Twin> twins);

    enum class Applied : std::uint8_t {
        kNothing,  // nothing that the tables depend on
        kChanged,
        kAmbiguous,  // the message does not say enough: read everything again
    };
    // One message of RTM_{NEW,DEL}{LINK,ADDR,ROUTE,NEIGH,NEXTHOP}; others change nothing. A message
    // of a dump is never ambiguous: several routes of one key are listed in the order of the
    // kernel. REQUIRES: mnl_nlmsg_ok(message).
    Applied apply(const nlmsghdr* message, bool dump);

    void clear();  // before a dump; the twins stay

    void fill(table::NetworkState& state) const;
    unsigned device_index(table::InterfaceIndex interface) const noexcept;
    table::InterfaceIndex interface_of(unsigned device) const noexcept;
    unsigned device_index(const std::string& name) const noexcept;
    struct Neighbour {
        MacAddress mac;
        bool permanent = false;  // set by hand: not to be refreshed
        friend bool operator==(const Neighbour&, const Neighbour&) = default;
    };
    // A usable neighbour, or null.
    const Neighbour* find_neighbour(unsigned device, const IpAddress& address) const noexcept;

    // After a dump, of what was known before: those that came up meanwhile have risen. `lost`:
    // notifications were lost, so one that is up was down in between if it has less than before.
    void follow(const NetlinkMirror& before, bool lost);
    // Interfaces whose twin came up, since the last call.
    std::set<table::InterfaceIndex> take_risen();

    // True if tables made of the two would be the same.
    bool same_state(const NetlinkMirror& other) const noexcept;

private:
    struct Link {
        std::string name;
        std::uint32_t flags = 0;
        std::uint32_t mtu = 0;
        table::InterfaceIndex interface = table::kNoInterface;
        friend bool operator==(const Link&, const Link&) = default;
    };
    struct RouteKey {
        Prefix prefix;
        std::uint32_t metric = 0;
        Prefix source;  // IPv6: for packets from there alone; of no address: for all
        friend auto operator<=>(const RouteKey&, const RouteKey&) = default;
    };
    static constexpr unsigned kNowhere = 0xffffffff;
    struct Path {
        unsigned device = 0;  // kNowhere: a route that refuses
        IpAddress gateway;
        std::uint32_t nexthop = 0;  // id of an object, where the kernel does not say more
        friend bool operator==(const Path&, const Path&) = default;
    };
    using Paths = std::vector<Path>;  // of one route; several only for multipath
    struct Route {
        RouteKey key;
        Paths paths;
    };
    struct Nexthop {
        Path path;
        std::vector<std::uint32_t> members;  // ids; none: it is no group
        friend bool operator==(const Nexthop&, const Nexthop&) = default;
    };
    using NeighbourKey = std::pair<unsigned, IpAddress>;

    Applied apply_link(const nlmsghdr* message, bool removed);
    Applied apply_address(const nlmsghdr* message, bool removed);
    Applied apply_route(const nlmsghdr* message, bool removed, bool dump);
    Applied apply_nexthop(const nlmsghdr* message, bool removed);
    Applied apply_neighbour(const nlmsghdr* message, bool removed);
    Applied add_route(Route&& route, bool replace);
    Applied remove_route(const Route& route);
    Paths paths_of(std::uint32_t nexthop) const;
    static bool parse_route(const nlmsghdr* message, Route& route);
    void fill_route(const RouteKey& key, const Paths& paths, table::NetworkState& state) const;
    table::InterfaceIndex twin_named(const std::string& name) const noexcept;
    bool is_up(unsigned device) const noexcept;
    bool lacks(unsigned device, const NetlinkMirror& before) const;
    bool has_route(const RouteKey& key, unsigned device) const;
    bool concerns_tables(const Paths& paths) const noexcept;

    std::vector<Twin> twins_;
    std::map<unsigned, Link> links_;  // twins only, by kernel index
    std::map<unsigned, std::set<Prefix>> addresses_;
    // By every device, as a twin's route may replace another's. Several routes of one key: in the
    // kernel's order.
    std::map<RouteKey, std::vector<Paths>> routes_;
    std::map<std::uint32_t, Nexthop> nexthops_;     // by id
    std::map<NeighbourKey, Neighbour> neighbours_;  // usable ones
    std::set<table::InterfaceIndex> risen_;
};

}  // namespace lb::cp
